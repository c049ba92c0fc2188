//! `textconv`: a document as one fact a line, for `git diff`. For the eye alone: nothing reads it back.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::answer::{self, Answer};
use crate::api::view::{AnswerHead, ErrorReport};
use crate::core::document::Document;
use crate::core::name::visible;
use crate::services;

/// Print a document as one fact a line, as `git diff` shows it
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Git calls it once `mycelium init --diff-driver` has been run. What cannot be read is printed as it is.")]
pub(crate) struct Args {
    /// The file
    file: PathBuf,
}

/// Prints it.
pub(crate) fn run(args: &Args) -> Result<Option<Answer>, ErrorReport> {
    let bytes = services::shown_file(&args.file)?;
    let document = Document::parse(bytes.as_slice());
    if !document.is_readable() {
        // Git shows what it is given, and takes care of its own terminal no more than without this.
        return answer::print_bytes(&bytes).map(|()| None);
    }
    let mut answer = Answer::new("textconv", AnswerHead::default());
    answer.text = facts(&document);
    answer.data = json!({ "text": answer.text });
    Ok(Some(answer))
}

/// The frontmatter as `key: value`, values of values with dotted keys; then the body: its JSON the same way, its steps as
/// `[x] text`, everything else as it stands.
fn facts(document: &Document) -> String {
    let mut out = Vec::new();
    for field in document.fields() {
        flatten(&field.key, &field.value.to_json(), &mut out);
    }
    let mut lines = body(document).lines().peekable();
    let mut heading = String::new();
    while let Some(line) = lines.next() {
        if let Some(title) = line.strip_prefix("## ") {
            heading = title.trim().to_lowercase();
        }
        if line.trim_end() == "```json" {
            let mut text = Vec::new();
            while let Some(line) = lines.next_if(|line| line.trim_end() != "```") {
                text.push(line);
            }
            lines.next();
            match serde_json::from_str::<Value>(&text.join("\n")) {
                Ok(value) => flatten(&heading, &value, &mut out),
                Err(_) => out.extend(text.into_iter().map(visible)),
            }
            continue;
        }
        let item = line.trim_start();
        let step = ["- ", "* ", "+ "].iter().find_map(|mark| item.strip_prefix(mark)).filter(|rest| is_box(rest));
        let indent = &line[..line.len() - item.len()];
        out.push(visible(&format!("{indent}{}", step.unwrap_or(item)).replace('\t', "    ")));
    }
    out.join("\n") + "\n"
}

/// What follows the frontmatter.
fn body(document: &Document) -> &str {
    let text = document.text();
    let end = document.fields().iter().map(|field| field.key_span.end.max(field.value_span.end)).max().unwrap_or(0);
    if !document.has_frontmatter() {
        return text;
    }
    let rest = text.get(end..).unwrap_or_default();
    let mut at = 0;
    for line in rest.split_inclusive('\n') {
        at += line.len();
        if line.trim_end() == "---" && (end > 0 || at > line.len()) {
            return &rest[at..];
        }
    }
    rest
}

fn is_box(text: &str) -> bool {
    ["[ ] ", "[x] ", "[X] "].iter().any(|mark| text.starts_with(mark))
}

fn flatten(key: &str, value: &Value, out: &mut Vec<String>) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (name, value) in map {
                flatten(&format!("{key}.{name}"), value, out);
            }
        }
        Value::Array(list) if !list.is_empty() => {
            for value in list {
                flatten(&format!("{key}[]"), value, out);
            }
        }
        Value::String(text) => {
            let mut lines = text.lines();
            out.push(visible(&format!("{key}: {}", lines.next().unwrap_or_default())).trim_end().to_owned());
            out.extend(lines.map(|line| visible(&format!("    {line}"))));
        }
        Value::Null => out.push(format!("{}:", visible(key))),
        other => out.push(visible(&format!("{key}: {other}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_one_fact_a_line() {
        let text = "---\nid: task-1\nstatus: running\ntags: [a, b]\nempty:\n---\n\n# Train\n\n## Payload\n\n```json\n{\"epochs\": 3,\n\
                    \"data\": {\"set\": \"x\\u001b[2J\"}}\n```\n\n- [x] Load\n  - [ ] Check\n- a note\n";
        let expected = "id: task-1\nstatus: running\ntags[]: a\ntags[]: b\nempty:\n\n# Train\n\n## Payload\n\npayload.epochs: 3\n\
                        payload.data.set: x\\u{1b}[2J\n\n[x] Load\n  [ ] Check\n- a note\n";
        assert_eq!(facts(&Document::parse(text.as_bytes().to_vec())), expected);
    }

    #[test]
    fn what_has_no_frontmatter_is_its_text() {
        for (text, expected) in [("# A\n\nb\n", "# A\n\nb\n"), ("---\n---\nb\n", "b\n"), ("", "\n")] {
            assert_eq!(facts(&Document::parse(text.as_bytes().to_vec())), expected, "{text:?}");
        }
    }
}
