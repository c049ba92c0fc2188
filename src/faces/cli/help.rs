//! `help TOPIC`: what belongs to no single command. The help of commands is the parser's own. Words only.

use std::ffi::OsString;
use std::fmt::Write as _;

use clap::Parser as _;
use clap::error::ErrorKind;
use serde_json::json;

use super::answer::Answer;
use super::args::Cli;
use super::usage;
use crate::api::view::{AnswerHead, ErrorReport, Exit};
use crate::core::config::KEYS;
use crate::core::name::visible;

/// Global options that are followed by a value.
const WITH_VALUE: [&str; 4] = ["--as", "--root", "--color", "--require-mode"];

/// One topic: its name and its text.
struct Topic {
    name: &'static str,
    text: fn() -> String,
}

/// Every topic; `mycelium --help` lists them.
const TOPICS: [Topic; 6] = [
    Topic { name: "exit-codes", text: exit_codes },
    Topic { name: "environment", text: environment },
    Topic { name: "format", text: || FORMAT.to_owned() },
    Topic { name: "ids", text: || IDS.to_owned() },
    Topic { name: "values", text: || VALUES.to_owned() },
    Topic { name: "json", text: || JSON.to_owned() },
];

/// The answer to a command line that asks for a topic; `None` if it asks for something else.
pub(crate) fn topic(error: &clap::Error, arguments: &[OsString]) -> Option<Result<Answer, ErrorReport>> {
    let words = words(arguments);
    let ["help", name] = words[..] else { return None };
    if error.kind() != ErrorKind::InvalidSubcommand {
        return None;
    }
    Some(match TOPICS.iter().find(|topic| topic.name == name) {
        Some(topic) => Ok(answer(topic)),
        None => Err(unknown(name)),
    })
}

fn answer(topic: &Topic) -> Answer {
    let mut answer = Answer::new("help", AnswerHead::default());
    answer.text = (topic.text)();
    answer.data = json!({ "topic": topic.name, "text": answer.text });
    answer
}

/// A slip: the parser knows whether it was meant for a command.
fn unknown(name: &str) -> ErrorReport {
    let line: Vec<OsString> = ["mycelium", name].map(OsString::from).to_vec();
    let slip = Cli::try_parse_from(&line).err().map(|error| usage::failure(&error, &line));
    let near = slip.and_then(|slip| slip.hint).filter(|hint| hint.starts_with("did you mean"));
    let names: Vec<&str> = TOPICS.iter().map(|topic| topic.name).collect();
    let hint = near.unwrap_or_else(|| format!("run `mycelium help`; the topics are {}", names.join(", ")));
    ErrorReport::usage("usage", format!("there is no command or topic `{}`", visible(name))).hint(hint)
}

/// The words of a command line that are no global options, the program's name left out.
fn words(arguments: &[OsString]) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = arguments.iter().skip(1).map(|argument| argument.to_str().unwrap_or_default());
    while let Some(argument) = rest.next() {
        if WITH_VALUE.contains(&argument) {
            rest.next();
        } else if !argument.starts_with('-') {
            words.push(argument);
        }
    }
    words
}

fn exit_codes() -> String {
    let mut out = "Exit codes. The numbers never change their meaning.\n\n".to_owned();
    for exit in Exit::ALL {
        let _ = writeln!(out, "  {:>3}  {}", exit.code(), exit.about());
    }
    out + "
With any code but 0 nothing was changed, unless the error says so. `check` and
`doctor` end with 1 if they find an error or a problem, `commit` and
`watch --once` if something was held back. After 75 the same command may work
in a moment; in JSON `error.retryable` is true then, and `error.code` says more:
`mycelium explain` lists what it may be.
"
}

fn environment() -> String {
    let mut out = VARIABLES.to_owned();
    for key in KEYS {
        if let Some(name) = key.variable {
            let _ = writeln!(out, "  {name:<24} {}", key.name);
        }
    }
    out + "
A variable that is empty counts as unset. A command's own options win over
variables, variables win over files; `mycelium config list --show-origin` shows
what is in force and from where.
"
}

const VARIABLES: &str = "\
Variables that are read.

  MYCELIUM_AGENT           who acts, as with --as
  MYCELIUM_ROOT            where, as with --root
  MYCELIUM_CONFIG          your own configuration file
                           [default: mycelium/config.json in XDG_CONFIG_HOME or ~/.config]
  MYCELIUM_<KEY>           any setting: commit.author is MYCELIUM_COMMIT_AUTHOR

  VISUAL, EDITOR           the editor of `task edit`
  NO_COLOR, CLICOLOR,      colours; --color wins
  CLICOLOR_FORCE, TERM
  TMPDIR                   where `demo` and `task edit` keep what is no document yet
  HOME, XDG_STATE_HOME     where run state lies outside git
  GIT_DIR, GIT_WORK_TREE,  as git reads them
  GIT_CEILING_DIRECTORIES
  GIT_AUTHOR_*, EMAIL,     who commits, as git reads them
  GIT_COMMITTER_*

Settings that have a name of their own:

";

const FORMAT: &str = "\
Documents are markdown files with YAML frontmatter, in one folder (by default
.claude/coordination; `mycelium config get markdown.folder`).

  agent-NAME.md      an agent
  task-ID.md         a task
  workflow-ID.md     a workflow
  events.md          events, for people
  archive/YYYY-MM/   finished documents, under the same names

A task needs three keys; every other is optional, and keys of your own are kept:

  ---
  id: task-7
  type: train-model
  status: pending              # pending, running, completed, failed
  assigned_to: ai-engineer
  priority: high               # low, normal, high, critical
  depends_on: [task-3]
  progress: 0.5
  ---

  # Train the model

  ## Steps

  - [x] Load the data
  - [ ] Train

  ## Notes

  - Loss is flat since step 300

An agent needs `agent` and `status` (idle, busy, error), a workflow `id`, `type`
and `status` (running, completed, failed).

A file may be written with any editor or program. It is at most 1 MiB of UTF-8;
anchors, aliases and tags of YAML are not accepted. A file that cannot be read is
listed with what is wrong and left alone: `mycelium check` shows it.
";

const IDS: &str = "\
An id, or the name of an agent, has 1 to 100 bytes: letters and digits of any
script, `-`, `_` and `.`; it begins with a letter or digit and does not end with
`.`. New ids are random, such as task-k7f3q2m9xa; `--id` gives one of your own.

Wherever an id is wanted, any unique beginning will do, with or without the
word for its kind: task-k7f3q2m9xa is also task-k7f, k7f3 or k7. A bare number is
never a beginning: `7` is task-7 and not task-78.

The id in the file counts. The file's name should fit it (`task-7.md` for
task-7), and `mycelium check` says where it does not.
";

const VALUES: &str = "\
A payload, result, error, metadata, note or stack trace is given

  as text         --error 'out of memory'
  as a file       --payload @payload.json
  as `-`          standard input, for one value of a command
  as `@@text`     a text that begins with `@`

A value has at most 1 MiB. `--payload` is JSON and `--metadata` a JSON object;
`--result` and `--error` are JSON where they read as JSON, else text, and what
begins with `{` or `[` must be JSON. `--set KEY=VALUE` takes JSON where it reads
as JSON, else text; `null` removes the key.
";

const JSON: &str = "\
With --json standard output holds one object, the envelope:

  schema, kind       1, and what it is: `task.create`
  root, folder       the work tree, and the folder of the documents below it
  branch, revision   where commits go, and the newest one; or null
  data               the answer
  findings           severity, code, message, path (below `root`), line, column, hint
  committed,         writers only: the commit that holds the change, or why there
  waiting            is none yet

`log` and `watch` print one object a line. Lists have at most 20 items and 8 KB
unless `--limit` says otherwise; `next` is the cursor for `--after`.

An error is one object on standard error, and standard output stays empty:
error.code, class, exit, message, causes, hint, place, retryable. New fields may
come at any time; `schema` rises when one changes its meaning.
";

#[cfg(test)]
mod tests {
    use super::*;

    use clap::CommandFactory as _;

    fn asked(line: &str) -> Option<Result<Answer, ErrorReport>> {
        let line: Vec<OsString> = ["mycelium"].into_iter().chain(line.split(' ')).map(OsString::from).collect();
        topic(&Cli::try_parse_from(&line).expect_err("help is no command that runs"), &line)
    }

    #[test]
    fn topics_are_short_lines_and_listed_in_the_help() {
        let help = Cli::command().render_help().to_string();
        for topic in &TOPICS {
            let text = (topic.text)();
            assert!(text.lines().all(|line| line.chars().count() <= 90), "{}", topic.name);
            assert!(text.ends_with('\n') && help.contains(&format!("  {}", topic.name)), "{}", topic.name);
            for line in [format!("help {}", topic.name), format!("--root x --json help {}", topic.name)] {
                let answer = asked(&line).expect("a topic").expect("known");
                assert_eq!((answer.kind, &answer.text), ("help", &text), "{line}");
            }
        }
    }

    #[test]
    fn what_is_no_topic_is_a_command_or_a_slip() {
        assert!(asked("help task").is_none() && asked("task help create").is_none() && asked("tsak").is_none());
        let failure = asked("help tsak").expect("a slip").expect_err("unknown");
        assert_eq!(failure.message, "there is no command or topic `tsak`");
        assert!(failure.hint.is_some_and(|hint| hint.contains("`task`")));
        let failure = asked("help xyzzy").expect("a slip").expect_err("unknown");
        assert!(failure.hint.is_some_and(|hint| hint.contains("exit-codes, environment")));
    }

    #[test]
    fn the_example_of_the_format_is_read_as_it_says() {
        let lines: Vec<&str> = FORMAT.lines().filter_map(|line| line.strip_prefix("  ")).collect();
        let start = lines.iter().position(|line| *line == "---").expect("an example");
        let text = lines[start..].join("\n").replace("## ", "\n## ").replace("# Train", "\n# Train");
        let document = crate::core::document::Document::parse(text.into_bytes());
        let path = crate::core::name::DocPath::new("task-7.md").expect("valid");
        let snapshot = crate::core::snapshot::Snapshot::from_documents([(path.clone(), document)]);
        let entry = snapshot.get(&path).expect("there");
        let task = entry.task().expect("readable");
        assert_eq!((entry.findings.len(), task.steps.len(), task.notes.len()), (0, 2, 1));
        assert_eq!(task.title.as_deref(), Some("Train the model"));
    }
}
