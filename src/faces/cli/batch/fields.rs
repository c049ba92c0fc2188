//! One line of a batch as fields with their places, so that a fault can be told with line and column. Knows no operation.

use std::fmt;
use std::str::FromStr;

use serde::de::{Deserializer as _, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value as Json};

use crate::core::name::visible;
use crate::faces::cli::input::described;

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    /// The stable word for programs.
    pub(super) code: &'static str,
    /// What is wrong, without the place.
    pub(super) message: String,
    /// Where in the line, in bytes from its start.
    pub(super) at: usize,
    /// What to do next.
    pub(super) hint: Option<String>,
}

impl Fault {
    /// A line that is JSON and no operation.
    pub(super) fn new(at: usize, message: impl Into<String>) -> Self {
        let code = "bad-operation";
        Self { code, message: message.into(), at, hint: None }
    }

    /// The same with advice.
    pub(super) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

/// The fields of a line that nobody took yet.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    line: &'a str,
    left: Vec<(String, &'a RawValue)>,
}

impl<'a> Fields<'a> {
    /// Reads a line as a JSON object.
    pub(super) fn read(line: &'a str) -> Result<Self, Fault> {
        let mut reader = serde_json::Deserializer::from_str(line);
        let read = reader.deserialize_map(Pairs).and_then(|left| reader.end().map(|()| left));
        let left = read.map_err(|error| syntax(line, &error))?;
        let mut fields = Self { line, left: Vec::with_capacity(left.len()) };
        for (key, value) in left {
            if fields.left.iter().any(|(other, _)| *other == key) {
                return Err(Fault::new(
                    fields.place(&key, value),
                    format!("the field `{}` stands twice", visible(&key)),
                ));
            }
            fields.left.push((key, value));
        }
        Ok(fields)
    }

    /// Where a value begins.
    fn offset(&self, value: &RawValue) -> usize {
        (value.get().as_ptr() as usize).saturating_sub(self.line.as_ptr() as usize).min(self.line.len())
    }

    /// Where a field begins: its key, if it can be found before the value.
    fn place(&self, key: &str, value: &RawValue) -> usize {
        let value = self.offset(value);
        self.line.get(..value).and_then(|before| before.rfind(&format!("\"{key}\""))).unwrap_or(value)
    }

    fn raw(&mut self, key: &str) -> Option<&'a RawValue> {
        let at = self.left.iter().position(|(other, _)| other == key)?;
        Some(self.left.remove(at).1)
    }

    /// A field as JSON, and where its value begins; nothing for `null`.
    fn value(&mut self, key: &str) -> Result<Option<(Json, usize)>, Fault> {
        let Some(raw) = self.raw(key) else { return Ok(None) };
        let at = self.offset(raw);
        // What was read as a part of the line can be read alone; numbers beyond the range cannot.
        let json: Json = serde_json::from_str(raw.get()).map_err(|error| Fault {
            code: "bad-json",
            ..Fault::new(at, format!("`{key}` is not JSON: {}", words(&error)))
        })?;
        Ok((!json.is_null()).then_some((json, at)))
    }

    /// A field as it is.
    pub(super) fn json(&mut self, key: &str) -> Result<Option<Json>, Fault> {
        Ok(self.value(key)?.map(|(json, _)| json))
    }

    /// A field that is an object.
    pub(super) fn object(&mut self, key: &str) -> Result<Option<Map<String, Json>>, Fault> {
        match self.value(key)? {
            None => Ok(None),
            Some((Json::Object(map), _)) => Ok(Some(map)),
            Some((other, at)) => Err(wrong(at, key, &other, "an object")),
        }
    }

    /// A field that is a text.
    pub(super) fn text(&mut self, key: &str) -> Result<Option<String>, Fault> {
        match self.value(key)? {
            None => Ok(None),
            Some((Json::String(text), _)) => Ok(Some(text)),
            Some((other, at)) => Err(wrong(at, key, &other, "a text")),
        }
    }

    /// A field that is a word of a sort: an id, a name, a status.
    pub(super) fn word<T: FromStr<Err: fmt::Display>>(&mut self, key: &str) -> Result<Option<T>, Fault> {
        match self.value(key)? {
            None => Ok(None),
            Some((Json::String(text), at)) => parsed(at, key, &text).map(Some),
            Some((other, at)) => Err(wrong(at, key, &other, "a text")),
        }
    }

    /// A field that is a list of words of a sort, or one of them.
    pub(super) fn words<T: FromStr<Err: fmt::Display>>(&mut self, key: &str) -> Result<Vec<T>, Fault> {
        let (items, at) = match self.value(key)? {
            None => return Ok(Vec::new()),
            Some((Json::Array(items), at)) => (items, at),
            Some((one, at)) => (vec![one], at),
        };
        let one = |item: Json| match item {
            Json::String(text) => parsed(at, key, &text),
            other => Err(wrong(at, key, &other, "a text, or a list of texts")),
        };
        items.into_iter().map(one).collect()
    }

    /// A field that is true or false.
    pub(super) fn flag(&mut self, key: &str) -> Result<bool, Fault> {
        match self.value(key)? {
            None => Ok(false),
            Some((Json::Bool(flag), _)) => Ok(flag),
            Some((other, at)) => Err(wrong(at, key, &other, "true or false")),
        }
    }

    /// A field that this can make something of; a number is given as its text.
    pub(super) fn made<T, E: fmt::Display>(
        &mut self,
        key: &str,
        make: impl Fn(&str) -> Result<T, E>,
    ) -> Result<Option<T>, Fault> {
        let (text, at) = match self.value(key)? {
            None => return Ok(None),
            Some((Json::String(text), at)) => (text, at),
            Some((Json::Number(number), at)) => (number.to_string(), at),
            Some((other, at)) => return Err(wrong(at, key, &other, "a number")),
        };
        make(&text).map(Some).map_err(|error| Fault::new(at, format!("`{key}`: {error}")))
    }

    /// The fault of a field that has to be there.
    pub(super) fn missing(&self, op: &str, key: &str) -> Fault {
        let at = self.line.trim_end().len().saturating_sub(1);
        Fault::new(at, format!("`{op}` needs `{key}`"))
    }

    /// Sees that every field was taken.
    pub(super) fn end(self, op: &str) -> Result<(), Fault> {
        let Some((key, value)) = self.left.first() else { return Ok(()) };
        let fault = Fault::new(self.place(key, value), format!("`{op}` has no field `{}`", visible(key)));
        Err(fault.hint("run `mycelium batch --help` to see the fields of every operation"))
    }
}

fn parsed<T: FromStr<Err: fmt::Display>>(at: usize, key: &str, text: &str) -> Result<T, Fault> {
    text.parse().map_err(|error| Fault::new(at, format!("`{key}`: {error}")))
}

fn wrong(at: usize, key: &str, found: &Json, wanted: &str) -> Fault {
    Fault::new(at, format!("`{key}` is {}, not {wanted}", described(found)))
}

/// What `serde_json` says, without its place.
fn words(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or(&text).to_owned()
}

fn syntax(line: &str, error: &serde_json::Error) -> Fault {
    let at = error.column().saturating_sub(1).min(line.len());
    if error.is_data() {
        let fault = Fault::new(0, "the line is not a JSON object");
        return fault.hint("write {\"op\": \"task.create\", \"type\": \"train-model\"}");
    }
    let fault = Fault { code: "bad-json", ..Fault::new(at, format!("the line is not JSON: {}", words(error))) };
    fault.hint("one operation a line; JSON wants double quotes around keys and texts")
}

/// Takes the pairs of an object as they come, a key that stands twice too.
struct Pairs;

impl<'de> Visitor<'de> for Pairs {
    type Value = Vec<(String, &'de RawValue)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = map.next_entry()? {
            pairs.push(pair);
        }
        Ok(pairs)
    }
}
