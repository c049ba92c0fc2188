//! What may be written into a body: how large and how deep JSON may be, and what a description may hold. Judged before it is
//! written, since it could not be read back.

use serde_json::Value as Json;

use crate::core::diagnostic::{Code, Diagnostic};
use crate::core::document::body::description::is_label;
use crate::core::document::{Document, JSON_BYTES_MAX, OpenBlock, Skeleton};

/// Deepest nesting of lists and maps in the JSON of a section.
pub const JSON_DEPTH_MAX: usize = 100;

/// Largest description that is written, in bytes.
pub const DESCRIPTION_BYTES_MAX: usize = 256 * 1024;

/// Returns why a text cannot be a description; `None` if it can.
pub(super) fn description_fault(skeleton: Skeleton<'_>, text: &str) -> Option<Diagnostic> {
    let fault = |message: String, hint: &str| Some(Diagnostic::error(Code::BadValue, message).hint(hint));
    if text.len() > DESCRIPTION_BYTES_MAX {
        let message = format!("the description has {} bytes; at most {DESCRIPTION_BYTES_MAX} are allowed", text.len());
        return fault(message, "put the rest into a file of the repository, and name its path");
    }
    // Behind a line break nothing of it is frontmatter.
    let alone = Document::parse(format!("\n{text}").into_bytes());
    let line = |finding: &Diagnostic| finding.place.map_or(1, |place| place.line.saturating_sub(1));
    if let Some(finding) = alone.faults().first() {
        let message = format!("the description cannot be used, at its line {}: {}", line(finding), finding.message);
        return fault(message, "correct the text");
    }
    if let Some(finding) = alone.body().open_blocks().first().map(OpenBlock::finding) {
        let message = format!("the description cannot be used, at its line {}: {}", line(&finding), finding.message);
        return fault(message, finding.hint.as_deref().unwrap_or("close it"));
    }
    if let Some(section) = skeleton.headings.iter().find_map(|heading| alone.body().section(heading)) {
        let message =
            format!("a description cannot have the heading `## {}`: it is a section of its own", section.heading);
        return fault(message, "use another heading, or one of a lower level (`###`)");
    }
    let first = text.lines().take_while(|line| !line.trim().is_empty());
    let label = first.clone().next().filter(|_| first.clone().all(|line| is_label(line, skeleton.keys)))?;
    let message = format!(
        "the description begins with `{}`, which would be taken for a field",
        crate::core::name::visible(label)
    );
    fault(message, "set the field itself, and begin the description with its first sentence")
}

/// Returns why a value cannot be the JSON of `name` (such as `the payload`); `None` if it can.
#[must_use]
pub fn json_fault(name: &str, json: &Json) -> Option<Diagnostic> {
    if is_deeper(json, JSON_DEPTH_MAX) {
        let message = format!("{name} is nested deeper than {JSON_DEPTH_MAX} levels");
        return Some(Diagnostic::error(Code::BadValue, message).hint("put the data into a file, and give its path"));
    }
    let bytes = format!("{json:#}").len();
    (bytes > JSON_BYTES_MAX).then(|| {
        let message =
            format!("{name} has {bytes} bytes of JSON as it is written; at most {JSON_BYTES_MAX} are allowed");
        Diagnostic::error(Code::BadValue, message).hint("put the data into a file, and give its path")
    })
}

fn is_deeper(json: &Json, levels: usize) -> bool {
    let Some(left) = levels.checked_sub(1) else { return json.is_array() || json.is_object() };
    match json {
        Json::Array(items) => items.iter().any(|item| is_deeper(item, left)),
        Json::Object(map) => map.values().any(|value| is_deeper(value, left)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_may_be_as_large_and_as_deep_as_the_limits() {
        let text = |bytes: usize| Json::from("x".repeat(bytes - 2));
        assert_eq!(json_fault("the payload", &text(JSON_BYTES_MAX)), None);
        let fault = json_fault("the payload", &text(JSON_BYTES_MAX + 1)).expect("too large");
        assert_eq!(fault.message, "the payload has 524289 bytes of JSON as it is written; at most 524288 are allowed");
        let nested = |levels: usize| (0..levels).fold(Json::Null, |inner, _| Json::Array(vec![inner]));
        assert_eq!(json_fault("the payload", &nested(JSON_DEPTH_MAX)), None);
        let fault = json_fault("the payload", &nested(JSON_DEPTH_MAX + 1)).expect("too deep");
        assert_eq!(fault.message, "the payload is nested deeper than 100 levels");
        assert!(fault.hint.is_some());
    }
}
