//! Wrong command lines, told the way every other error is told. Knows the parser's errors and nothing of commands.

use std::ffi::OsString;

use clap::CommandFactory as _;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::args::Cli;
use super::render::listed;
use crate::api::view::ErrorReport;
use crate::core::entity::UnknownWord;
use crate::core::name::visible;

/// The parser's error as a failure of ours.
pub(crate) fn failure(error: &clap::Error, arguments: &[OsString]) -> ErrorReport {
    let text = |kind| context(error, kind);
    let first = |kind| text(kind).into_iter().next().unwrap_or_default();
    let argument = || tidy(&first(ContextKind::InvalidArg));
    let value = || visible(&first(ContextKind::InvalidValue));
    let message = match error.kind() {
        ErrorKind::InvalidSubcommand => {
            format!("there is no command `{}`", visible(&first(ContextKind::InvalidSubcommand)))
        }
        ErrorKind::UnknownArgument => format!("there is no argument `{}` here", argument()),
        ErrorKind::MissingRequiredArgument => format!("{} must be given", quoted(&text(ContextKind::InvalidArg))),
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            "a command is missing".to_owned()
        }
        ErrorKind::InvalidValue if value().is_empty() => format!("`{}` needs a value", argument()),
        ErrorKind::InvalidValue => {
            format!("`{}` is no value of `{}`: it is {}", value(), argument(), either(&text(ContextKind::ValidValue)))
        }
        ErrorKind::ValueValidation => format!("`{}`: {}", argument(), why(error, &value())),
        ErrorKind::ArgumentConflict => {
            format!("`{}` cannot be used together with {}", argument(), quoted(&text(ContextKind::PriorArg)))
        }
        ErrorKind::TooManyValues => format!("`{}` is one value too many for `{}`", value(), argument()),
        _ => plain(error),
    };
    ErrorReport::usage("usage", message).hint(hint(error, arguments))
}

/// Why a value does not fit.
fn why(error: &clap::Error, value: &str) -> String {
    match std::error::Error::source(error) {
        Some(source) if source.is::<std::num::ParseIntError>() => format!("`{value}` is not a whole number from 0"),
        Some(source) => source.to_string(),
        None => format!("`{value}` does not fit"),
    }
}

/// The nearest thing that exists, else the help of the command in question.
fn hint(error: &clap::Error, arguments: &[OsString]) -> String {
    if let Some(unknown) = std::error::Error::source(error).and_then(|source| source.downcast_ref::<UnknownWord>()) {
        return unknown.hint();
    }
    let near = match error.kind() {
        ErrorKind::InvalidSubcommand => meant_command(error, arguments),
        _ => meant_option(error),
    };
    let help = format!("`{} --help`", command(error, arguments));
    match near {
        Some(near) => format!("did you mean `{near}`? {help} shows what there is"),
        None => format!("run {help}"),
    }
}

/// Words for a command that other programs use, with ours. What does something else than was asked for is never offered.
const SYNONYMS: &[(&str, &[&str])] = &[
    ("remove", &["delete", "del", "rm", "destroy", "erase", "drop"]),
    ("get", &["show", "view", "cat", "read", "info", "describe", "inspect"]),
    ("list", &["ls", "all", "index"]),
    ("create", &["new", "add", "make"]),
    ("update", &["set", "modify", "change", "assign", "patch"]),
    ("complete", &["done", "finish", "close"]),
    ("claim", &["start", "take", "grab", "begin", "pick", "next"]),
    ("release", &["unclaim", "unassign", "stop"]),
    ("note", &["comment", "annotate"]),
    ("tick", &["check", "toggle"]),
    ("publish", &["send", "emit", "post"]),
    ("subscribe", &["listen", "follow", "tail", "watch"]),
    ("unset", &["remove", "delete", "rm"]),
];

/// The command that was probably meant: another word for the same, or a slip of one or two letters.
fn meant_command(error: &clap::Error, arguments: &[OsString]) -> Option<String> {
    let wrong = context(error, ContextKind::InvalidSubcommand).into_iter().next()?;
    let mut root = Cli::command();
    root.build();
    let mut at = &root;
    for word in arguments.iter().skip(1).filter_map(|word| word.to_str()).take_while(|word| *word != wrong) {
        at = at.find_subcommand(word).unwrap_or(at);
    }
    let is_there = |command: &clap::Command, name: &str| command.get_subcommands().any(|one| one.get_name() == name);
    let lower = wrong.to_lowercase();
    let same: Vec<&str> =
        SYNONYMS.iter().filter(|(_, others)| others.contains(&&*lower)).map(|(ours, _)| *ours).collect();
    if let Some(ours) = same.iter().find(|ours| is_there(at, ours)) {
        return Some((*ours).to_owned());
    }
    if let Some(near) =
        at.get_subcommands().map(clap::Command::get_name).min_by_key(|name| slip(&lower, name).unwrap_or(usize::MAX))
        && slip(&lower, near).is_some()
    {
        return Some(near.to_owned());
    }
    let tasks = root.find_subcommand("task").filter(|_| at.get_name() == root.get_name())?;
    let of_tasks = same.into_iter().chain([&*lower]).find(|name| is_there(tasks, name))?;
    Some(format!("task {of_tasks}"))
}

/// An option or a value that was probably meant.
fn meant_option(error: &clap::Error) -> Option<String> {
    let wrong = [ContextKind::InvalidArg, ContextKind::InvalidValue].map(|kind| context(error, kind)).concat();
    let near = [ContextKind::SuggestedArg, ContextKind::SuggestedValue];
    let near = near.into_iter().flat_map(|kind| context(error, kind));
    // The parser also offers words that have hardly a letter in common.
    let is_near = |near: &String| wrong.iter().any(|wrong| slip(bare(wrong), bare(near)).is_some());
    near.into_iter().find(is_near)
}

fn bare(word: &str) -> &str {
    word.trim_start_matches('-').split(['=', ' ']).next().unwrap_or_default()
}

/// How many letters differ, if by so few that it may be a slip; the beginning of a word counts as one.
fn slip(wrong: &str, right: &str) -> Option<usize> {
    if wrong.len() > 1 && right.starts_with(wrong) {
        return Some(0);
    }
    crate::core::entity::status::letters_apart(wrong, right)
}

fn context(error: &clap::Error, kind: ContextKind) -> Vec<String> {
    match error.get(kind) {
        Some(ContextValue::String(text)) => vec![text.clone()],
        Some(ContextValue::Strings(texts)) => texts.clone(),
        _ => Vec::new(),
    }
}

/// `--depends-on <ID>` without the place holder.
fn tidy(argument: &str) -> String {
    visible(argument.split(['=', ' ']).next().unwrap_or(argument).trim_end_matches("..."))
}

fn quoted(arguments: &[String]) -> String {
    listed(&arguments.iter().map(|argument| format!("`{}`", visible(argument))).collect::<Vec<_>>())
}

fn either(words: &[String]) -> String {
    match words {
        [most @ .., last] if !most.is_empty() => format!("{} or {last}", most.join(", ")),
        _ => words.concat(),
    }
}

/// The command in question, `mycelium task create`: by the usage line, else by the words of the command line.
fn command(error: &clap::Error, arguments: &[OsString]) -> String {
    let said = match error.get(ContextKind::Usage) {
        Some(ContextValue::StyledStr(text)) => text.to_string(),
        _ => error.to_string(),
    };
    let usage = said.lines().find_map(|line| line.trim_start().strip_prefix("Usage:")).unwrap_or_default();
    let is_name = |word: &&str| word.starts_with(|c: char| c.is_ascii_lowercase());
    let words: Vec<&str> = usage.split_whitespace().take_while(is_name).collect();
    if !words.is_empty() {
        return words.join(" ");
    }
    let mut at = Cli::command();
    at.build();
    let mut path = "mycelium".to_owned();
    for word in arguments.iter().skip(1).filter_map(|word| word.to_str()) {
        if let Some(next) = at.find_subcommand(word).cloned() {
            path = format!("{path} {word}");
            at = next;
        }
    }
    path
}

fn plain(error: &clap::Error) -> String {
    let text = error.to_string();
    visible(text.lines().next().unwrap_or_default().trim_start_matches("error: "))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[test]
    fn each_slip_is_named_with_a_way_out() {
        for (line, message, hint) in [
            ("tsak list", "there is no command `tsak`", "did you mean `task`? `mycelium --help` shows what there is"),
            (
                "task lst",
                "there is no command `lst`",
                "did you mean `list`? `mycelium task --help` shows what there is",
            ),
            (
                "task delete a",
                "there is no command `delete`",
                "did you mean `remove`? `mycelium task --help` shows what there is",
            ),
            (
                "workflow complte a",
                "there is no command `complte`",
                "did you mean `complete`? `mycelium workflow --help` shows what there is",
            ),
            ("workflow delete a", "there is no command `delete`", "run `mycelium workflow --help`"),
            ("show a", "there is no command `show`", "did you mean `task get`? `mycelium --help` shows what there is"),
            ("task cancel a", "there is no command `cancel`", "run `mycelium task --help`"),
            (
                "delete a",
                "there is no command `delete`",
                "did you mean `task remove`? `mycelium --help` shows what there is",
            ),
            ("tasks list", "there is no command `tasks`", "did you mean `task`? `mycelium --help` shows what there is"),
            ("task list --delete", "there is no argument `--delete` here", "run `mycelium task list --help`"),
            ("task", "a command is missing", "run `mycelium task --help`"),
            (
                "task list --limt 3",
                "there is no argument `--limt` here",
                "did you mean `--limit`? `mycelium task list --help` shows what there is",
            ),
            ("task create", "`--type <TYPE>` must be given", "run `mycelium task create --help`"),
            ("task get", "`<ID>` must be given", "run `mycelium task get --help`"),
            (
                "status --color blue",
                "`blue` is no value of `--color`: it is auto, always or never",
                "run `mycelium status --help`",
            ),
            (
                "status --as ../x",
                "`--as`: the agent name `../x` has `.` (it may not stand there) at character 1",
                "run `mycelium status --help`",
            ),
            (
                "task list --limit many",
                "`--limit`: `many` is not a whole number from 0",
                "run `mycelium task list --help`",
            ),
            (
                "task list --status runing",
                "`--status`: unknown task status `runing`; known: pending, running, completed, failed",
                "did you mean `running`?",
            ),
            ("task get a b", "there is no argument `b` here", "run `mycelium task get --help`"),
        ] {
            let arguments: Vec<OsString> =
                ["mycelium"].into_iter().chain(line.split(' ')).map(OsString::from).collect();
            let failure = failure(&Cli::try_parse_from(&arguments).expect_err(line), &arguments);
            assert_eq!((failure.message.as_str(), failure.hint.as_deref()), (message, Some(hint)), "{line}");
        }
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
