//! The words before the cursor: which command they name and what was given to it so far. Knows nothing of candidates.

use std::ffi::OsString;
use std::path::PathBuf;

/// A command line that is not finished.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Line {
    /// The value of `--root`.
    pub root: Option<PathBuf>,
    /// The words that are neither options nor commands.
    pub values: Vec<String>,
    /// Options without a value, as they were typed.
    pub flags: Vec<String>,
}

impl Line {
    /// Reads the words after the program's name.
    pub(super) fn read(root: &clap::Command, words: &[OsString]) -> Self {
        let mut line = Self::default();
        let mut command = root;
        let mut options = true;
        let mut words = words.iter().map(|word| word.to_string_lossy().into_owned());
        while let Some(word) = words.next() {
            if options && word == "--" {
                options = false;
            } else if let Some(option) = word.strip_prefix("--").filter(|_| options) {
                let (name, value) = match option.split_once('=') {
                    Some((name, value)) => (name, Some(value.to_owned())),
                    None => (option, None),
                };
                let value = match value {
                    None if takes_value(command, name) => words.next(),
                    value => value,
                };
                if name == "root" {
                    line.root = value.map(PathBuf::from);
                } else if value.is_none() {
                    line.flags.push(word);
                }
            } else if options && word.len() > 1 && word.starts_with('-') {
                line.flags.push(word);
            } else if let Some(next) = command.find_subcommand(&word).filter(|_| options && line.values.is_empty()) {
                command = next;
            } else {
                line.values.push(word);
            }
        }
        line
    }
}

fn takes_value(command: &clap::Command, long: &str) -> bool {
    let option = command.get_arguments().find(|arg| arg.get_long() == Some(long));
    option.is_some_and(|arg| arg.get_action().takes_values())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::faces::cli::args::Cli;

    #[test]
    fn values_are_told_from_options_and_commands() {
        let mut command = Cli::command();
        command.build();
        let read = |text: &str| {
            let words: Vec<OsString> = text.split(' ').map(OsString::from).collect();
            Line::read(&command, &words)
        };
        let line = |root: Option<&str>, values: &[&str], flags: &[&str]| Line {
            root: root.map(PathBuf::from),
            values: values.iter().map(ToString::to_string).collect(),
            flags: flags.iter().map(ToString::to_string).collect(),
        };
        for (text, expected) in [
            ("task tick task-1", line(None, &["task-1"], &[])),
            ("--root /x task tick --open task-1", line(Some("/x"), &["task-1"], &["--open"])),
            ("task --root=/x tick --as me task", line(Some("/x"), &["task"], &[])),
            ("config set commit.author", line(None, &["commit.author"], &[])),
            ("task tick -q -- --as", line(None, &["--as"], &["-q"])),
            ("task update --payload", line(None, &[], &["--payload"])),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
    }
}
