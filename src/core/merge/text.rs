//! Merging by lines, and taking a text with conflict markers apart again. Knows lines, not what they say.

use std::fmt::Write as _;
use std::ops::Range;

use similar::{DiffTag, MergeRegion, MergeResolution, TextDiff, TextMerge};

use super::{Conflict, MergeSides, Merged};
use crate::core::document::{Document, conflict_marker};

/// The rule of prose.
const SAME_LINES: &str = "same lines";

/// What a merge by lines came to.
pub(super) struct ByLines {
    pub(super) text: String,
    /// What stands between markers.
    pub(super) conflicts: Vec<Conflict>,
    /// How many pairs of markers there are.
    pub(super) count: usize,
}

/// Merges whole texts by lines: documents that cannot be read, or whose layout nobody can edit safely.
pub(super) fn whole(base: Option<&Document>, ours: &Document, theirs: &Document, names: &MergeSides<'_>) -> Merged {
    let text = |document: &Document| std::str::from_utf8(document.bytes()).ok().map(str::to_owned);
    let conflict = |rule| Conflict {
        rule,
        what: "the file".to_owned(),
        ours: "its text".to_owned(),
        theirs: "another text".to_owned(),
    };
    let (Some(mine), Some(other)) = (text(ours), text(theirs)) else {
        return Merged { document: ours.clone(), conflicts: vec![conflict("not text")], decisions: Vec::new() };
    };
    let swap = names.same_from_both_sides && other < mine;
    let (mine, other) = if swap { (other, mine) } else { (mine, other) };
    let base = base.and_then(text).unwrap_or_else(|| common(&mine, &other));
    let merged = lines((&base, &mine, &other), Part::Whole, names, &|_, _| true);
    let document = Document::parse(merged.text.into_bytes());
    // What came out must be seen: as a document where both were, as a conflict where there is one.
    let was_readable = ours.is_readable() && theirs.is_readable();
    let is_seen = if merged.count > 0 { !document.is_readable() } else { document.is_readable() || !was_readable };
    if is_seen {
        return Merged { document, conflicts: merged.conflicts, decisions: Vec::new() };
    }
    let end = |text: &str| if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    let all = format!(
        "<<<<<<< {}\n{mine}{}=======\n{other}{}>>>>>>> {}\n",
        names.ours,
        end(&mine),
        end(&other),
        names.theirs
    );
    Merged { document: Document::parse(all.into_bytes()), conflicts: vec![conflict("layout")], decisions: Vec::new() }
}

/// Merges what is left when everything else was decided: the frontmatter and the body each by itself. `keys` are those that
/// were not decided; elsewhere in the frontmatter all versions say the same, and one layout is as good as the other.
pub(super) fn rest(
    base: &Document,
    ours: &Document,
    theirs: &Document,
    keys: &[&str],
    names: &MergeSides<'_>,
    layout: Layout,
) -> ByLines {
    let open = |document: &Document, bytes: Range<usize>| {
        keys.iter().filter_map(|key| document.field(key)).any(|field| {
            let end = field.value_span.end.max(field.key_span.end);
            field.key_span.start < bytes.end && end > bytes.start
        })
    };
    let [old, mine, other] = [base, ours, theirs].map(|document| document.text().split_at(document.body_start()));
    let mut front = match layout {
        Layout::ByLines => {
            let is_conflict = |mine: Range<usize>, other: Range<usize>| open(ours, mine) || open(theirs, other);
            lines((old.0, mine.0, other.0), Part::Front, names, &is_conflict)
        }
        Layout::One => ByLines { text: one_layout(old.0, mine.0, other.0), conflicts: Vec::new(), count: 0 },
    };
    let body = lines((old.1, mine.1, other.1), Part::Body, names, &|_, _| true);
    front.text.push_str(&body.text);
    front.conflicts.extend(body.conflicts);
    front.count += body.count;
    front
}

/// How the frontmatter is put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// By lines, so that what either side moved or commented stays.
    ByLines,
    /// From one side, with the comments of the other.
    One,
}

/// The smaller of two frontmatters that say the same, with the new comments of the other one.
fn one_layout(base: &str, a: &str, b: &str) -> String {
    let (kept, other) = (a.min(b), a.max(b));
    let comments = comments(other, &[base, kept]);
    let end = kept.trim_end().rfind('\n').map_or(0, |at| at + 1);
    format!("{}{comments}{}", &kept[..end], &kept[end..])
}

/// The comments of a text that stand in none of the others.
fn comments(text: &str, others: &[&str]) -> String {
    let is_new = |line: &&str| {
        let is_there = |other: &&str| other.lines().any(|known| known == line.trim_end());
        line.trim_start().starts_with('#') && !others.iter().any(is_there)
    };
    let end = |line: &str| if line.ends_with('\n') { line.to_owned() } else { format!("{line}\n") };
    text.split_inclusive('\n').filter(is_new).map(end).collect()
}

impl ByLines {
    /// What stands between markers, but for what is `told` already with its values: keys, the title, JSON.
    pub(super) fn beside(self, mut told: Vec<Conflict>) -> Vec<Conflict> {
        let all = self.conflicts;
        let is_told = |one: &Conflict| {
            one.rule != SAME_LINES && (!one.what.starts_with("`##") || told.iter().any(|other| other.what == one.what))
        };
        let more: Vec<Conflict> = all.iter().filter(|one| !is_told(one)).cloned().collect();
        told.extend(more);
        if told.is_empty() { all } else { told }
    }
}

/// The lines that two texts have alike, in order.
pub(super) fn common(a: &str, b: &str) -> String {
    let diff = TextDiff::from_lines(a, b);
    let alike = diff.ops().iter().filter(|op| op.tag() == DiffTag::Equal);
    alike.flat_map(similar::DiffOp::old_range).map(|at| &diff.old_lookup()[at]).collect()
}

/// What a text is a part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Whole,
    Front,
    Body,
}

/// The merged lines, with markers around those that both changed differently. `is_conflict` is asked with the bytes of both
/// sides; where it says no, the smaller text stands, whoever's it is.
///
/// Whether the last line has a break is decided by itself: else a last line without one differs from the same line with one.
fn lines(
    texts: (&str, &str, &str),
    part: Part,
    names: &MergeSides<'_>,
    is_conflict: &dyn Fn(Range<usize>, Range<usize>) -> bool,
) -> ByLines {
    let [old, mine, other] = [texts.0, texts.1, texts.2].map(|text| text.is_empty() || text.ends_with(['\n', '\r']));
    if old == mine && mine == other {
        return broken_lines(texts, part, names, is_conflict);
    }
    let [base, ours, theirs] = [texts.0, texts.1, texts.2].map(with_last_break);
    let mut out = broken_lines((&base, &ours, &theirs), part, names, is_conflict);
    let has_break = if mine == old { other } else { mine };
    if !has_break && out.count == 0 {
        let kept =
            out.text.strip_suffix("\r\n").or_else(|| out.text.strip_suffix('\n')).map_or(out.text.len(), str::len);
        out.text.truncate(kept);
    }
    out
}

/// The text with a break behind its last line, as its other lines have one.
fn with_last_break(text: &str) -> String {
    let is_broken = text.is_empty() || text.ends_with(['\n', '\r']);
    let end = if is_broken {
        ""
    } else if text.contains("\r\n") {
        "\r\n"
    } else {
        "\n"
    };
    format!("{text}{end}")
}

/// The merged lines of texts whose last lines all have a break, or none.
fn broken_lines(
    (base, ours, theirs): (&str, &str, &str),
    part: Part,
    names: &MergeSides<'_>,
    is_conflict: &dyn Fn(Range<usize>, Range<usize>) -> bool,
) -> ByLines {
    let merge = TextMerge::from_lines(base, ours, theirs);
    // As the lines were told apart there: at a lone carriage return, too.
    let starts_ours = starts(merge.ours_len(), |at| merge.ours_line(at));
    let starts_theirs = starts(merge.theirs_len(), |at| merge.theirs_line(at));
    let mut out = ByLines { text: String::new(), conflicts: Vec::new(), count: 0 };
    for region in merge.regions() {
        let bytes = |starts: &[usize], range: Range<usize>| starts[range.start]..starts[range.end];
        let (mine, other) = (bytes(&starts_ours, region.ours_range()), bytes(&starts_theirs, region.theirs_range()));
        let (a, b) = (&ours[mine.clone()], &theirs[other.clone()]);
        match region.resolution() {
            MergeResolution::Theirs => out.text.push_str(b),
            MergeResolution::Conflict if a != b && is_conflict(mine.clone(), other) => {
                mark(&mut out, names, a, &old(&merge, region), b);
                let (what, known) = place(part, ours, &mine);
                let rule = if known { "two values" } else { SAME_LINES };
                out.conflicts.push(Conflict { rule, what, ours: a.to_owned(), theirs: b.to_owned() });
            }
            MergeResolution::Conflict => {
                // One of two layouts stands, and with it every comment that either side put there.
                let (kept, other) = (a.min(b), a.max(b));
                out.text.push_str(&comments(other, &[kept, &old(&merge, region)]));
                out.text.push_str(kept);
            }
            _ => out.text.push_str(a),
        }
    }
    out
}

fn old(merge: &TextMerge<'_, '_, '_, str>, region: &MergeRegion) -> String {
    region.base_range().filter_map(|at| merge.base_line(at)).collect()
}

fn mark(out: &mut ByLines, names: &MergeSides<'_>, ours: &str, base: &str, theirs: &str) {
    out.count += 1;
    let text = &mut out.text;
    let end = |text: &mut String| {
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
    };
    end(text);
    let _ = writeln!(text, "<<<<<<< {}", names.ours);
    for (part, line) in
        [(ours, "||||||| base".to_owned()), (base, "=======".to_owned()), (theirs, format!(">>>>>>> {}", names.theirs))]
    {
        text.push_str(part);
        end(text);
        let _ = writeln!(text, "{line}");
    }
}

/// Where each line begins, and the end.
fn starts<'a>(count: usize, line: impl Fn(usize) -> Option<&'a str>) -> Vec<usize> {
    let mut at = 0;
    let mut starts = vec![0];
    for number in 0..count {
        at += line(number).map_or(0, str::len);
        starts.push(at);
    }
    starts
}

/// What a part of a text belongs to, in words; and whether it is something that is told by its value.
fn place(part: Part, text: &str, bytes: &Range<usize>) -> (String, bool) {
    if part == Part::Front {
        return ("the frontmatter".to_owned(), true);
    }
    let inside = text.get(bytes.clone()).unwrap_or_default();
    let mut lines = inside.lines().filter(|line| !line.trim().is_empty()).peekable();
    let first = lines.peek().copied().unwrap_or_default();
    if part == Part::Body && (first.starts_with("# ") || !first.is_empty() && lines.all(|line| line.starts_with("**")))
    {
        return ("the title".to_owned(), true);
    }
    let mut before = text.get(..bytes.start).unwrap_or_default().lines().rev();
    let heading = first.strip_prefix("## ").or_else(|| before.find_map(|line| line.strip_prefix("## ")));
    match heading {
        Some(heading) => (format!("`## {heading}`"), ["Payload", "Metadata"].contains(&heading.trim())),
        None => ("the text".to_owned(), false),
    }
}

/// The three versions of a text with conflict markers: base (where the markers have one, else the lines outside them), ours,
/// theirs. A conflict inside of another stays in the side in which it stands. `None` if there is no whole conflict in it.
#[must_use]
pub fn sides(text: &str) -> Option<(String, String, String)> {
    #[derive(PartialEq)]
    enum At {
        Outside,
        Ours,
        Base,
        Theirs,
    }
    let (mut base, mut ours, mut theirs) = (String::new(), String::new(), String::new());
    let (mut at, mut found, mut depth, mut length) = (At::Outside, false, 0, 0);
    for line in text.split_inclusive('\n') {
        // The markers of a conflict are equally long; longer or shorter ones are text of its sides.
        let marker = conflict_marker(line).filter(|(_, its)| at == At::Outside || *its == length);
        let is = |sign: char| marker.is_some_and(|(its, _)| its == sign);
        // A conflict inside of one is text of the side in which it stands.
        let was_inside = depth > 0;
        if at != At::Outside && is('<') {
            depth += 1;
        } else if was_inside && is('>') {
            depth -= 1;
        }
        let is_inside = was_inside || depth > 0;
        at = match at {
            At::Outside if is('<') => {
                length = marker.map_or(0, |(_, length)| length);
                At::Ours
            }
            At::Ours if !is_inside && is('|') => At::Base,
            At::Ours | At::Base if !is_inside && is('=') => At::Theirs,
            At::Theirs if !is_inside && is('>') => {
                found = true;
                At::Outside
            }
            now => {
                let into: &mut [&mut String] = match now {
                    At::Outside => &mut [&mut base, &mut ours, &mut theirs],
                    At::Ours => &mut [&mut ours],
                    At::Base => &mut [&mut base],
                    At::Theirs => &mut [&mut theirs],
                };
                for text in into {
                    text.push_str(line);
                }
                now
            }
        };
    }
    (found && at == At::Outside).then_some((base, ours, theirs))
}
