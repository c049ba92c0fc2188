//! The table of settings: every key with its default, its rule and what it is for. A key that is not here is not known.

use serde_json::Value;

use crate::core::time::parse_span;

/// One known key.
#[derive(Debug, PartialEq)]
pub struct Key {
    /// The full name, `commit.author`.
    pub name: &'static str,
    /// The default, as text that [`Rule::read`] takes; empty for null.
    default: &'static str,
    /// Which values fit.
    pub rule: Rule,
    /// The environment variable of the reference document, beside `MYCELIUM_...`.
    pub variable: Option<&'static str>,
    /// Counts only from the user's own configuration: it names programs or loosens safety.
    pub user_only: bool,
    /// What it is for, in one line.
    pub about: &'static str,
}

/// Which values fit a key.
#[derive(Debug, PartialEq)]
pub enum Rule {
    /// Any text, or null.
    Text,
    /// A relative path below the work tree.
    Folder,
    /// The name of a branch, or null.
    Branch,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// `true` or `false`.
    Flag,
    /// A whole number from the first to the second.
    Number(u64, u64),
    /// A span of time such as `30m`, of at most so many seconds.
    Span(u64),
    /// A program with its arguments, as a JSON list of texts, or null.
    Command,
}

const fn new(name: &'static str, default: &'static str, rule: Rule, about: &'static str) -> Key {
    Key { name, default, rule, variable: None, user_only: false, about }
}

const fn named(
    name: &'static str,
    default: &'static str,
    rule: Rule,
    variable: &'static str,
    about: &'static str,
) -> Key {
    Key { name, default, rule, variable: Some(variable), user_only: false, about }
}

const fn user(name: &'static str, default: &'static str, rule: Rule, about: &'static str) -> Key {
    Key { name, default, rule, variable: None, user_only: true, about }
}

const HOUR_MS: u64 = 3_600_000;
const DAY_S: u64 = 86_400;

/// Every key, in the order in which they are listed.
pub static KEYS: &[Key] = &[
    new(
        "coordination.mode",
        "auto",
        Rule::Choice(&["auto", "redis", "taskqueue", "markdown"]),
        "which follower to look for",
    ),
    named("coordination.redis.url", "", Rule::Text, "REDIS_URL", "address of the Redis or Valkey server"),
    named("coordination.redis.password", "", Rule::Text, "REDIS_PASSWORD", "its password (better in the environment)"),
    named("coordination.redis.db", "0", Rule::Number(0, 1_000_000), "REDIS_DB", "its database number"),
    new("coordination.redis.prefix", "", Rule::Text, "what all keys there begin with"),
    user("coordination.redis.ca", "", Rule::Text, "a PEM file with the certificates to trust there, for `rediss://`"),
    new("coordination.redis.connection_timeout_seconds", "5", Rule::Number(1, DAY_S), "longest wait for a connection"),
    new("coordination.redis.operation_timeout_seconds", "2", Rule::Number(1, DAY_S), "longest wait for an answer"),
    new("coordination.redis.retry_attempts", "3", Rule::Number(0, 1_000), "tries before it counts as lost"),
    new("coordination.redis.retry_delay_ms", "100", Rule::Number(1, HOUR_MS), "pause between tries"),
    named(
        "coordination.taskqueue.mode",
        "",
        Rule::Text,
        "TASKQUEUE_MODE",
        "`enabled` to use a TaskQueue server, `disabled` for none",
    ),
    named(
        "coordination.taskqueue.poll_interval_ms",
        "1000",
        Rule::Number(1, HOUR_MS),
        "TASKQUEUE_POLL_INTERVAL",
        "how often the file of the server is compared where no event reports a write",
    ),
    new(
        "coordination.taskqueue.max_tasks",
        "100",
        Rule::Number(1, 1_000_000),
        "most tasks that are not completed and are shown there",
    ),
    new(
        "coordination.taskqueue.task_timeout_seconds",
        "300",
        Rule::Number(1, 365 * DAY_S),
        "how long a task may be in progress in TaskQueue before that is reported",
    ),
    user(
        "coordination.taskqueue.command",
        "",
        Rule::Command,
        "program of the TaskQueue server with its arguments, as a JSON list; empty to look for it",
    ),
    Key {
        variable: Some("TASK_MANAGER_FILE_PATH"),
        ..user("coordination.taskqueue.file", "", Rule::Text, "absolute path of the file that the server keeps")
    },
    new(
        "claim.lease",
        "30m",
        Rule::Span(365 * DAY_S),
        "for how long a claimed task is its holder's without a sign of life",
    ),
    user("worker.command", "", Rule::Text, "command that a worker runs for each task, by `sh -c`"),
    user(
        "worker.grace",
        "10s",
        Rule::Span(DAY_S),
        "how long a command that is asked to end may take before it is killed",
    ),
    user("worker.backoff", "1s", Rule::Span(DAY_S), "first pause before a command that ended with 75 is run again"),
    new("markdown.folder", ".claude/coordination", Rule::Folder, "where the documents lie, below the work tree"),
    new("markdown.shape", "lean", Rule::Choice(&["lean", "classic"]), "shape of new documents"),
    user(
        "markdown.durability",
        "full",
        Rule::Choice(&["full", "batch", "off"]),
        "what `acknowledged` survives: a power cut, or less",
    ),
    new("commit.auto", "true", Rule::Flag, "commit changes to the folder"),
    new(
        "commit.author",
        "agent",
        Rule::Choice(&["agent", "user"]),
        "author of a commit: the acting agent, or always the git user",
    ),
    user(
        "commit.hand_edits",
        "user",
        Rule::Choice(&["user", "holder"]),
        "author of a save by an editor: the git user, or the agent that holds the document",
    ),
    user("commit.hooks", "false", Rule::Flag, "run the repository's pre-commit and post-commit hooks"),
    Key {
        variable: Some("MYCELIUM_PAGER"),
        ..user("ui.pager", "", Rule::Text, "program that shows long answers; empty for `PAGER`, else less")
    },
    new(
        "archive.after_days",
        "7",
        Rule::Number(0, 36_500),
        "days of quiet after which a watcher archives; 0 for never",
    ),
    new("commit.branch", "", Rule::Branch, "a branch of its own for the documents; empty for the current branch"),
    user(
        "sync.timeout_seconds",
        "300",
        Rule::Number(1, DAY_S),
        "longest wait for one fetch or push of a sync, away from a terminal",
    ),
    new("bridge.branch", "", Rule::Branch, "the branch that is mirrored; empty for the one on which that was enabled"),
    new(
        "bridge.channels",
        "",
        Rule::Text,
        "channels on the server that are heard without a prefix, with commas between; empty for the known",
    ),
    new("bridge.scan_seconds", "30", Rule::Number(1, 3_600), "how often everything on the server is looked through"),
];

/// The key of this full name.
#[must_use]
pub fn key(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

/// Tells whether some key lies below this name.
pub(super) fn is_group(name: &str) -> bool {
    KEYS.iter().any(|key| key.name.strip_prefix(name).is_some_and(|rest| rest.starts_with('.')))
}

impl Key {
    /// Returns a value that fits, as `config set` takes it: the default, else one by the rule.
    #[must_use]
    pub const fn example(&self) -> &'static str {
        match (self.default.is_empty(), &self.rule) {
            (true, Rule::Branch) => "coordination",
            (true, _) => "''",
            (false, _) => self.default,
        }
    }

    /// Returns the command that gives the key a value that fits.
    #[must_use]
    pub fn example_command(&self, option: &str) -> String {
        let option = if self.user_only { "--user " } else { option };
        format!("`mycelium config set {option}{} {}`", self.name, self.example())
    }

    /// Reads a value from text.
    ///
    /// # Errors
    /// Why it does not fit, to follow the key's name; without any password.
    pub fn read(&self, text: &str) -> Result<Value, String> {
        self.rule.read(text).map_err(|why| self.spared(&Value::from(text), why))
    }

    /// Checks a value.
    ///
    /// # Errors
    /// Why it does not fit, to follow the key's name; without any password.
    pub fn check(&self, value: &Value) -> Result<Value, String> {
        self.rule.check(value).map_err(|why| self.spared(value, why))
    }

    fn spared(&self, value: &Value, why: String) -> String {
        let shown = self.shown(value);
        if shown == *value { why } else { format!("is {shown}, not {}", self.rule) }
    }

    /// The built-in value.
    #[must_use]
    pub fn default_value(&self) -> Value {
        self.rule.read(self.default).unwrap_or(Value::Null)
    }
}

impl Rule {
    /// Reads a value from text.
    ///
    /// # Errors
    /// Why it does not fit, to follow the key's name.
    pub fn read(&self, text: &str) -> Result<Value, String> {
        let value = match self {
            Self::Flag => text.parse::<bool>().map_or_else(|_| Value::from(text), Value::from),
            Self::Number(..) => text.parse::<u64>().map_or_else(|_| Value::from(text), Value::from),
            Self::Command => serde_json::from_str(text).unwrap_or_else(|_| Value::from(text)),
            Self::Text | Self::Branch | Self::Folder | Self::Choice(_) | Self::Span(_) => Value::from(text),
        };
        self.check(&value)
    }

    /// Checks a value.
    ///
    /// # Errors
    /// Why it does not fit, to follow the key's name.
    pub fn check(&self, value: &Value) -> Result<Value, String> {
        if matches!((self, value), (Self::Text | Self::Branch | Self::Command, Value::String(text)) if text.is_empty())
        {
            return Ok(Value::Null);
        }
        if let (Self::Branch, Value::String(text)) = (self, value)
            && let Some(short) = text.strip_prefix("refs/heads/")
            && is_branch(short)
        {
            // The same branch, by its full name: kept by its short one, which is what the rest asks git with.
            return Ok(Value::from(short));
        }
        let fits = match (self, value) {
            (Self::Text | Self::Branch | Self::Command, Value::Null) | (Self::Flag, Value::Bool(_)) => true,
            (Self::Command, Value::Array(words)) => is_command(words),
            (Self::Text, Value::String(text)) => text.len() <= TEXT_BYTES_MAX && !text.chars().any(char::is_control),
            (Self::Branch, Value::String(text)) => is_branch(text),
            (Self::Folder, Value::String(text)) => is_folder(text),
            (Self::Choice(words), Value::String(text)) => words.contains(&text.as_str()),
            (Self::Span(max), Value::String(text)) => is_span(text, *max),
            (Self::Number(from, to), value) => value.as_u64().is_some_and(|n| (*from..=*to).contains(&n)),
            _ => false,
        };
        if fits {
            Ok(value.clone())
        } else {
            Err(format!("is {}, not {self}", shortened(&crate::core::name::visible(&value.to_string()))))
        }
    }
}

impl std::fmt::Display for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text => write!(f, "a text of at most {TEXT_BYTES_MAX} bytes in one line"),
            Self::Branch => f.write_str("a name for a branch"),
            Self::Folder => f.write_str("a relative folder below the work tree, outside .git"),
            Self::Choice(words) => write!(f, "one of {}", words.join(", ")),
            Self::Flag => f.write_str("true or false"),
            Self::Command => f.write_str(r#"a JSON list of texts such as ["node", "/path/to/index.js"]"#),
            Self::Number(from, to) => write!(f, "a whole number from {from} to {to}"),
            Self::Span(max) => {
                write!(f, "a span of time such as 90s, 30m or 2h, more than none and at most {}d", max / DAY_S)
            }
        }
    }
}

/// Returns true for a program, named, with at most so many arguments.
fn is_command(words: &[Value]) -> bool {
    const WORDS_MAX: usize = 100;
    let is_word = |word: &Value| {
        word.as_str().is_some_and(|text| text.len() <= TEXT_BYTES_MAX && !text.chars().any(char::is_control))
    };
    let is_named = words.first().and_then(Value::as_str).is_some_and(|name| !name.is_empty());
    is_named && words.len() <= WORDS_MAX && words.iter().all(is_word)
}

/// Returns true for a span of time that is not empty and not longer than so many seconds.
fn is_span(text: &str, max: u64) -> bool {
    parse_span(text).is_ok_and(|span| !span.is_zero() && span.as_secs() <= max)
}

/// Longest text, in bytes.
const TEXT_BYTES_MAX: usize = 4_000;
/// Characters of a value that are repeated in a message.
const SHOWN_MAX: usize = 80;

fn shortened(text: &str) -> String {
    match text.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Returns true if values with passwords lie below a group of keys.
pub(super) fn holds_secret(group: &str) -> bool {
    "coordination.redis".starts_with(group)
}

/// Returns true if git takes a text for the name of a branch (`git help check-ref-format`).
fn is_branch(text: &str) -> bool {
    const BRANCH_BYTES_MAX: usize = 200;
    let name = text.strip_prefix("refs/heads/").unwrap_or(text);
    let is_part = |part: &str| {
        let ends = part.to_ascii_lowercase().ends_with(".lock") || part.ends_with('.');
        !part.is_empty() && !part.starts_with('.') && !ends
    };
    let is_sign = |c: char| c <= ' ' || c == '\u{7f}' || matches!(c, '~' | '^' | ':' | '?' | '*' | '[' | '\\');
    let has_special = ["..", "@{"].iter().any(|special| name.contains(special)) || matches!(name, "@" | "HEAD");
    let is_whole = name.split('/').all(is_part) && name.len() <= BRANCH_BYTES_MAX;
    let is_other_ref = name.starts_with("refs/");
    is_whole && !has_special && !is_other_ref && !name.starts_with('-') && !name.chars().any(is_sign)
}

/// A folder that is named by plain parts only: nothing that leads out of the work tree or into git's own files.
fn is_folder(text: &str) -> bool {
    /// No file system takes a longer name.
    const PART_BYTES_MAX: usize = 255;
    let plain = |part: &str| {
        !part.is_empty()
            && part != "."
            && part != ".."
            && !crate::core::name::is_gits_own(part)
            && part.len() <= PART_BYTES_MAX
            && !part.chars().any(|c| crate::core::name::is_unsafe_to_show(c) || matches!(c, '\\' | ':'))
    };
    !text.is_empty() && text.len() <= 1_000 && text.split('/').all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_fits_its_own_rule() {
        for key in KEYS {
            assert!(key.rule.read(key.default).is_ok(), "{}", key.name);
        }
    }

    #[test]
    fn what_starts_programs_is_the_users_alone() {
        assert!(key("commit.hooks").is_some_and(|key| key.user_only));
    }

    #[test]
    fn branches_have_names_that_git_takes() {
        for (text, fits) in [
            ("coordination", true),
            ("refs/heads/coordination", true),
            ("refs/heads/refs/heads/x", false),
            ("team/é.x@y", true),
            ("bad name", false),
            ("a..b", false),
            ("-x", false),
            ("HEAD", false),
            ("@", false),
            ("a@{1}", false),
            ("/a", false),
            ("a/", false),
            ("a//b", false),
            (".a", false),
            ("a/.b", false),
            ("a.lock", false),
            ("a.lock/b", false),
            ("a.", false),
            ("a~b", false),
            ("a^b", false),
            ("a:b", false),
            ("a?b", false),
            ("a*b", false),
            ("a[b", false),
            ("a\\b", false),
            ("a\tb", false),
            ("a\u{7f}", false),
            ("refs/tags/x", false),
            ("refs/heads/", false),
            (&"x".repeat(201), false),
        ] {
            assert_eq!(is_branch(text), fits, "{text}");
        }
        assert_eq!(
            Rule::Branch.read("refs/heads/team/x"),
            Ok(Value::from("team/x")),
            "the full name of the same branch"
        );
        assert_eq!(Rule::Branch.read("team/x"), Ok(Value::from("team/x")));
    }

    #[test]
    fn folders_stay_below_the_work_tree() {
        for (text, fits) in [
            (".claude/coordination", true),
            ("a", true),
            ("/a", false),
            ("a/", false),
            ("a/../b", false),
            (".GIT/x", false),
            ("a/git~1", false),
            (".git. /x", false),
            (".g\u{200c}it", false),
            (&"x".repeat(256), false),
            (".github", true),
            ("", false),
            ("c:/x", false),
        ] {
            assert_eq!(is_folder(text), fits, "{text}");
        }
    }
}
