//! Lines of an answer from the user's template. Whatever the values hold, only what a terminal shows as itself comes out;
//! escape sequences come from the filter `color` alone.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Object, Value, ValueKind};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior};
use serde_json::Value as Json;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use super::{bounds, limit, shown_safely};
use crate::core::diagnostic::Place;
use crate::core::name::{is_unsafe_to_show, visible};
use crate::core::time::{Timestamp, ago};

/// Widest column that `pad` makes, and longest text that an operator may make of a shorter one.
const COLUMNS_MAX: usize = 1_000;
/// The name of the template inside the engine.
const NAME: &str = "format";

/// The filters of our own, with what each does.
pub const FILTERS: &[(&str, &str)] = &[
    ("timeago", "how long ago a time was: `5m`"),
    ("date('%d %b %H:%M')", "a time by a pattern, in UTC"),
    ("pad(12)", "blanks behind it up to a width; `pad(12, left=true)` before it"),
    ("truncate(40)", "cut to a width, with `…`"),
    ("color('green')", "in a colour, where colours are shown"),
    ("json", "as JSON on one line"),
    ("text", "with its line breaks, as in '{{description|text}}'"),
];

/// The colours that the filter `color` knows, with their codes: those of the program itself, as no others reach a terminal.
pub const COLORS: &[(&str, &str)] =
    &[("bold", "1"), ("dim", "2"), ("red", "31"), ("green", "32"), ("yellow", "33"), ("cyan", "36")];

/// Why a format gave no line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct FormatError {
    /// What is wrong.
    pub message: String,
    /// Where in the template, if that is known.
    pub place: Option<Place>,
}

/// A template for lines of an answer.
#[derive(Debug)]
pub struct Format {
    environment: Environment<'static>,
    source: Source,
}

impl Format {
    /// Reads a template. Outside of its tags `\n` and `\t` stand for a line feed and a tab.
    ///
    /// # Errors
    /// [`FormatError`] if it is no template, longer than [`super::TEMPLATE_BYTES_MAX`], or nests too deep.
    pub fn new(text: &str, now: Timestamp) -> Result<Self, FormatError> {
        let too_much = |message, place| Err(FormatError { message, place });
        if text.len() > super::TEMPLATE_BYTES_MAX {
            return too_much(format!("the template is longer than {} bytes", super::TEMPLATE_BYTES_MAX), None);
        }
        let source = Source::of(text);
        if let Err(fault) = bounds::check(&source.text) {
            return too_much(fault.message, Some(source.place(&(fault.at..fault.at))));
        }
        let mut environment = environment(now);
        let syntax = SyntaxConfig::builder().keep_trailing_newline(true).build();
        environment.set_syntax(syntax.map_err(|error| source.fault(&error))?);
        environment.add_template_owned(NAME, source.text.clone()).map_err(|error| source.fault(&error))?;
        Ok(Self { environment, source })
    }

    /// The text for these values. A name that is not among them is an error, so every known one should be, if as null.
    ///
    /// # Errors
    /// [`FormatError`] for an unknown name, a filter that does not fit, or a template that costs too much.
    pub fn line(&self, values: &serde_json::Map<String, Json>) -> Result<String, FormatError> {
        let context = Value::from_object(super::Map(values.clone()));
        let template = self.environment.get_template(NAME).map_err(|error| self.source.fault(&error))?;
        template.render(context).map_err(|error| self.source.fault(&error))
    }
}

/// The template as the engine gets it, and where each byte of it came from.
#[derive(Debug)]
struct Source {
    given: String,
    text: String,
    origins: Vec<usize>,
}

impl Source {
    fn of(given: &str) -> Self {
        let mut source = Self { given: given.to_owned(), text: String::new(), origins: Vec::new() };
        let mut rest = given.char_indices().peekable();
        // The end of the tag that is open, and the quote that is open in it.
        let mut tag: Option<char> = None;
        let mut quote: Option<char> = None;
        while let Some((at, c)) = rest.next() {
            let next = rest.peek().map(|(_, next)| *next);
            match (tag, c, next) {
                (None, '{', Some(open @ ('{' | '%' | '#'))) => {
                    tag = Some(if open == '{' { '}' } else { open });
                    source.push(at, "{");
                    rest.next();
                    source.push(at + 1, open.encode_utf8(&mut [0; 4]));
                }
                (None, '\\', Some(escaped @ ('n' | 't' | '\\'))) => {
                    rest.next();
                    source.push(
                        at,
                        match escaped {
                            'n' => "\n",
                            't' => "\t",
                            _ => "\\",
                        },
                    );
                }
                (None, c, _) if is_unsafe_to_show(c) && !matches!(c, '\n' | '\t') => {
                    source.push(at, &c.escape_unicode().to_string());
                }
                (Some(end), c, Some('}')) if c == end && quote.is_none() => {
                    tag = None;
                    source.push(at, c.encode_utf8(&mut [0; 4]));
                    rest.next();
                    source.push(at + 1, "}");
                }
                (Some('#') | None, c, _) => source.push(at, c.encode_utf8(&mut [0; 4])),
                (Some(_), c, _) => {
                    match quote {
                        None if matches!(c, '"' | '\'') => quote = Some(c),
                        Some(open) if open == c => quote = None,
                        _ => {}
                    }
                    source.push(at, c.encode_utf8(&mut [0; 4]));
                    if let (Some(_), '\\', Some((at, next))) = (quote, c, rest.peek().copied()) {
                        rest.next();
                        source.push(at, next.encode_utf8(&mut [0; 4]));
                    }
                }
            }
        }
        source
    }

    fn push(&mut self, at: usize, text: &str) {
        self.text.push_str(text);
        self.origins.resize(self.text.len(), at);
    }

    fn fault(&self, error: &Error) -> FormatError {
        // An error about a part of the engine's own has no place; the one below it has.
        let detail = error.detail().map(visible).filter(|detail| !detail.is_empty());
        let range = error.range().map(|range| match error.kind() {
            ErrorKind::UndefinedError => self.filtered(range),
            _ => range,
        });
        let name = range.clone().and_then(|range| self.text.get(range)).map(visible).unwrap_or_default();
        let message = match error.kind() {
            ErrorKind::UndefinedError if !name.is_empty() => format!("`{}` is not known here", trimmed(&name)),
            ErrorKind::UndefinedError => "a name is not known here".to_owned(),
            ErrorKind::OutOfFuel => "the template costs too much".to_owned(),
            kind => detail.unwrap_or_else(|| kind.to_string()),
        };
        FormatError { message, place: range.or_else(|| self.line(error)).map(|range| self.place(&range)) }
    }

    /// The place of what a filter was given: the engine names the filter where the value before it is not known.
    fn filtered(&self, mut range: Range<usize>) -> Range<usize> {
        while let Some(before) = self.text.get(..range.start).and_then(|text| text.trim_end().strip_suffix('|')) {
            let before = before.trim_end();
            let is_name = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
            range = before.trim_end_matches(is_name).len()..before.len();
        }
        range
    }

    fn line(&self, error: &Error) -> Option<Range<usize>> {
        let before: usize = self.text.split_inclusive('\n').take(error.line()?.saturating_sub(1)).map(str::len).sum();
        Some(before..before)
    }

    /// Line and column in what the user wrote.
    fn place(&self, range: &Range<usize>) -> Place {
        let at = self.origins.get(range.start).copied().unwrap_or(self.given.len());
        let before = self.given.get(..at).unwrap_or(&self.given);
        let line_start = before.rfind('\n').map_or(0, |end| end + 1);
        Place { line: before.matches('\n').count() + 1, column: before[line_start..].chars().count() + 1 }
    }
}

/// The expression alone: without the filters behind it.
fn trimmed(expression: &str) -> &str {
    expression.split('|').next().unwrap_or(expression).trim_matches(['{', '}', ' '])
}

fn environment(now: Timestamp) -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_debug(true);
    limit(&mut environment);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    // They would make a text that the formatter takes for safe, or a large one of a small one.
    for name in ["safe", "escape", "e", "indent", "pprint"] {
        environment.remove_filter(name);
    }
    environment.remove_global("debug");
    environment.add_filter("timeago", move |value: Value| moment(&value, |at| Ok(ago(at, now))));
    environment.add_filter("date", |value: Value, pattern: Option<String>| {
        let pattern = pattern.unwrap_or_else(|| "%Y-%m-%d %H:%M".to_owned());
        moment(&value, |at| at.written(&pattern).map_err(|fault| refusal(fault.to_string())))
    });
    environment.add_filter("json", |value: Value| json(&value));
    environment.add_filter("text", |value: Value| text(&value));
    environment.add_filter("pad", |value: Value, width: usize, options: Kwargs| pad(&value, width, &options));
    environment.add_filter("truncate", |value: Value, width: usize| Painted::map(&value, |text| cut(text, width)));
    environment.add_filter("color", |value: Value, name: String| color(&value, &name));
    environment.set_formatter(|out, _, value| {
        if value.is_undefined() {
            return Err(Error::new(ErrorKind::UndefinedError, "the name is not known here"));
        }
        let shown = match value.downcast_object_ref::<Painted>() {
            Some(painted) => painted.coloured(),
            None => plain(value),
        };
        out.write_str(&shown).map_err(Error::from)
    });
    environment
}

/// A value as a text without anything that a terminal acts on.
fn plain(value: &Value) -> String {
    match value.kind() {
        ValueKind::None | ValueKind::Undefined => String::new(),
        ValueKind::Bool => value.is_true().to_string(),
        ValueKind::Seq | ValueKind::Map | ValueKind::Iterable => {
            serde_json::to_value(value).map_or_else(|_| String::new(), |json| shown_safely(&json.to_string()))
        }
        _ => value.as_str().map_or_else(|| visible(&value.to_string()), visible),
    }
}

/// A text with its line breaks; else nothing in it changes what a terminal shows.
fn text(value: &Value) -> Result<Value, Error> {
    let Some(text) = known(value)?.as_str() else { return Ok(value.clone()) };
    let lines: Vec<String> = text.lines().map(visible).collect();
    Ok(Value::from_object(Painted { code: "", text: lines.join("\n") }))
}

fn refusal(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, message.into())
}

fn json(value: &Value) -> Result<String, Error> {
    let json = serde_json::to_value(known(value)?)
        .map_err(|fault| Error::new(ErrorKind::BadSerialization, fault.to_string()))?;
    Ok(shown_safely(&json.to_string()))
}

/// A time as it is written by `write`; nothing where there is none.
fn moment(value: &Value, write: impl Fn(Timestamp) -> Result<String, Error>) -> Result<String, Error> {
    match known(value)?.as_str() {
        _ if value.is_none() => Ok(String::new()),
        Some(text) => write(text.parse().map_err(|fault: crate::core::time::TimeError| refusal(fault.to_string()))?),
        None => Err(refusal(format!("{value} is not a time"))),
    }
}

fn pad(value: &Value, width: usize, options: &Kwargs) -> Result<Value, Error> {
    if width > COLUMNS_MAX {
        return Err(refusal(format!("a width is at most {COLUMNS_MAX}")));
    }
    let left = options.get::<Option<bool>>("left")?.unwrap_or(false);
    options.assert_all_used()?;
    Painted::map(value, |text| {
        let blanks = " ".repeat(width.saturating_sub(text.width()));
        if left { blanks + text } else { format!("{text}{blanks}") }
    })
}

/// Cuts a text to a width in columns, with `…` where something is missing.
#[must_use]
pub fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut left = width.saturating_sub(1);
    let kept = text.chars().take_while(|c| {
        let columns = c.width().unwrap_or(0);
        let fits = columns <= left;
        left = left.saturating_sub(columns);
        fits
    });
    kept.chain((width > 0).then_some('…')).collect()
}

fn color(value: &Value, name: &str) -> Result<Value, Error> {
    let Some((_, code)) = COLORS.iter().find(|(known, _)| *known == name) else {
        let known: Vec<&str> = COLORS.iter().map(|(name, _)| *name).collect();
        return Err(refusal(format!("there is no colour `{}`: known are {}", visible(name), known.join(", "))));
    };
    let painted = known(value)?.downcast_object_ref::<Painted>().map(|painted| painted.text.clone());
    Ok(Value::from_object(Painted { code, text: painted.unwrap_or_else(|| plain(value)) }))
}

/// A filter is given what is not there, too, and must not pass it on as nothing.
fn known(value: &Value) -> Result<&Value, Error> {
    if value.is_undefined() { Err(ErrorKind::UndefinedError.into()) } else { Ok(value) }
}

/// A text with a colour. Joined with another text it loses the colour, never the text.
#[derive(Debug)]
struct Painted {
    code: &'static str,
    /// Made visible already.
    text: String,
}

impl Painted {
    /// A value with another text and the same colour, if it has one.
    fn map(value: &Value, change: impl Fn(&str) -> String) -> Result<Value, Error> {
        Ok(match known(value)?.downcast_object_ref::<Self>() {
            Some(painted) => Value::from_object(Self { code: painted.code, text: change(&painted.text) }),
            None => Value::from(change(&plain(value))),
        })
    }

    fn coloured(&self) -> String {
        if self.code.is_empty() {
            return self.text.clone();
        }
        format!("\u{1b}[{}m{}\u{1b}[0m", self.code, self.text)
    }
}

impl Object for Painted {
    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(template: &str) -> Result<String, FormatError> {
        let now = Timestamp::from_unix_ms(1_760_659_200_000 + 300_000);
        let values = serde_json::json!({
            "id": "task-1", "title": "a\u{1b}[2J日本語\nb\u{202e}", "created": "2025-10-17T00:00:00Z", "none": null,
            "list": ["x", "y\u{1b}"], "n": 1.5, "yes": true, "big": "x".repeat(100_000),
        });
        Format::new(template, now)?.line(values.as_object().expect("a map"))
    }

    #[test]
    fn values_are_shown_and_what_a_terminal_acts_on_is_not() {
        for (template, expected) in [
            ("{{id}}\\t{{n}} {{yes}}{{none}}\\n", "task-1\t1.5 true\n"),
            ("{{title}}", "a\\u{1b}[2J日本語\\u{a}b\\u{202e}"),
            ("{{list}} {{list|join('+')}}", "[\"x\",\"y\\u001b\"] x+y\\u{1b}"),
            ("\u{1b}[31m{{id}}\u{1b}]0;x\u{7}", "\\u{1b}[31mtask-1\\u{1b}]0;x\\u{7}"),
            ("{{ '\u{1b}[31m' }}{{ \"\\x1b\\u001b}}\" }}", "\\u{1b}[31m\\u{1b}\\u{1b}}}"),
            ("{% set x %}{{ id|color('red') }}{% endset %}{{ x }}", "\\u{1b}[31mtask-1\\u{1b}[0m"),
            ("{{ id|color('red') ~ title|color('red') }}", "task-1a\\u{1b}[2J日本語\\u{a}b\\u{202e}"),
            ("{{ title|json }}", "\"a\\u001b[2J日本語\\nb\\u202e\""),
            ("{# {{ x #}{% if yes %}y{% endif %}", "y"),
        ] {
            let seen = line(template).unwrap_or_else(|error| panic!("{template}: {error}"));
            assert_eq!(seen.replace("\\x1b", "\\u{1b}"), expected, "{template}");
        }
        assert_eq!(line("{{ id|color('red')|pad(8) }}|").expect("coloured"), "\u{1b}[31mtask-1  \u{1b}[0m|");
    }

    #[test]
    fn widths_are_columns() {
        for (template, expected) in [
            ("{{ '日本語'|truncate(5) }}|", "日本…|"),
            ("{{ '日本語'|truncate(6) }}|", "日本語|"),
            ("{{ '日本'|pad(6) }}|", "日本  |"),
            ("{{ n|pad(5, left=true) }}|", "  1.5|"),
            ("{{ id|truncate(0) }}|", "|"),
        ] {
            assert_eq!(line(template).expect(template), expected, "{template}");
        }
    }

    #[test]
    fn times_are_written_as_asked() {
        for (template, expected) in [
            ("{{ title|text }}", "a\\u{1b}[2J日本語\nb\\u{202e}"),
            ("{{ created|timeago }}", "5m"),
            ("{{ created|date }}", "2025-10-17 00:00"),
            ("{{ created|date('%d %b') }}", "17 Oct"),
            ("{{ none|timeago }}{{ none|date }}", ""),
        ] {
            assert_eq!(line(template).expect(template), expected, "{template}");
        }
    }

    #[test]
    fn errors_say_what_and_where() {
        for (template, message, column) in [
            ("{{id}} {{nobody}}", "`nobody` is not known here", 10),
            ("\\t{{ nobody|upper }}", "`nobody` is not known here", 6),
            ("{{ nobody|pad(3) }}", "`nobody` is not known here", 4),
            ("{{ nobody|truncate(3)|color('red') }}", "`nobody` is not known here", 4),
            ("{{ nobody|timeago }}", "`nobody` is not known here", 4),
            ("{{ nobody|json }}", "`nobody` is not known here", 4),
            ("{{ id|nofilter }}", "filter nofilter is unknown", 7),
            ("{{ id|safe }}", "filter safe is unknown", 7),
            ("{{ id|color('pink') }}", "there is no colour `pink`: known are bold, dim, red, green, yellow, cyan", 7),
            ("{{ created|date('%Q%!') }}", "`%Q%!` is not a pattern for a date such as %Y-%m-%d %H:%M", 12),
            ("{{ id|timeago }}", "`task-1` is not a time such as 2025-10-17T00:00:00Z", 7),
            ("{{ id|pad(100000) }}", "a width is at most 1000", 7),
        ] {
            let error = line(template).expect_err(template);
            let place = error.place.map(|place| (place.line, place.column));
            assert_eq!((error.message.as_str(), place), (message, Some((1, column))), "{template}");
        }
        assert_eq!(line("a\n{{ id }").expect_err("open").place.map(|place| place.line), Some(2));
    }

    #[test]
    fn no_template_costs_much() {
        for template in [
            "{% for i in range(9999) %}{% for j in range(9999) %}x{% endfor %}{% endfor %}",
            "{% for i in range(9999) %}{{ big }}{% endfor %}",
            "{{ 'x' * 1000000000 }}",
            "{{ [0] * 1000000000 }}",
            "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
            "{{ 10 ** 1000000 }}",
        ] {
            assert!(line(template).is_err(), "{template}");
        }
    }
}
