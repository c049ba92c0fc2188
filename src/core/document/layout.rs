//! Tells a frontmatter that is written as most are from one that has to be tried before it counts as editable.

use super::Document;

/// Signs with which a value begins that is more than a plain text.
const SPECIAL: [char; 14] = ['|', '>', '&', '*', '!', '?', '%', '@', '`', '{', '}', '[', ']', ','];
/// Characters that YAML readers disagree about.
const DISPUTED: [char; 5] = ['\t', '\u{feff}', '\u{85}', '\u{2028}', '\u{2029}'];

impl Document {
    /// Returns true if every line of the frontmatter is a comment, `key: value` or `- value` with a value that ends in its
    /// line. Such a frontmatter can be edited; any other may be editable too.
    #[must_use]
    pub fn has_plain_layout(&self) -> bool {
        let inner = self.inner();
        let Some(fence) = &inner.fence else { return true };
        let yaml = &self.text()[fence.yaml.clone()];
        !yaml.contains(DISPUTED) && yaml.lines().all(is_plain_line)
    }
}

fn is_plain_line(line: &str) -> bool {
    let line = line.trim_matches(' ');
    if line.is_empty() || line.starts_with('#') {
        return true;
    }
    if let Some(item) = line.strip_prefix("- ") {
        return is_plain_value(item);
    }
    let Some((key, value)) = line.split_once(':') else { return false };
    let is_key = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'));
    is_key && (value.is_empty() || value.starts_with(' ') && is_plain_value(value))
}

fn is_plain_value(value: &str) -> bool {
    let value = value.trim_matches(' ');
    let closes = |open: char, close: char| value.len() > 1 && value.starts_with(open) && value.ends_with(close);
    let is_quoted = closes('"', '"') || closes('\'', '\'');
    is_quoted || closes('[', ']') || !value.starts_with(['"', '\'']) && !value.starts_with(SPECIAL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_most_people_write_is_plain() {
        for (yaml, plain) in [
            ("id: x\n# c\nlist:\n  - a\n  - 'b c'\nflow: [a, b]\nmap:\n  k: \"v\"\n\n", true),
            ("{id: x}\n", false),
            ("id: >\n  x\n", false),
            ("id: x\n  y\n", false),
            ("? id\n: x\n", false),
            ("id: 'x\n  y'\n", false),
            ("id: [x,\n  y]\n", false),
            ("id:\tx\n", false),
            ("id: a\u{2028}b\n", false),
            ("\"id\": x\n", false),
        ] {
            let document = Document::parse(format!("---\n{yaml}---\n").into_bytes());
            assert_eq!(document.has_plain_layout(), plain, "{yaml}");
        }
        assert!(Document::parse(b"# T\n".as_slice()).has_plain_layout());
    }
}
