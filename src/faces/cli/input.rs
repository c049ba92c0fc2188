//! Values on the command line: as text, from `@FILE`, or from standard input with `-`. Reads only what was named.

use std::io::{BufRead, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;

use crate::api::view::{ErrorReport, Excerpt};
use crate::core::diagnostic::Place;
use crate::core::name::visible;
use crate::core::problem::ErrorClass;
use crate::core::time::parse_span;

/// Largest value taken from a file or standard input, in bytes: no document may be larger.
pub(crate) const VALUE_BYTES_MAX: usize = 1024 * 1024;

/// Standard input can be read once.
static STDIN_TAKEN: AtomicBool = AtomicBool::new(false);

/// Where a value comes from. `@@x` is the text `@x`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Given {
    /// As it stands.
    Text(String),
    /// The content of a file.
    File(PathBuf),
    /// Standard input.
    Stdin,
}

impl From<&str> for Given {
    fn from(text: &str) -> Self {
        match text.strip_prefix('@') {
            _ if text == "-" => Self::Stdin,
            Some(rest) if rest.starts_with('@') || rest.is_empty() => Self::Text(rest.to_owned()),
            Some(path) => Self::File(PathBuf::from(path)),
            None => Self::Text(text.to_owned()),
        }
    }
}

/// A value with the name by which errors speak of it.
#[derive(Debug)]
struct Taken {
    option: String,
    name: String,
    text: String,
}

impl Given {
    /// The value as text, without a last line end.
    pub(crate) fn text(&self, option: &str) -> Result<String, ErrorReport> {
        let mut text = self.take(option)?.text;
        if !matches!(self, Self::Text(_)) {
            text.truncate(text.trim_end_matches(['\n', '\r']).len());
        }
        Ok(text)
    }

    /// The value as JSON.
    pub(crate) fn json(&self, option: &str) -> Result<Value, ErrorReport> {
        let taken = self.take(option)?;
        serde_json::from_str(&taken.text).map_err(|error| taken.fault(&error))
    }

    /// The value as a JSON object.
    pub(crate) fn object(&self, option: &str) -> Result<serde_json::Map<String, Value>, ErrorReport> {
        match self.json(option)? {
            Value::Object(map) => Ok(map),
            other => {
                let message = format!("`{option}` is {}, not a JSON object", described(&other));
                Err(ErrorReport::usage("not-an-object", message)
                    .hint(format!("write {option} '{{\"key\": \"value\"}}'")))
            }
        }
    }

    /// The value as JSON if it looks like JSON, else as a plain text.
    pub(crate) fn json_or_text(&self, option: &str) -> Result<Value, ErrorReport> {
        let taken = self.take(option)?;
        let text = taken.text.trim();
        match serde_json::from_str(text) {
            Ok(value) => Ok(value),
            // What opens like an object or a list was meant as JSON; a silent change to text would hide the slip.
            Err(error) if text.starts_with(['{', '[']) => Err(taken.fault(&error)),
            Err(_) => Ok(Value::from(text)),
        }
    }

    fn take(&self, option: &str) -> Result<Taken, ErrorReport> {
        let option = option.to_owned();
        match self {
            Self::Text(text) => Ok(Taken { name: option.clone(), option, text: text.clone() }),
            Self::File(path) => {
                let shown = visible(&path.to_string_lossy());
                let file = std::fs::File::open(path).map_err(|error| unreadable(&option, &shown, &error))?;
                let text = limited(file, &option, &shown)?;
                Ok(Taken { option, name: shown, text })
            }
            Self::Stdin => {
                if STDIN_TAKEN.swap(true, Ordering::SeqCst) {
                    let message = format!("`{option} -` cannot read standard input: another option took it");
                    return Err(
                        ErrorReport::usage("stdin-twice", message).hint(format!("use `{option} @FILE` instead"))
                    );
                }
                let text = limited(std::io::stdin().lock(), &option, "standard input")?;
                Ok(Taken { option, name: "<stdin>".to_owned(), text })
            }
        }
    }
}

impl Taken {
    fn fault(&self, error: &serde_json::Error) -> ErrorReport {
        let text = error.to_string();
        let why = text.split(" at line ").next().unwrap_or(&text);
        let failure = ErrorReport::usage("bad-json", format!("`{}` is not JSON: {why}", self.option));
        let failure = match error.line() {
            0 => failure,
            line => failure.at(Excerpt::new(&self.name, self.text.as_bytes(), place(&self.text, line, error.column()))),
        };
        failure.hint("JSON wants double quotes around keys and texts, as in '{\"epochs\": 3}'")
    }
}

/// `serde_json` counts columns in bytes; people count characters.
fn place(text: &str, line: usize, column: usize) -> Place {
    let row = text.split('\n').nth(line - 1).unwrap_or("");
    let before = row.as_bytes().get(..column.saturating_sub(1)).unwrap_or(row.as_bytes());
    Place { line, column: String::from_utf8_lossy(before).chars().count() + 1 }
}

fn limited(source: impl std::io::Read, option: &str, shown: &str) -> Result<String, ErrorReport> {
    let mut bytes = Vec::new();
    let most = VALUE_BYTES_MAX as u64 + 1;
    source.take(most).read_to_end(&mut bytes).map_err(|error| unreadable(option, shown, &error))?;
    if bytes.len() > VALUE_BYTES_MAX {
        let message = format!("`{option}`: {shown} is larger than {VALUE_BYTES_MAX} bytes");
        return Err(
            ErrorReport::usage("value-too-big", message).hint("keep big data in a file of its own and name its path")
        );
    }
    String::from_utf8(bytes).map_err(|error| {
        let message = format!("`{option}`: {shown} is not UTF-8 at byte {}", error.utf8_error().valid_up_to() + 1);
        ErrorReport::usage("not-utf8", message).hint("keep other data in a file of its own and name its path")
    })
}

pub(crate) fn unreadable(option: &str, shown: &str, error: &std::io::Error) -> ErrorReport {
    let class = if error.kind() == std::io::ErrorKind::NotFound { ErrorClass::NotFound } else { ErrorClass::Usage };
    ErrorReport::new(class, "unreadable-value", format!("`{option}`: could not read {shown}"))
        .cause(error.to_string())
        .hint(format!("a text that begins with `@` is written `@@`: {option} '@@{shown}'"))
}

/// The lines of a file, or of standard input if the file is `-`, with the name that they are told by.
pub(crate) fn lines_of(file: &Path) -> Result<(String, Box<dyn BufRead + Send>), ErrorReport> {
    if file.as_os_str() == "-" {
        return Ok(("<stdin>".to_owned(), Box::new(BufReader::new(std::io::stdin()))));
    }
    let shown = visible(&file.to_string_lossy());
    let opened = std::fs::File::open(file).and_then(|opened| {
        let is_folder = opened.metadata()?.is_dir();
        if is_folder { Err(std::io::ErrorKind::IsADirectory.into()) } else { Ok(opened) }
    });
    match opened {
        Ok(opened) => Ok((shown, Box::new(BufReader::new(opened)))),
        Err(error) => {
            let failure = unreadable("FILE", &shown, &error);
            Err(ErrorReport {
                hint: Some("name a file of operations, or `-` for standard input".to_owned()),
                ..failure
            })
        }
    }
}

/// What a JSON value is, for an error.
pub(crate) fn described(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// A `key=value` pair; the value is JSON if it reads as such, else a text.
pub(crate) fn pair(option: &str, text: &str) -> Result<(String, Value), ErrorReport> {
    let Some((key, value)) = text.split_once('=').filter(|(key, _)| !key.trim().is_empty()) else {
        let message = format!("`{option} {}` is not KEY=VALUE", visible(text));
        return Err(ErrorReport::usage("bad-pair", message).hint(format!("write {option} current_epoch=2")));
    };
    let value = Given::Text(value.to_owned()).json_or_text(option)?;
    Ok((key.trim().to_owned(), value))
}

/// Reads how long a lease is to last, more than nothing.
pub(crate) fn lease_span(text: &str) -> Result<Duration, String> {
    match parse_span(text) {
        Ok(Duration::ZERO) => Err("a lease must last longer than nothing".to_owned()),
        other => other.map_err(|error| error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(text: &str) -> Given {
        Given::from(text)
    }

    #[test]
    fn a_value_is_text_a_file_or_standard_input() {
        for (text, expected) in [
            ("x", Given::Text("x".to_owned())),
            ("@a/b.json", Given::File(PathBuf::from("a/b.json"))),
            ("-", Given::Stdin),
            ("@@x", Given::Text("@x".to_owned())),
            ("@", Given::Text(String::new())),
            ("-1", Given::Text("-1".to_owned())),
        ] {
            assert_eq!(given(text), expected, "{text}");
        }
    }

    #[test]
    fn plain_text_is_taken_where_json_is_not_needed() {
        for (text, expected) in [
            ("out of memory", Value::from("out of memory")),
            ("42", Value::from(42)),
            ("{\"a\":1}", serde_json::json!({"a": 1})),
            ("\"quoted\"", Value::from("quoted")),
            ("", Value::from("")),
        ] {
            assert_eq!(given(text).json_or_text("--error").expect(text), expected, "{text}");
        }
        assert!(given("{a: 1}").json_or_text("--error").is_err());
    }

    #[test]
    fn broken_json_names_the_place_in_characters() {
        let failure = given("{\"ü\": }").json("--payload").expect_err("broken");
        assert_eq!(failure.message, "`--payload` is not JSON: expected value");
        let excerpt = failure.excerpt.expect("has a place");
        assert_eq!((excerpt.place.line, excerpt.place.column), (1, 7));
        assert_eq!(given("[1]").object("--metadata").expect_err("a list").code, "not-an-object");
    }

    #[test]
    fn files_are_read_up_to_the_limit() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let path = dir.path().join("v");
        let at = format!("@{}", path.display());
        assert_eq!(given(&at).text("--x").expect_err("missing").class, ErrorClass::NotFound);
        std::fs::write(&path, "line\r\n").expect("written");
        assert_eq!(given(&at).text("--x").expect("read"), "line");
        std::fs::write(&path, vec![b'a'; VALUE_BYTES_MAX]).expect("written");
        assert_eq!(given(&at).text("--x").expect("at the edge").len(), VALUE_BYTES_MAX);
        std::fs::write(&path, vec![b'a'; VALUE_BYTES_MAX + 1]).expect("written");
        assert_eq!(given(&at).text("--x").expect_err("over").code, "value-too-big");
        std::fs::write(&path, b"a\xff").expect("written");
        assert!(given(&at).text("--x").expect_err("not text").message.ends_with("is not UTF-8 at byte 2"));
    }

    #[test]
    fn pairs_have_a_key() {
        assert_eq!(pair("--set", "a=1").expect("pair"), ("a".to_owned(), Value::from(1)));
        assert_eq!(pair("--set", "a=b=c").expect("pair"), ("a".to_owned(), Value::from("b=c")));
        for bad in ["a", "=1", " =1", ""] {
            assert_eq!(pair("--set", bad).expect_err(bad).code, "bad-pair");
        }
    }
}
