//! Asks a second YAML reader whether it reads a frontmatter as the first one did. Only asked about what the first accepted.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::core::document::{Field, Value};

/// Tells whether `serde_yaml` finds the same keys, in the same order, with the same texts.
pub(super) fn agrees(yaml: &str, fields: &[Field]) -> bool {
    // Without a key there is nothing to compare; `serde_yaml` calls such a text null.
    if fields.is_empty() {
        return true;
    }
    let yaml = neutral(yaml);
    let entries: Vec<(&str, &Value)> = fields.iter().map(|field| (field.key.as_str(), &field.value)).collect();
    serde_yaml::Deserializer::from_str(&yaml).deserialize_map(SameMap(&entries)).is_ok()
}

/// Characters that were line breaks in YAML 1.1, which `serde_yaml` reads, and are ordinary ones in YAML 1.2.
const OLD_BREAKS: [char; 3] = ['\u{85}', '\u{2028}', '\u{2029}'];
/// What they are compared as: an ordinary character of private use.
const ORDINARY: &str = "\u{e000}";

/// The text with ordinary characters for old line breaks, so that both readers see the same lines.
fn neutral(text: &str) -> Cow<'_, str> {
    if text.contains(OLD_BREAKS) { Cow::Owned(text.replace(OLD_BREAKS, ORDINARY)) } else { Cow::Borrowed(text) }
}

/// Reads one value and fails if it is another than this.
struct Same<'a>(&'a Value);

impl<'de> DeserializeSeed<'de> for Same<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        match self.0 {
            // Asked for a text, `serde_yaml` gives it letter for letter, whatever type it has.
            Value::Scalar { text, .. } => deserializer.deserialize_str(SameText(text)),
            Value::List(items) => deserializer.deserialize_seq(SameList(items)),
            Value::Map(entries) => {
                let entries: Vec<_> = entries.iter().map(|(key, value)| (key.as_str(), value)).collect();
                deserializer.deserialize_map(SameMap(&entries))
            }
        }
    }
}

struct SameText<'a>(&'a str);

impl Visitor<'_> for SameText<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the text {:?}", self.0)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        if neutral(text) == neutral(self.0) { Ok(()) } else { Err(E::custom("another text")) }
    }
}

struct SameList<'a>(&'a [Value]);

impl<'de> Visitor<'de> for SameList<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list of {}", self.0.len())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        for item in self.0 {
            list.next_element_seed(Same(item))?.ok_or_else(|| A::Error::custom("a shorter list"))?;
        }
        match list.next_element::<serde::de::IgnoredAny>()? {
            None => Ok(()),
            Some(_) => Err(A::Error::custom("a longer list")),
        }
    }
}

struct SameMap<'a>(&'a [(&'a str, &'a Value)]);

impl<'de> Visitor<'de> for SameMap<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a map of {}", self.0.len())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        for (key, value) in self.0 {
            let same = map.next_key::<String>()?.is_some_and(|found| neutral(&found) == neutral(key));
            if !same {
                return Err(A::Error::custom("another key"));
            }
            map.next_value_seed(Same(value))?;
        }
        match map.next_key::<serde::de::IgnoredAny>()? {
            None => Ok(()),
            Some(_) => Err(A::Error::custom("a longer map")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::document::Document;

    #[test]
    fn it_agrees_on_what_is_common_and_sees_what_is_not() {
        let yaml = "a: 1\nb: 007\nc:\nd: ~\ne: '~'\nf: [x, [y, 2025-10-17], {}]\ng:\n  h: |\n    t\n\n  i: >-\n    u\n    v\nj: 123456789012345678901234567890\nk: null\nl: []\n\"m n\": \"\\u00e9\\U0001f600\\0\"\n1: true\n";
        let doc = Document::parse(format!("---\n{yaml}---\n").as_bytes());
        assert_eq!(doc.faults(), []);
        assert!(agrees(yaml, doc.fields()));
        for other in [
            yaml.replace("007", "07"),
            yaml.replace("a: 1\n", ""),
            yaml.replace("x, ", ""),
            yaml.replace("{}]", "{}, z]"),
            yaml.replace("h: |", "h: |-"),
            format!("{yaml}z: 1\n"),
            yaml.replace("b: 007", "a2: 007"),
        ] {
            assert!(!agrees(&other, doc.fields()), "{other}");
        }
    }
}
