//! What a command answers, and the one place that prints it: data to standard output, words to standard error.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use anstream::ColorChoice;
use anstream::adapter::strip_str;

use serde_json::{Value, json};

use super::args::{Color, Global};
use super::pager::{self, Paging};
use super::render;
use crate::api::view::{
    AnswerHead, ErrorReport, Exit, WriteState, complete_commands, envelope, sanitize_json, sanitize_text,
};
use crate::core::diagnostic::Diagnostic;
use crate::core::problem::ErrorClass;

/// The answer of a command that did its work.
#[derive(Debug)]
pub(crate) struct Answer {
    /// What it is, in JSON: `task.create`.
    pub kind: &'static str,
    /// Where it was read or written.
    pub head: AnswerHead,
    /// The data, for programs.
    pub data: Value,
    /// What is wrong with the documents in question.
    pub findings: Vec<Diagnostic>,
    /// For writers: what became of the write.
    pub written: Option<WriteState>,
    /// The data, for people; goes to standard output.
    pub text: String,
    /// The pager that the user set, for a text that is long.
    pub pager: Option<String>,
    /// What else is worth saying; goes to standard error.
    pub words: String,
    /// How the process ends.
    pub exit: Exit,
}

impl Answer {
    /// An answer without data yet.
    pub(crate) fn new(kind: &'static str, head: AnswerHead) -> Self {
        Self {
            kind,
            head,
            data: json!({}),
            findings: Vec::new(),
            written: None,
            text: String::new(),
            pager: None,
            words: String::new(),
            exit: Exit::Ok,
        }
    }
}

/// How answers are shown.
#[derive(Debug, Clone)]
pub(crate) struct Face {
    json: bool,
    quiet: bool,
    paging: Paging,
}

impl Face {
    /// As the command line asks for.
    pub(crate) fn new(global: &Global) -> Self {
        match global.color {
            Color::Auto => {}
            Color::Always => ColorChoice::Always.write_global(),
            Color::Never => ColorChoice::Never.write_global(),
        }
        let paging = if global.no_pager { Paging::Never } else { Paging::Allowed };
        Self { json: global.json, quiet: global.quiet, paging }
    }

    /// For a command line that could not be read.
    pub(crate) fn guess(arguments: &[std::ffi::OsString]) -> Self {
        let options: Vec<&str> = arguments
            .iter()
            .take_while(|argument| *argument != "--")
            .filter_map(|argument| argument.to_str())
            .collect();
        let is_color = |wanted: &str| {
            options.windows(2).any(|pair| pair == ["--color", wanted])
                || options.contains(&&*format!("--color={wanted}"))
        };
        if is_color("always") {
            ColorChoice::Always.write_global();
        } else if is_color("never") {
            ColorChoice::Never.write_global();
        }
        Self { json: options.contains(&"--json"), quiet: false, paging: Paging::Never }
    }

    /// Tells whether answers are JSON.
    pub(crate) const fn json(&self) -> bool {
        self.json
    }

    /// Prints how a command ended, and gives the exit code.
    pub(crate) fn finish(&self, result: Result<Option<Answer>, ErrorReport>) -> ExitCode {
        let result = result.and_then(|answer| match answer {
            Some(answer) => self.show(&answer).map(|()| answer.exit),
            None => Ok(Exit::Ok),
        });
        match result {
            Ok(exit) => exit.into(),
            Err(failure) if failure.code == READER_GONE => Exit::Ok.into(),
            Err(failure) => {
                // Nobody is left to tell if standard error is gone too.
                let _ = self.fail(&failure);
                Exit::of(failure.class).into()
            }
        }
    }

    /// Prints an answer.
    pub(crate) fn show(&self, answer: &Answer) -> Result<(), ErrorReport> {
        if self.json {
            let Answer { kind, head, data, findings, written, .. } = answer;
            return print_line(&envelope(kind, head, data, findings, written.as_ref()));
        }
        if !pager::show(&sanitize_text(&answer.text), answer.pager.as_deref(), self.paging) {
            print(&answer.text)?;
        }
        self.say(&answer.words);
        Ok(())
    }

    /// Words on standard error, unless silence or JSON is asked for.
    pub(crate) fn say(&self, words: &str) {
        if !self.quiet && !self.json && !words.is_empty() {
            // Words that nobody can read are no reason to fail.
            let _ = write_coloured(io::stderr().lock(), &complete_commands(words));
        }
    }

    /// A failure that is not the end, on standard error; in JSON it is part of the answer.
    pub(crate) fn warn(&self, failure: &ErrorReport) {
        if !self.json {
            // As with words.
            let _ = self.fail(failure);
        }
    }

    fn fail(&self, failure: &ErrorReport) -> io::Result<()> {
        if self.json {
            io::stderr().lock().write_all(format!("{}\n", sanitize_json(&failure.to_json())).as_bytes())
        } else {
            write_coloured(io::stderr().lock(), &render::failure(failure))
        }
    }
}

/// Writes a text in one piece, without its colours where none are wanted.
fn write_coloured(mut stream: impl Write + IsTerminal, text: &str) -> io::Result<()> {
    let text = sanitize_text(text);
    let is_plain = choice(stream.is_terminal()) == ColorChoice::Never;
    let text = if is_plain { strip_str(&text).to_string() } else { text.into_owned() };
    stream.write_all(text.as_bytes()).and_then(|()| stream.flush())
}

/// Whether a stream gets colours: by `--color`, else by the variables that programs agree on, else on a terminal.
pub(crate) fn choice(is_terminal: bool) -> ColorChoice {
    match ColorChoice::global() {
        ColorChoice::Auto => by_environment(is_terminal, &crate::services::variable),
        told => told,
    }
}

fn by_environment(is_terminal: bool, variable: &dyn Fn(&str) -> Option<String>) -> ColorChoice {
    let is = |name: &str, value: &str| variable(name).is_some_and(|text| text == value);
    let forced = variable("CLICOLOR_FORCE").is_some() && !is("CLICOLOR_FORCE", "0");
    let shown = is_terminal && !is("CLICOLOR", "0") && !is("TERM", "dumb");
    if variable("NO_COLOR").is_none() && (forced || shown) { ColorChoice::Always } else { ColorChoice::Never }
}

/// Text on standard output; its colours only on a terminal.
pub(crate) fn print(text: &str) -> Result<(), ErrorReport> {
    write_coloured(io::stdout().lock(), text).or_else(output_fault)
}

/// Bytes on standard output, as they are: for a document that was asked for byte by byte, and for [`print_line`].
pub(crate) fn print_bytes(bytes: &[u8]) -> Result<(), ErrorReport> {
    let mut out = io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush()).or_else(output_fault)
}

/// One JSON object on a line of its own.
pub(crate) fn print_line(value: &Value) -> Result<(), ErrorReport> {
    print_bytes(format!("{}\n", sanitize_json(value)).as_bytes())
}

/// A reader that went away (`| head`) ends the command in silence, as with every other tool.
const READER_GONE: &str = "reader-gone";

#[expect(clippy::needless_pass_by_value, reason = "it ends an `or_else`")]
fn output_fault(error: io::Error) -> Result<(), ErrorReport> {
    let code = if error.kind() == io::ErrorKind::BrokenPipe { READER_GONE } else { "output" };
    Err(ErrorReport::new(ErrorClass::Problem, code, "could not write to standard output").cause(error.to_string()))
}

/// Columns of the terminal on standard output, or as many as `COLUMNS` says it has; `None` if it is none.
pub(crate) fn width() -> Option<usize> {
    if !io::stdout().is_terminal() {
        return None;
    }
    let told = crate::services::variable("COLUMNS").and_then(|text| text.parse().ok()).filter(|columns| *columns > 0);
    if told.is_some() {
        return told;
    }
    terminal_size::terminal_size().map(|(width, _)| usize::from(width.0))
}

/// Returns the limit of a text in a table: none where no terminal shows the table.
pub(crate) fn limit(columns: usize) -> Option<usize> {
    width().map(|_| columns)
}

/// Tells whether standard output is a terminal.
pub(crate) fn on_terminal() -> bool {
    io::stdout().is_terminal()
}
