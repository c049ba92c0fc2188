//! What a command answers, and the one place that prints it: data to standard output, words to standard error.

use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

use serde_json::{Value, json};

use super::args::{Color, Global};
use super::envelope::{Head, Written, envelope};
use super::exit::Exit;
use super::failure::{Class, Failure};
use super::shield;
use crate::diagnostic::Diagnostic;

/// The answer of a command that did its work.
#[derive(Debug)]
pub(crate) struct Answer {
    /// What it is, in JSON: `task.create`.
    pub kind: &'static str,
    /// Where it was read or written.
    pub head: Head,
    /// The data, for programs.
    pub data: Value,
    /// What is wrong with the documents in question.
    pub findings: Vec<Diagnostic>,
    /// For writers: what became of the write.
    pub written: Option<Written>,
    /// The data, for people; goes to standard output.
    pub text: String,
    /// What else is worth saying; goes to standard error.
    pub words: String,
    /// How the process ends.
    pub exit: Exit,
}

impl Answer {
    /// An answer without data yet.
    pub(crate) fn new(kind: &'static str, head: Head) -> Self {
        Self {
            kind,
            head,
            data: json!({}),
            findings: Vec::new(),
            written: None,
            text: String::new(),
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
}

impl Face {
    /// As the command line asks for.
    pub(crate) fn new(global: &Global) -> Self {
        match global.color {
            Color::Auto => {}
            Color::Always => anstream::ColorChoice::Always.write_global(),
            Color::Never => anstream::ColorChoice::Never.write_global(),
        }
        Self { json: global.json, quiet: global.quiet }
    }

    /// For a command line that could not be read.
    pub(crate) fn guess(arguments: &[std::ffi::OsString]) -> Self {
        let options = arguments.iter().take_while(|argument| *argument != "--");
        Self { json: options.clone().any(|argument| argument == "--json"), quiet: false }
    }

    /// Tells whether answers are JSON.
    pub(crate) const fn json(&self) -> bool {
        self.json
    }

    /// Prints how a command ended, and gives the exit code.
    pub(crate) fn finish(&self, result: Result<Option<Answer>, Failure>) -> ExitCode {
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
                failure.class.exit().into()
            }
        }
    }

    /// Prints an answer.
    pub(crate) fn show(&self, answer: &Answer) -> Result<(), Failure> {
        if self.json {
            let Answer { kind, head, data, findings, written, .. } = answer;
            return print_line(&envelope(kind, head, data, findings, written.as_ref()));
        }
        print(&answer.text)?;
        self.say(&answer.words);
        Ok(())
    }

    /// Words on standard error, unless silence or JSON is asked for.
    pub(crate) fn say(&self, words: &str) {
        if !self.quiet && !self.json && !words.is_empty() {
            // Words that nobody can read are no reason to fail.
            let _ = anstream::stderr().lock().write_all(shield::text(words).as_bytes());
        }
    }

    fn fail(&self, failure: &Failure) -> io::Result<()> {
        if self.json {
            io::stderr().lock().write_all(format!("{}\n", shield::json(&failure.json())).as_bytes())
        } else {
            anstream::stderr().lock().write_all(shield::text(&failure.text()).as_bytes())
        }
    }
}

/// Text on standard output; its colours only on a terminal.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut out = anstream::stdout().lock();
    out.write_all(shield::text(text).as_bytes()).and_then(|()| out.flush()).or_else(output_fault)
}

/// Bytes on standard output, as they are: for a document that was asked for byte by byte, and for [`print_line`].
pub(crate) fn print_bytes(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush()).or_else(output_fault)
}

/// One JSON object on a line of its own.
pub(crate) fn print_line(value: &Value) -> Result<(), Failure> {
    print_bytes(format!("{}\n", shield::json(value)).as_bytes())
}

/// A reader that went away (`| head`) ends the command in silence, as with every other tool.
const READER_GONE: &str = "reader-gone";

#[expect(clippy::needless_pass_by_value, reason = "it ends an `or_else`")]
fn output_fault(error: io::Error) -> Result<(), Failure> {
    let code = if error.kind() == io::ErrorKind::BrokenPipe { READER_GONE } else { "output" };
    Err(Failure::new(Class::Problem, code, "could not write to standard output").cause(error.to_string()))
}

/// Columns of the terminal on standard output; `None` if it is none.
pub(crate) fn width() -> Option<usize> {
    if !io::stdout().is_terminal() {
        return None;
    }
    terminal_size::terminal_size().map(|(width, _)| usize::from(width.0))
}

/// Tells whether standard output is a terminal.
pub(crate) fn on_terminal() -> bool {
    io::stdout().is_terminal()
}
