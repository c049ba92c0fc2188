//! `config get|set|list`: the settings in force, where each was set, and a way to change one.

mod branch;

use std::fmt::Write as _;

use clap::Subcommand;
use serde_json::{Value, json};

use super::answer::{Answer, width};
use super::format;
use super::render::{Cell, Ink, Table};
use super::session::{self, Session};
use crate::api::view::{ErrorReport, SAVED_FORMAT_ABOUT, config_data, saved_format_data, setting_data};
use crate::core::config::{self, KEYS, Key, Origin, Setting, check_format, key};
use crate::core::diagnostic::Severity;
use crate::core::name::{shell_word, visible};
use crate::core::problem::ErrorClass;
use crate::services::{Project, address_fault};

/// Every command about settings.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Print one setting's value
    Get(Get),
    /// Change a setting in the repository's file, or in your own with `--user`
    Set(Set),
    /// List every setting
    List(List),
}

/// Print one setting's value
#[derive(Debug, clap::Args)]
pub(crate) struct Get {
    /// The setting's full name, such as `commit.author`
    key: String,
    /// Also say where it was set
    #[arg(long)]
    show_origin: bool,
}

/// Change a setting in the repository's file, or in your own with `--user`
#[derive(Debug, clap::Args)]
pub(crate) struct Set {
    /// The setting's full name, such as `commit.author`
    key: String,
    /// Its new value
    #[arg(allow_hyphen_values = true)]
    value: String,
    /// Write your own file, which counts in every repository
    #[arg(long)]
    user: bool,
    /// With `commit.branch`: also stop tracking the documents on the branch you are on, in one commit
    #[arg(long)]
    untrack: bool,
}

/// List every setting
#[derive(Debug, clap::Args)]
pub(crate) struct List {
    /// Also say where each was set
    #[arg(long)]
    show_origin: bool,
}

/// Runs one of them.
pub(crate) fn run(command: &Command, session: &Session) -> Result<Answer, ErrorReport> {
    match command {
        Command::Get(args) => get(args, session),
        Command::Set(args) => set(args, session),
        Command::List(args) => list(args, session),
    }
}

fn get(args: &Get, session: &Session) -> Result<Answer, ErrorReport> {
    if let Some(name) = format::of_key(&args.key) {
        return get_format(args, name, session);
    }
    let key = known(&args.key)?;
    let project = session.open_any()?;
    let setting = project.config().get(key.name).ok_or_else(|| unknown(key.name))?;
    let mut answer = about_config("config.get", &project)?;
    answer.data = setting_data(setting);
    let origin = if args.show_origin { format!("{}  ", setting.origin) } else { String::new() };
    answer.text = format!("{origin}{}\n", visible(&shown(setting)));
    Ok(answer)
}

fn list(args: &List, session: &Session) -> Result<Answer, ErrorReport> {
    let project = session.open_any()?;
    let settings = project.config().settings();
    let mut answer = about_config("config.list", &project)?;
    let formats: Vec<_> = project.config().formats().collect();
    answer.data = config_data(project.config());
    let headings: &[_] =
        if args.show_origin { &["SETTING", "VALUE", "ORIGIN", "WHAT FOR"] } else { &["SETTING", "VALUE", "WHAT FOR"] };
    let mut table = Table::new(headings);
    for setting in settings {
        let ink = if setting.origin == Origin::Default { Ink::Dim } else { Ink::Bold };
        let mut cells = vec![Cell::new(ink, setting.key.name), shown(setting).into()];
        if args.show_origin {
            cells.push(setting.origin.to_string().into());
        }
        cells.push(Cell::new(Ink::Dim, setting.key.about));
        table.row(cells);
    }
    for (name, saved) in formats {
        let mut cells = vec![Cell::new(Ink::Bold, &format!("formats.{name}")), saved.text.as_str().into()];
        if args.show_origin {
            cells.push(saved.origin.to_string().into());
        }
        cells.push(Cell::new(Ink::Dim, SAVED_FORMAT_ABOUT));
        table.row(cells);
    }
    answer.text = table.text(width());
    Ok(answer)
}

fn get_format(args: &Get, name: &str, session: &Session) -> Result<Answer, ErrorReport> {
    let project = session.open_any()?;
    let saved = project.config().format(name).ok_or_else(|| unknown(&args.key))?;
    let mut answer = about_config("config.get", &project)?;
    answer.data = saved_format_data(name, saved);
    let origin = if args.show_origin { format!("{}  ", saved.origin) } else { String::new() };
    answer.text = format!("{origin}{}\n", visible(&saved.text));
    Ok(answer)
}

/// A format is tried before it is saved.
fn set_format(args: &Set, name: &str, session: &Session) -> Result<Answer, ErrorReport> {
    let value = Value::from(args.value.as_str());
    let text = check_format(name, &value).map_err(|why| {
        let failure = ErrorReport::usage("bad-config-value", format!("`{}` {why}", visible(&args.key)));
        failure.hint("write `mycelium config set formats.NAME '{{id}} {{title}}'`")
    })?;
    let project = session.open_any()?;
    format::check(&args.key, &text, &project)?;
    write(args, &args.key, &value, &project)
}

fn set(args: &Set, session: &Session) -> Result<Answer, ErrorReport> {
    if let Some(name) = format::of_key(&args.key) {
        return set_format(args, name, session);
    }
    let key = known(&args.key)?;
    let value = key.read(&args.value).map_err(|why| {
        let failure = ErrorReport::usage("bad-config-value", format!("`{}` {why}", key.name));
        let option = if args.user { "--user " } else { "" };
        failure.hint(format!("give {}, as in {}", key.rule, key.example_command(option)))
    })?;
    // The table of settings knows no addresses.
    let is_address = key.name == "coordination.redis.url" && !value.is_null();
    if let Some(why) = address_fault(&args.value).filter(|_| is_address) {
        let message = format!("`{}`: {why}", key.name);
        let hint = "give an address such as redis://localhost:6379";
        return Err(ErrorReport::usage("bad-config-value", message).hint(hint));
    }
    if key.user_only && !args.user {
        let message = format!("`{}` counts only from your own configuration: it could loosen safety", key.name);
        let hint = format!("run `mycelium config set --user {} {}`", key.name, shell_word(&args.value));
        return Err(ErrorReport::usage("untrusted-config-key", message).hint(hint));
    }
    if !args.user && key.holds_password(&value) {
        let message = format!("`{}` would put a password into a tracked file", key.name);
        let hint = format!("set REDIS_PASSWORD, or run `mycelium config set --user {} VALUE`", key.name);
        return Err(ErrorReport::usage("tracked-password", message).hint(hint));
    }
    if args.untrack && key.name != BRANCH {
        let message = format!("`--untrack` goes with `{BRANCH}` only");
        return Err(ErrorReport::usage("usage", message).hint("leave it out"));
    }
    let project = session.open_any()?;
    let is_repair = project.config().findings.iter().any(|finding| finding.severity == Severity::Error);
    let mut answer = write(args, key.name, &value, &project)?;
    if key.name == BRANCH {
        // With the settings as they are now. Where a bad value was replaced, what cannot be moved yet is no failure.
        match branch::migrate(args.untrack, &session.open_any()?, &mut answer) {
            Err(failure) if is_repair => {
                let _ = writeln!(answer.words, "not moved yet: {}", visible(&failure.message));
            }
            migrated => migrated?,
        }
    }
    Ok(answer)
}

/// The setting that names the dedicated branch.
const BRANCH: &str = "commit.branch";

fn write(args: &Set, key: &str, value: &Value, project: &Project) -> Result<Answer, ErrorReport> {
    let origin = if args.user { Origin::User } else { Origin::Repository };
    let path = project.maintenance().set_config(origin, key, value)?;
    let value = config::key(key).map_or_else(|| value.clone(), |key| key.shown(value));
    let mut answer = session::answer("config.set", project)?;
    answer.data =
        json!({ "key": key, "value": value, "origin": origin.to_string(), "path": path.display().to_string() });
    answer.words = format!("wrote `{key}` to {}\n", visible(&path.display().to_string()));
    Ok(answer)
}

fn about_config(kind: &'static str, project: &Project) -> Result<Answer, ErrorReport> {
    let mut answer = session::answer(kind, project)?;
    answer.findings.clone_from(&project.config().findings);
    answer.words = answer.findings.iter().map(|finding| super::render::finding(finding, "", None)).collect();
    Ok(answer)
}

fn shown(setting: &Setting) -> String {
    match setting.key.shown(&setting.value) {
        Value::Null => "-".to_owned(),
        Value::String(text) => text,
        other => other.to_string(),
    }
}

fn known(name: &str) -> Result<&'static Key, ErrorReport> {
    key(name).ok_or_else(|| unknown(name))
}

fn unknown(name: &str) -> ErrorReport {
    let failure = ErrorReport::new(
        ErrorClass::NotFound,
        "unknown-config-key",
        format!("there is no setting `{}`", visible(name)),
    );
    let words: Vec<&'static str> = KEYS.iter().map(|key| key.name).collect();
    match crate::core::entity::status::nearest(name, &words) {
        Some(near) => failure.hint(format!("did you mean `{near}`?")),
        None => failure.hint("run `mycelium config list` to see every setting"),
    }
}
