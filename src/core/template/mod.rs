//! Texts of new documents and lines of answers from templates. Values are escaped by the filters or shown on one line; nothing is read from disk here.

mod bounds;
mod expression;
mod format;

use std::fmt::Write as _;
use std::sync::Arc;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Enumerator, Object, ObjectExt, ObjectRepr, Value};
use minijinja::{Environment, ErrorKind, UndefinedBehavior};
use serde_json::Value as Json;

use crate::core::name::{Kind, is_letter, is_unsafe_to_show};

pub use bounds::{BLOCKS_DEPTH_MAX, BRACKETS_DEPTH_MAX, BRACKETS_MAX, TAG_TOKENS_MAX, TEMPLATE_BYTES_MAX};
pub use expression::{
    EXPRESSION_FUEL, ExpressionError, FillError, as_expression, evaluate, fill, fill_text, is_template, names_in_text,
    names_read,
};
pub use format::{COLORS, FILTERS, Format, FormatError, cut};

/// What rendering one document may cost, in the engine's own unit (about one instruction or 64 bytes each).
pub const FUEL: u64 = 1_000_000;

/// How often a loop may call itself.
const RECURSION_MAX: usize = 50;

/// Which of the two known shapes a new document gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Shape {
    /// Each fact once, in slots that plain git merges cleanly.
    #[default]
    Lean,
    /// The reference document's examples: status lines in the body too, raw JSON.
    Classic,
}

impl Shape {
    /// Both shapes, the default first.
    pub const ALL: [Self; 2] = [Self::Lean, Self::Classic];

    /// The word for it in the configuration: `lean`, `classic`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Lean => "lean",
            Self::Classic => "classic",
        }
    }
}

/// The template of a kind of document in a shape, as it is built in.
#[must_use]
pub const fn built_in(kind: Kind, shape: Shape) -> &'static str {
    match (shape, kind) {
        (Shape::Lean, Kind::Agent) => include_str!("../../../templates/lean/agent.md"),
        (Shape::Lean, Kind::Task) => include_str!("../../../templates/lean/task.md"),
        (Shape::Lean, Kind::Workflow) => include_str!("../../../templates/lean/workflow.md"),
        (Shape::Classic, Kind::Agent) => include_str!("../../../templates/classic/agent.md"),
        (Shape::Classic, Kind::Task) => include_str!("../../../templates/classic/task.md"),
        (Shape::Classic, Kind::Workflow) => include_str!("../../../templates/classic/workflow.md"),
    }
}

/// The name of the file that replaces a built-in template: `task.md`, `agent.md`, `workflow.md`.
#[must_use]
pub fn file_name(kind: Kind) -> String {
    format!("{kind}.md")
}

/// Says why a template gave no text.
#[derive(Debug, thiserror::Error)]
#[error("the template `{name}` cannot be used at line {line}")]
pub struct TemplateError {
    /// Which template, by file name.
    pub name: String,
    /// The line in it, from 1; 0 where it is not known.
    pub line: usize,
    #[source]
    source: minijinja::Error,
}

/// Renders a template (the caller's text, else the built-in one) with the values of a JSON map.
///
/// Every name a template may use must be in `values`, absent ones as `null`; a name that is not there is an error.
///
/// # Errors
/// [`TemplateError`] for a template that is not valid, uses an unknown name, costs more than [`FUEL`], is longer than
/// [`TEMPLATE_BYTES_MAX`] or nests too deep.
pub fn render(
    kind: Kind,
    shape: Shape,
    replacement: Option<&str>,
    values: &serde_json::Map<String, Json>,
) -> Result<String, TemplateError> {
    let name = file_name(kind);
    let text = replacement.unwrap_or(built_in(kind, shape));
    if let Err(bounds::TooMuch { message, at }) = bounds::check(text) {
        let line = text.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
        return Err(TemplateError { name, line, source: minijinja::Error::new(ErrorKind::SyntaxError, message) });
    }
    let context = Value::from_object(Map(values.clone()));
    environment()
        .and_then(|environment| environment.render_named_str(&name, text, context))
        .map_err(|source| TemplateError { name, line: source.line().unwrap_or(0), source })
}

fn environment() -> Result<Environment<'static>, minijinja::Error> {
    let mut environment = Environment::new();
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true).build()?;
    environment.set_syntax(syntax);
    limit(&mut environment);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    environment.add_filter("yaml", |value: Value| Value::from_safe_string(yaml_filter(&value)));
    environment.add_filter("json", |value: Value| json_filter(&value).map(Value::from_safe_string));
    environment.set_formatter(|out, _, value| {
        let shown = match value.as_str() {
            Some(text) if value.is_safe() => text.to_owned(),
            _ if value.is_undefined() => {
                return Err(minijinja::Error::new(ErrorKind::UndefinedError, "the name is not known here"));
            }
            _ if value.is_none() => String::new(),
            Some(text) => one_line(text),
            None => one_line(&value.to_string()),
        };
        out.write_str(&shown).map_err(minijinja::Error::from)
    });
    Ok(environment)
}

/// What rendering may cost, and how deep it may go.
fn limit(environment: &mut Environment<'_>) {
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(RECURSION_MAX);
    // It would put a value into itself as often as a loop runs, deeper than anything can show or drop.
    environment.remove_global("namespace");
}

/// The text on one line: runs of blanks, line breaks and control characters become one blank, direction marks go.
#[must_use]
pub fn one_line(text: &str) -> String {
    let cleaned: String = text
        .chars()
        .filter_map(|c| match c {
            '\u{2028}' | '\u{2029}' => Some(' '),
            c if c.is_control() => Some(' '),
            c if is_unsafe_to_show(c) => None,
            c => Some(c),
        })
        .collect();
    cleaned.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn yaml_filter(value: &Value) -> String {
    if value.is_none() || value.is_undefined() {
        return "null".to_owned();
    }
    match value.as_str() {
        Some(text) => yaml_scalar(text),
        None if value.is_number() || matches!(value.kind(), minijinja::value::ValueKind::Bool) => value.to_string(),
        None => yaml_scalar(&value.to_string()),
    }
}

/// A text as one YAML scalar on one line that every reader takes as a string: plain where that is safe, else quoted.
#[must_use]
pub fn yaml_scalar(text: &str) -> String {
    if is_plain(text) { text.to_owned() } else { quoted(text) }
}

/// Plain only if no YAML 1.1 or 1.2 reader could take it for anything but this string.
fn is_plain(text: &str) -> bool {
    const WORDS: [&str; 9] = ["null", "true", "false", "yes", "no", "on", "off", "y", "n"];
    let fits = |c: char| is_letter(c) || "_-./@+:".contains(c);
    let starts = text.chars().next().is_some_and(|c| c.is_alphanumeric() || c == '_');
    // Digits with these marks alone may be numbers, dates or times of day; a letter that no number has makes it a text.
    let number_like = text.chars().next().is_some_and(|c| c.is_ascii_digit())
        && text.chars().all(|c| c.is_ascii_hexdigit() || "_-.+:xo".contains(c));
    starts
        && text.chars().all(fits)
        && !text.ends_with(':')
        && !number_like
        && !WORDS.contains(&text.to_lowercase().as_str())
}

/// The text in double quotes, as JSON and YAML both read it, with nothing in it that changes what a terminal shows.
fn quoted(text: &str) -> String {
    shown_safely(&Json::from(text).to_string())
}

fn json_filter(value: &Value) -> Result<String, minijinja::Error> {
    let json = serde_json::to_value(value)
        .map_err(|fault| minijinja::Error::new(ErrorKind::BadSerialization, fault.to_string()))?;
    Ok(pretty_json(&json))
}

/// JSON over several lines, two blanks a level, with unusual characters escaped inside its strings.
#[must_use]
pub fn pretty_json(json: &Json) -> String {
    shown_safely(&format!("{json:#}"))
}

/// Escapes what JSON leaves in strings but terminals and YAML 1.1 readers act on; such characters stand only in strings.
fn shown_safely(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if c != '\n' && is_unsafe_to_show(c) || matches!(c, '\u{2028}' | '\u{2029}' | '\u{fffe}' | '\u{ffff}') {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(c);
        }
    }
    out
}

/// A JSON map as a template sees it: keys in their own order.
#[derive(Debug)]
struct Map(serde_json::Map<String, Json>);

impl Object for Map {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        key.as_str().and_then(|key| self.0.get(key)).map(template_value)
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        self.mapped_enumerator(|map| Box::new(map.0.keys().map(|key| Value::from(key.as_str()))))
    }
}

fn template_value(json: &Json) -> Value {
    match json {
        Json::Null => Value::from(()),
        Json::Object(map) => Value::from_object(Map(map.clone())),
        Json::Array(items) => Value::from(items.iter().map(template_value).collect::<Vec<_>>()),
        Json::String(text) => Value::from(text.as_str()),
        Json::Bool(yes) => Value::from(*yes),
        Json::Number(number) => number
            .as_i64()
            .map(Value::from)
            .or_else(|| number.as_u64().map(Value::from))
            .or_else(|| number.as_f64().map(Value::from))
            .unwrap_or(Value::from(())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(json: &Json) -> serde_json::Map<String, Json> {
        json.as_object().cloned().expect("a map")
    }

    #[test]
    fn yaml_scalars_are_plain_only_when_no_reader_can_err() {
        for plain in ["pending", "task-123", "2025-10-17T00:00:00Z", "Ünïcode", "a:b", "v1.2", "_x"] {
            assert_eq!(yaml_scalar(plain), plain);
        }
        for text in
            ["", "123", "007", "0x1f", "1e3", "2025-10-17", "12:30:45", "1_000", "No", "TRUE", "null", "~", "a:", "-x"]
        {
            assert_eq!(yaml_scalar(text), format!("\"{text}\""), "{text}");
        }
        assert_eq!(yaml_scalar("a b\n---\n\u{202e}\u{7f}\u{e0001}"), r#""a b\n---\n\u202e\u007f\udb40\udc01""#);
    }

    #[test]
    fn what_no_filter_escapes_stays_on_one_line() {
        let values = values(&serde_json::json!({"title": "a\n---\nid: x\u{1b}[31m\u{202e}", "list": ["q\nr"]}));
        let text = render(Kind::Task, Shape::Lean, Some("# {{ title }}\n{{ list }}\n"), &values).expect("renders");
        assert_eq!(text, "# a --- id: x [31m\n['q\\nr']\n");
    }

    #[test]
    fn json_keeps_its_order() {
        let values = values(&serde_json::json!({"payload": {"z": 1, "a": [1.5, null, {"y": true, "b": "\u{85}"}]}}));
        let text = render(Kind::Task, Shape::Lean, Some("{{ payload | json }}"), &values).expect("renders");
        assert_eq!(
            text,
            "{\n  \"z\": 1,\n  \"a\": [\n    1.5,\n    null,\n    {\n      \"y\": true,\n      \"b\": \"\\u0085\"\n    }\n  ]\n}"
        );
    }

    #[test]
    fn a_bad_template_is_an_error_with_its_line() {
        let none = serde_json::Map::new();
        for (text, line) in [("a\n{{ nobody }}", 2), ("{% if %}", 1)] {
            let error = render(Kind::Agent, Shape::Lean, Some(text), &none).expect_err(text);
            assert_eq!((error.name.as_str(), error.line), ("agent.md", line), "{text}");
        }
        let costly = "{% for i in range(9999) %}{% for j in range(9999) %}x{% endfor %}{% endfor %}";
        assert!(render(Kind::Agent, Shape::Lean, Some(costly), &none).is_err());
    }

    /// Templates of every shape that nests, as deep as the limits allow: nothing recurses too deep, on the smallest stack in use.
    #[test]
    fn what_the_limits_allow_fits_on_a_stack() {
        let chain = |unit: &str, n: usize| format!("{{{{ x{} }}}}", unit.repeat(n));
        let mut texts = vec![
            chain("+1", 126),
            chain("~x", 126),
            chain(".a", 126),
            chain("['a']", 60),
            chain("|string", 126),
            chain(" if x", 126),
            chain(" is defined", 126),
            chain(" == 1", 84),
            format!("{{{{ {}x }}}}", "not ".repeat(250)),
            format!("{{{{ {}1 }}}}", "-".repeat(250)),
            format!("{{{{ {}x{} }}}}", "(".repeat(32), ")".repeat(32)),
            format!("{{{{ {}x{} }}}}", "not -(not -[".repeat(16), "])".repeat(16)),
            format!("{{{{ {}x{} }}}}", "{'a': [".repeat(16), "]}".repeat(16)),
            format!("{{{{ {}x }}}}", "x if x else ".repeat(60)),
            format!("{}x{}", "{% if x %}".repeat(32), "{% endif %}".repeat(32)),
            format!("{{% if x %}}{}{{% endif %}}", "{% elif x %}".repeat(31)),
            format!("{}x{}", "{% for i in [x] %}".repeat(32), "{% endfor %}".repeat(32)),
            format!("{}{{{{ x }}}}", "{% set x = [[[[[[[[[[x]]]]]]]]]] %}".repeat(100)),
            "{% for i in [1] recursive %}{{ loop([[i]]) }}{% endfor %}".to_owned(),
            "{% set ns = namespace(x=[]) %}{% for i in range(90000) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x }}"
                .to_owned(),
        ];
        texts.extend(
            texts.clone().iter().map(|text| format!("{}{text}{}", "{% if x %}".repeat(20), "{% endif %}".repeat(20))),
        );
        let values = values(&serde_json::json!({"x": "a"}));
        let run = move || {
            for text in &texts {
                let shown = || text.chars().take(60).collect::<String>();
                let blocks = "{% if x %}{% if x %}{% if x %}";
                let accepted = bounds::check(text);
                assert!(accepted.is_ok() || text.starts_with(blocks), "{}: {accepted:?}", shown());
                let _ = render(Kind::Task, Shape::Lean, Some(text), &values);
                let now = crate::core::time::Timestamp::from_unix_ms(0);
                let _ = Format::new(text, now).and_then(|format| format.line(&values));
            }
        };
        let thread = std::thread::Builder::new().stack_size(2 * 1024 * 1024).spawn(run).expect("a thread");
        thread.join().expect("no template broke anything");
    }

    #[test]
    fn a_template_that_is_too_deep_is_refused_with_its_name_and_line() {
        let none = serde_json::Map::new();
        for (text, line, why) in [
            (format!("a\n{{{{ 1{} }}}}", "+1".repeat(30_000)), 2, "has a tag of more than 256 words and marks"),
            (format!("{{{{ {}1 }}}}", "-".repeat(30_000)), 1, "has a tag of more than 256 words and marks"),
            (format!("\n\n{{{{ {}", "(".repeat(30_000)), 3, "nests brackets deeper than 32 levels"),
            ("{% if a %}\n".repeat(5_000), 33, "nests blocks deeper than 32 levels"),
            ("x\n".repeat(40_000), 32_769, "is longer than 65536 bytes"),
        ] {
            let error = render(Kind::Task, Shape::Lean, Some(&text), &none).expect_err("too much");
            assert_eq!((error.name.as_str(), error.line), ("task.md", line), "{why}");
            assert!(error.source.to_string().contains(why), "{}", error.source);
        }
    }
}
