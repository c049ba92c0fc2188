//! Takes out of a report what nobody wants to paste: where home is, and secrets in addresses.

use crate::core::name::is_letter;

/// The text with home as `~`, and without names and passwords in addresses (`https://***@host`).
#[must_use]
pub fn redact(text: &str, home: Option<&str>) -> String {
    let text = match home.map(|home| home.trim_end_matches('/')).filter(|home| home.len() > 1) {
        Some(home) => without_home(text, home),
        None => text.to_owned(),
    };
    without_secrets(&text)
}

fn without_home(text: &str, home: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(home) {
        let after = &rest[at + home.len()..];
        // `/srv/me` is neither the beginning of `/srv/menu` nor the end of `/mnt/srv/me`.
        let starts = !rest[..at].ends_with(|c: char| is_letter(c) || matches!(c, '-' | '_' | '.' | '/'));
        let ends = !after.starts_with(|c: char| is_letter(c) || matches!(c, '-' | '_' | '.'));
        out.push_str(&rest[..at]);
        out.push_str(if starts && ends { "~" } else { home });
        rest = after;
    }
    out + rest
}

fn without_secrets(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        out.push_str(before);
        let end = after.find(|c: char| c.is_whitespace() || matches!(c, '/' | '`' | '\'' | '"' | '?' | '#'));
        let authority = &after[..end.unwrap_or(after.len())];
        match authority.rfind('@') {
            Some(sign) => {
                out.push_str("***");
                rest = &after[sign..];
            }
            None => rest = after,
        }
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn home_and_secrets_are_taken_out() {
        let home = Some("/srv/me");
        for (text, expected) in [
            ("`/srv/me/p/.git` and /srv/me", "`~/p/.git` and ~"),
            ("/srv/menu /mnt/srv/me /srv/me-too", "/srv/menu /mnt/srv/me /srv/me-too"),
            ("https://me:secret@host/x.git", "https://***@host/x.git"),
            ("redis://:p%40ss@host:6379 `ssh://git@host`", "redis://***@host:6379 `ssh://***@host`"),
            ("https://a:b@c@host/x", "https://***@host/x"),
            ("https://host/a@b mail@host", "https://host/a@b mail@host"),
            ("://", "://"),
        ] {
            assert_eq!(redact(text, home), expected);
        }
        assert_eq!(redact("/x", Some("/")), "/x");
        assert_eq!(redact("/x", None), "/x");
    }
}
