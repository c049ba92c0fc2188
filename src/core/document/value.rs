//! Values of the frontmatter as they stand in the file, and their types by the YAML 1.2 core rules. Knows no file and no span.

use serde_json::{Map, Number};

/// A value of the frontmatter. Scalars keep the text that stands in the file; only [`Value::to_json`] gives them a type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// One text: a number, a word, a sentence.
    Scalar {
        /// The text, quotes and escapes resolved; `123`, `007` and dates are kept letter for letter.
        text: String,
        /// Unquoted in the file, so that the core rules give it a type.
        plain: bool,
    },
    /// A list.
    List(Vec<Self>),
    /// A map, in file order.
    Map(Vec<(String, Self)>),
}

/// The type that the YAML 1.2 core rules give to an unquoted text.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Core {
    Null,
    Bool(bool),
    Number(Number),
    Text,
}

impl Value {
    /// A text that is read back as a text; quoted in the file only where its plain form would have another type.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self::Scalar { text: text.into(), plain: false }
    }

    /// A text written without quotes where YAML allows it: `0.5` is a number then, `true` a truth value.
    #[must_use]
    pub fn plain(text: impl Into<String>) -> Self {
        Self::Scalar { text: text.into(), plain: true }
    }

    /// The value that means nothing.
    #[must_use]
    pub fn null() -> Self {
        Self::plain("null")
    }

    /// The text of a scalar, letter for letter; `None` for lists and maps.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Scalar { text, .. } => Some(text),
            Self::List(_) | Self::Map(_) => None,
        }
    }

    /// Tells whether it is an empty value, `null` or `~`, unquoted.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Scalar { text, plain: true } if is_null_word(text))
    }

    /// The items of a list; `None` for scalars and maps.
    #[must_use]
    pub fn as_list(&self) -> Option<&[Self]> {
        match self {
            Self::List(items) => Some(items),
            Self::Scalar { .. } | Self::Map(_) => None,
        }
    }

    /// The entries of a map, in file order; `None` for scalars and lists.
    #[must_use]
    pub fn as_map(&self) -> Option<&[(String, Self)]> {
        match self {
            Self::Map(entries) => Some(entries),
            Self::Scalar { .. } | Self::List(_) => None,
        }
    }

    /// The texts of a list of scalars; `None` if it is no list or holds anything else.
    #[must_use]
    pub fn texts(&self) -> Option<Vec<&str>> {
        self.as_list()?.iter().map(Self::as_text).collect()
    }

    /// The typed value by the YAML 1.2 core rules. What JSON cannot hold without loss stays text: `007`, numbers
    /// beyond 64 bits, `.inf`, `.nan`.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Scalar { text, plain: false } => serde_json::Value::String(text.clone()),
            Self::Scalar { text, plain: true } => match core_type(text) {
                Core::Null => serde_json::Value::Null,
                Core::Bool(value) => serde_json::Value::Bool(value),
                Core::Number(number) => serde_json::Value::Number(number),
                Core::Text => serde_json::Value::String(text.clone()),
            },
            Self::List(items) => items.iter().map(Self::to_json).collect(),
            Self::Map(entries) => {
                serde_json::Value::Object(entries.iter().map(|(key, value)| (key.clone(), value.to_json())).collect())
            }
        }
    }

    /// The value that a JSON value becomes in the frontmatter: strings stay strings, numbers numbers.
    #[must_use]
    pub fn from_json(json: &serde_json::Value) -> Self {
        match json {
            serde_json::Value::Null => Self::null(),
            serde_json::Value::Bool(value) => Self::plain(value.to_string()),
            serde_json::Value::Number(number) => Self::plain(number.to_string()),
            serde_json::Value::String(text) => Self::text(text),
            serde_json::Value::Array(items) => Self::List(items.iter().map(Self::from_json).collect()),
            serde_json::Value::Object(entries) => Self::Map(map_from_json(entries)),
        }
    }

    /// Tells whether both read the same: the same texts of the same types, however they are quoted.
    #[must_use]
    pub fn means(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Scalar { text: a, plain: p }, Self::Scalar { text: b, plain: q }) => {
                self.is_null() && other.is_null() || a == b && (p == q || core_type(a) == Core::Text)
            }
            (Self::List(a), Self::List(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.means(b)),
            (Self::Map(a), Self::Map(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|((k, a), (l, b))| k == l && a.means(b))
            }
            _ => false,
        }
    }
}

fn map_from_json(entries: &Map<String, serde_json::Value>) -> Vec<(String, Value)> {
    entries.iter().map(|(key, value)| (key.clone(), Value::from_json(value))).collect()
}

fn is_null_word(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

/// The core rules (YAML 1.2.2, section 10.3.2), but for one: a number with a leading zero stays text, since `007` is an id.
pub(super) fn core_type(text: &str) -> Core {
    match text {
        _ if is_null_word(text) => Core::Null,
        "true" | "True" | "TRUE" => Core::Bool(true),
        "false" | "False" | "FALSE" => Core::Bool(false),
        _ => number(text).map_or(Core::Text, Core::Number),
    }
}

fn number(text: &str) -> Option<Number> {
    let radix = |digits: &str, radix| {
        let clean = !digits.starts_with('+');
        u64::from_str_radix(digits, radix).ok().filter(|_| clean).map(Number::from)
    };
    if let Some(digits) = text.strip_prefix("0x") {
        return radix(digits, 16);
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return radix(digits, 8);
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let digits = unsigned.bytes().take_while(u8::is_ascii_digit).count();
    if digits > 1 && unsigned.starts_with('0') {
        return None;
    }
    if digits == unsigned.len() && digits > 0 {
        let signed = text.strip_prefix('+').unwrap_or(text);
        return signed.parse::<i64>().map(Number::from).or_else(|_| signed.parse::<u64>().map(Number::from)).ok();
    }
    is_float(unsigned).then(|| text.parse::<f64>().ok().and_then(Number::from_f64)).flatten()
}

/// `(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`
fn is_float(unsigned: &str) -> bool {
    let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
        Some(at) => (&unsigned[..at], Some(&unsigned[at + 1..])),
        None => (unsigned, None),
    };
    let all_digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let mantissa_fits = match mantissa.split_once('.') {
        Some((whole, fraction)) => all_digits(whole) && all_digits(fraction) && mantissa.len() > 1,
        None => !mantissa.is_empty() && all_digits(mantissa),
    };
    let exponent_fits = exponent.is_none_or(|exponent| {
        let digits = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        !digits.is_empty() && all_digits(digits)
    });
    mantissa_fits && exponent_fits
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_core_rules_give_types_and_ids_stay_text() {
        for (text, typed) in [
            ("", json!(null)),
            ("~", json!(null)),
            ("null", json!(null)),
            ("true", json!(true)),
            ("False", json!(false)),
            ("yes", json!("yes")),
            ("no", json!("no")),
            ("12", json!(12)),
            ("+12", json!(12)),
            ("-3", json!(-3)),
            ("0", json!(0)),
            ("007", json!("007")),
            ("-01", json!("-01")),
            ("18446744073709551615", json!(u64::MAX)),
            ("18446744073709551616", json!("18446744073709551616")),
            ("0x1F", json!(31)),
            ("0o17", json!(15)),
            ("0x", json!("0x")),
            ("0x+1", json!("0x+1")),
            ("0.5", json!(0.5)),
            (".5", json!(0.5)),
            ("1.", json!(1.0)),
            ("1e3", json!(1000.0)),
            ("-1E-2", json!(-0.01)),
            ("1e999", json!("1e999")),
            (".inf", json!(".inf")),
            (".", json!(".")),
            ("-", json!("-")),
            ("e3", json!("e3")),
            ("1e", json!("1e")),
            ("1_000", json!("1_000")),
            ("2025-10-17", json!("2025-10-17")),
        ] {
            assert_eq!(Value::plain(text).to_json(), typed, "{text}");
            assert_eq!(Value::text(text).to_json(), json!(text), "{text}");
        }
    }

    #[test]
    fn json_goes_in_and_comes_out() {
        let json = json!({"a": [1, "1", null, true, {"b": 0.5}], "c": "x"});
        assert_eq!(Value::from_json(&json).to_json(), json);
        assert!(Value::null().is_null());
        assert!(!Value::text("null").is_null());
        assert!(Value::text("x").means(&Value::plain("x")));
        assert!(!Value::text("1").means(&Value::plain("1")));
        assert!(Value::plain("").means(&Value::plain("~")));
    }
}
