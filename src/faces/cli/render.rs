//! Text for people: colours, symbols, aligned tables. Always coloured; the stream takes the colours out where there is no terminal.

use std::fmt::Write as _;

use clap::builder::styling::{AnsiColor, Color, Style};
use comfy_table::{ContentArrangement, Table as Grid, presets};
use unicode_width::UnicodeWidthStr;

use crate::api::view::{ErrorReport, Excerpt, complete_commands};
use crate::core::diagnostic::{Diagnostic, Severity};
use crate::core::name::visible;
use crate::core::template;

/// What a colour stands for; colour is never the only sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ink {
    /// As it is.
    Plain,
    /// Less important.
    Dim,
    /// A heading or an id.
    Bold,
    /// Went well.
    Good,
    /// Under way.
    Live,
    /// Wants a look.
    Warn,
    /// Went wrong.
    Bad,
    /// Advice.
    Hint,
}

impl Ink {
    fn style(self) -> Style {
        let color = |color: AnsiColor| Style::new().fg_color(Some(Color::Ansi(color)));
        match self {
            Self::Plain => Style::new(),
            Self::Dim => Style::new().dimmed(),
            Self::Bold => Style::new().bold(),
            Self::Good => color(AnsiColor::Green),
            Self::Live | Self::Hint => color(AnsiColor::Cyan),
            Self::Warn => color(AnsiColor::Yellow),
            Self::Bad => color(AnsiColor::Red).bold(),
        }
    }
}

/// A text in a colour.
pub(crate) fn paint(ink: Ink, text: &str) -> String {
    if ink == Ink::Plain {
        return text.to_owned();
    }
    let style = ink.style();
    format!("{style}{text}{style:#}")
}

/// A status as symbol and word, with its colour.
pub(crate) fn status(word: &str) -> Cell {
    let (symbol, ink) = match word {
        "pending" | "idle" => ("○", Ink::Plain),
        "running" | "busy" => ("●", Ink::Live),
        "completed" => ("✓", Ink::Good),
        "failed" | "error" => ("✗", Ink::Bad),
        "ready" => ("◉", Ink::Good),
        "waiting" => ("◌", Ink::Dim),
        "blocked" => ("⊘", Ink::Warn),
        "skipped" => ("↷", Ink::Dim),
        "paused" => ("‖", Ink::Warn),
        _ => ("!", Ink::Warn),
    };
    Cell { text: format!("{symbol} {}", visible(word)), ink }
}

/// One cell of a table.
#[derive(Debug, Clone)]
pub(crate) struct Cell {
    text: String,
    ink: Ink,
}

impl Cell {
    /// A cell; control characters are made visible.
    pub(crate) fn new(ink: Ink, text: &str) -> Self {
        Self { text: visible(text), ink }
    }

    /// The cell as a text of its own.
    pub(crate) fn painted(&self) -> String {
        paint(self.ink, &self.text)
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::new(Ink::Plain, text)
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::new(Ink::Plain, &text)
    }
}

/// Rows under headings, in columns.
#[derive(Debug)]
pub(crate) struct Table {
    headings: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// An empty table with these headings.
    pub(crate) fn new(headings: &[&'static str]) -> Self {
        Self { headings: headings.to_vec(), rows: Vec::new() }
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, cells: Vec<Cell>) {
        self.rows.push(cells);
    }

    /// How many rows it has.
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The text without the columns that are empty, each line at most `width` columns wide: the widest columns give way,
    /// but the first, which names the row, last. `None` cuts nothing.
    pub(crate) fn text(&self, width: Option<usize>) -> String {
        if self.rows.is_empty() {
            return String::new();
        }
        let mut grid = Grid::new();
        grid.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
        let is_used =
            |column: &usize| self.rows.iter().any(|row| row.get(*column).is_some_and(|cell| !cell.text.is_empty()));
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or_default();
        let columns: Vec<usize> = (0..columns).filter(is_used).collect();
        let widths = self.widths(&columns, width);
        let fitted = |text: &str, place: usize| cut(text, widths.get(place).copied());
        if !self.headings.is_empty() {
            let headings = columns.iter().filter_map(|column| self.headings.get(*column)).enumerate();
            grid.set_header(headings.map(|(place, heading)| fitted(heading, place)));
        }
        let cell = |row: &[Cell], place: usize, column: usize| {
            row.get(column)
                .map_or_else(|| Cell::from(""), |cell| Cell { text: fitted(&cell.text, place), ink: cell.ink })
        };
        let rows: Vec<Vec<Cell>> = self
            .rows
            .iter()
            .map(|row| columns.iter().enumerate().map(|(place, column)| cell(row, place, *column)).collect())
            .collect();
        for row in &rows {
            grid.add_row(row.iter().map(|cell| cell.text.clone()));
        }
        for column in grid.column_iter_mut() {
            column.set_padding((0, GAP.try_into().unwrap_or(u16::MAX)));
        }
        let heading_lines = usize::from(!self.headings.is_empty());
        let mut out = String::new();
        for (index, line) in grid.lines().enumerate() {
            let line = cut(line.trim_end(), width);
            match index.checked_sub(heading_lines).and_then(|row| rows.get(row)) {
                Some(row) => out.push_str(&coloured(&line, row)),
                None => out.push_str(&paint(Ink::Dim, &line)),
            }
            out.push('\n');
        }
        out
    }
}

impl Table {
    /// How wide each of these columns may be for a line to have `width` columns.
    fn widths(&self, columns: &[usize], width: Option<usize>) -> Vec<usize> {
        let natural = |column: &usize| {
            let heading = self.headings.get(*column).map_or(0, |heading| heading.width());
            let cells = self.rows.iter().filter_map(|row| row.get(*column)).map(|cell| cell.text.width());
            cells.max().unwrap_or_default().max(heading)
        };
        let mut widths: Vec<usize> = columns.iter().map(natural).collect();
        let Some(width) = width else { return widths };
        let gaps = GAP * widths.len().saturating_sub(1);
        while widths.iter().sum::<usize>() + gaps > width {
            let others = widths.iter_mut().skip(1).filter(|width| **width > COLUMN_MIN);
            let Some(widest) = others.max_by_key(|width| **width) else { break };
            *widest -= 1;
        }
        widths
    }
}

/// Blanks between two columns.
const GAP: usize = 2;
/// No column but the first is made narrower than this; a line that is still too long is cut.
const COLUMN_MIN: usize = 4;

/// Puts the cells' colours into a line that was laid out without them, so that no width is counted wrongly.
fn coloured(line: &str, row: &[Cell]) -> String {
    let mut out = String::new();
    let mut rest = line;
    for cell in row.iter().filter(|cell| !cell.text.is_empty()) {
        let Some(at) = rest.find(cell.text.as_str()) else { continue };
        out.push_str(&rest[..at]);
        out.push_str(&cell.painted());
        rest = &rest[at + cell.text.len()..];
    }
    out + rest
}

/// Cuts a text to this many columns on the terminal, with `…` where something is missing.
pub(crate) fn cut(text: &str, width: Option<usize>) -> String {
    width.map_or_else(|| text.to_owned(), |width| template::cut(text, width))
}

/// A finding with its source line, as `check` and unreadable documents show it.
pub(crate) fn finding(finding: &Diagnostic, folder: &str, source: Option<&[u8]>) -> String {
    let ink = if finding.severity == Severity::Error { Ink::Bad } else { Ink::Warn };
    let mut out = String::new();
    if let Some(path) = &finding.path {
        out.push_str(&paint(Ink::Bold, &visible(&format!("{folder}/{path}"))));
        if let Some(place) = finding.place {
            let _ = write!(out, ":{}:{}", place.line, place.column);
        }
        out.push_str(": ");
    }
    let label = format!("{}[{}]:", finding.severity, finding.code);
    let _ = writeln!(out, "{} {}", paint(ink, &label), visible(&finding.message));
    if let (Some(place), Some(source)) = (finding.place, source) {
        out.push_str(&Excerpt::new("", source, place).lines());
    }
    if let Some(hint) = &finding.hint {
        out.push_str(&self::hint(hint));
    }
    out
}

/// Returns a failure for people: `error:`, place, causes, `hint:`; each on lines of its own.
pub(crate) fn failure(failure: &ErrorReport) -> String {
    let mut out = format!("{} {}\n", paint(Ink::Bad, "error:"), visible(&failure.message));
    if let Some(excerpt) = &failure.excerpt {
        out.push_str(&excerpt.with_name());
    }
    for cause in &failure.causes {
        let _ = writeln!(out, "{} {}", paint(Ink::Dim, "cause:"), visible(cause));
    }
    if let Some(hint) = &failure.hint {
        out.push_str(&self::hint(hint));
    }
    out
}

/// A line with advice. Its commands work as they are printed: see [`complete_commands`].
pub(crate) fn hint(hint: &str) -> String {
    format!("{} {}\n", paint(Ink::Hint, "hint:"), visible(&complete_commands(hint)))
}

/// `a`, `a and b`, `a, b and c`.
pub(crate) fn listed<T: AsRef<str>>(items: &[T]) -> String {
    match items {
        [] => String::new(),
        [one] => one.as_ref().to_owned(),
        [most @ .., last] => {
            let most: Vec<&str> = most.iter().map(AsRef::as_ref).collect();
            format!("{} and {}", most.join(", "), last.as_ref())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::view::sanitize_text;
    use crate::core::diagnostic::Place;

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    #[test]
    fn columns_are_aligned_whatever_the_letters() {
        let mut table = Table::new(&["ID", "STATUS", "TITLE"]);
        table.row(vec!["日本".into(), status("running"), "one".into()]);
        table.row(vec!["a".into(), status("pending"), "two\u{1b}[2J\nthree".into()]);
        let expected = "ID    STATUS     TITLE\n日本  ● running  one\na     ○ pending  two\\u{1b}[2J\\u{a}three\n";
        assert_eq!(plain(&table.text(None)), expected);
        assert!(table.text(None).contains('\u{1b}'), "colours are there until the stream takes them out");
    }

    #[test]
    fn the_last_column_gives_way_to_a_narrow_terminal() {
        let mut table = Table::new(&["ID", "TITLE"]);
        table.row(vec!["task-1".into(), "a long title of a task".into()]);
        let text = plain(&table.text(Some(16)));
        assert_eq!(text, "ID      TITLE\ntask-1  a long …\n");
        assert_eq!(cut("日本日本", Some(5)), "日本…");
    }

    #[test]
    fn a_table_fits_every_terminal() {
        let mut table = Table::new(&["ID", "STATUS", "PRIORITY", "ASSIGNED TO", "WHAT", "WAITS FOR"]);
        for what in [
            "a long title that tells what it is all about",
            "日本語の長い題名がここにある、とても長い",
            "👩‍👩‍👧‍👦 家族 🚀🚀🚀🚀🚀🚀🚀",
        ] {
            let cells = ["task-k7f3q2m9xa", "● running", "normal", "performance-engineer", what, "task-1 (running)"];
            table.row(cells.map(Cell::from).to_vec());
        }
        for width in 40..=200 {
            let text = plain(&table.text(Some(width)));
            assert!(text.lines().all(|line| line.width() <= width), "{width}:\n{text}");
            assert!(text.lines().skip(1).all(|line| line.starts_with("task-k7f3q2m9xa  ● ")), "{width}:\n{text}");
        }
        assert_eq!(plain(&table.text(Some(200))), plain(&table.text(None)));
    }

    #[test]
    fn what_is_empty_is_left_out() {
        assert_eq!(Table::new(&["ID"]).text(None), "");
        let mut table = Table::new(&["ID", "WHO", "TITLE"]);
        table.row(vec!["a".into(), "".into(), "b".into()]);
        assert_eq!(plain(&table.text(None)), "ID  TITLE\na   b\n");
    }

    #[test]
    fn lists_end_with_and() {
        assert_eq!(listed(&["a", "b", "c"]), "a, b and c");
    }

    #[test]
    fn our_own_colours_pass() {
        for ink in [Ink::Plain, Ink::Dim, Ink::Bold, Ink::Good, Ink::Live, Ink::Warn, Ink::Bad, Ink::Hint] {
            let painted = paint(ink, "word");
            assert_eq!(sanitize_text(&painted), painted, "{ink:?}");
        }
    }

    #[test]
    fn the_text_has_what_where_why_and_what_next() {
        let failure = ErrorReport::usage("bad-json", "`--payload` is not JSON")
            .at(Excerpt::new("--payload", b"{\"a\" 1}", Place { line: 1, column: 6 }))
            .cause("expected `:`")
            .hint("quote it");
        let plain = anstream::adapter::strip_str(&super::failure(&failure)).to_string();
        let expected = "error: `--payload` is not JSON\n --> --payload:1:6\n1 | {\"a\" 1}\n  |      ^\ncause: expected `:`\nhint: quote it\n";
        assert_eq!(plain, expected);
        assert_eq!(failure.to_json()["error"]["place"]["column"], 6);
        assert_eq!(failure.to_json()["error"]["exit"], 2);
        assert_eq!(failure.to_json()["error"]["retryable"], false);
    }

    #[test]
    fn hostile_text_reaches_no_terminal() {
        let failure = ErrorReport::usage("x", "bad \u{1b}[2J name").hint("\u{202e}");
        let plain = anstream::adapter::strip_str(&super::failure(&failure)).to_string();
        assert!(!plain.chars().any(|c| c != '\n' && crate::core::name::is_unsafe_to_show(c)), "{plain:?}");
    }
}
