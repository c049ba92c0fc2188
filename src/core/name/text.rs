//! Text of names: which characters are letters, the one form in which two spellings are equal, and what is safe to show.

use std::borrow::Cow;

use unicode_normalization::char::is_combining_mark;
use unicode_normalization::{IsNormalized, UnicodeNormalization as _, is_nfc_quick};

/// Returns true if a character can be part of a word: a letter or digit of any script, or a visible mark that combines
/// with the letter before it (vowel signs, accents).
#[must_use]
pub fn is_letter(c: char) -> bool {
    c.is_alphanumeric() || is_mark(c)
}

/// Returns true if a character combines with the letter before it and is seen. Two names that differ by a selector
/// or a joiner look the same, so those are no part of a name.
pub(super) fn is_mark(c: char) -> bool {
    let is_invisible = matches!(c, '\u{34f}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{e0100}'..='\u{e01ef}');
    !c.is_ascii() && is_combining_mark(c) && !is_invisible
}

/// Returns true if a reader would not see the character where it stands alone: marks, and the joiners of some scripts.
pub(super) fn is_unseen_alone(c: char) -> bool {
    !c.is_ascii() && is_combining_mark(c) || matches!(c, '\u{200c}' | '\u{200d}')
}

/// Returns the composed form of a text (Unicode NFC). Spellings of the same letters have the same one.
#[must_use]
pub fn composed(text: &str) -> Cow<'_, str> {
    if text.is_ascii() || is_nfc_quick(text.chars()) == IsNormalized::Yes {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(text.nfc().collect())
    }
}

/// Returns what two names have in common that differ only by case or by the spelling of their letters: on Windows and macOS
/// such names are one file.
#[must_use]
pub fn folded(text: &str) -> String {
    // Upper case first: `ß` and `ẞ`, `ς` and `σ` fold to one form.
    let lower = text.to_uppercase().to_lowercase();
    composed(&lower).into_owned()
}

/// Makes control and direction-changing characters visible, so that a text can be shown on a terminal.
#[must_use]
pub fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_unsafe_to_show(c) {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}

/// Returns a word as a shell takes it, for a command in a hint: as it stands, or in quotes.
#[must_use]
pub fn shell_word(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@+".contains(c);
    let word = visible(text);
    if !word.is_empty() && word.chars().all(is_plain) { word } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

/// Returns true if a character could change what a terminal shows: controls, bidirectional marks, line separators, and what
/// is there without being seen (but for the joiners and selectors that scripts and emoji need).
#[must_use]
pub fn is_unsafe_to_show(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Returns true if some file system takes a name for `.git`; git refuses to check out a path with such a part.
#[must_use]
pub fn is_gits_own(part: &str) -> bool {
    // HFS+ passes over letters that are not seen, Windows over dots and spaces at the end.
    let is_seen = |c: &char| !is_unsafe_to_show(*c) && !matches!(c, '\u{200c}' | '\u{200d}');
    let seen: String = part.chars().filter(is_seen).collect();
    let seen = seen.trim_end_matches(['.', ' ']);
    seen.eq_ignore_ascii_case(".git") || seen.eq_ignore_ascii_case("git~1")
}
