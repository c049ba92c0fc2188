//! What the end of a command means for its task: completed with which result, failed with which error, or to be tried again. Pure.

use std::time::Duration;

use serde_json::{Value as Json, json};

use super::output_digest::JsonLine;
use crate::adapters::process::CommandEnd;
use crate::core::document::JSON_BYTES_MAX;
use crate::core::entity::span_text;

/// The exit code of a command that may succeed in a while (`EX_TEMPFAIL`).
const TEMPORARY: i32 = 75;
/// Most waits of one attempt after exits that say that the failure is temporary.
const WAITS_MAX: u32 = 10;
/// The longest of these waits.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// What is known of a command that has ended.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct CommandFacts {
    pub(super) end: CommandEnd,
    /// The timeout of the task, if the command was ended for it.
    pub(super) timeout: Option<Duration>,
    /// The file for the result: its bytes, why it cannot be read, or nothing.
    pub(super) result_file: Result<Option<Vec<u8>>, String>,
    pub(super) json_line: JsonLine,
    /// The end of standard output.
    pub(super) stdout: String,
    /// The last lines of standard error.
    pub(super) stderr: String,
    /// Where the log is, for messages.
    pub(super) log: String,
}

/// What follows from the end of a command.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum CommandOutcome {
    Completed(Json),
    Failed(Json),
    /// It may succeed in a while.
    Temporary(Json),
}

impl CommandFacts {
    /// Returns what follows from them.
    pub(super) fn judge(self) -> CommandOutcome {
        if let Some(timeout) = self.timeout {
            return CommandOutcome::Failed(self.error(format!("timed out after {}", span_text(timeout))));
        }
        match self.end {
            CommandEnd::Exit(0) => self
                .result()
                .map_or_else(|message| CommandOutcome::Failed(Json::from(message)), CommandOutcome::Completed),
            CommandEnd::Exit(TEMPORARY) => CommandOutcome::Temporary(self.error("exit 75 (temporary)".to_owned())),
            CommandEnd::Exit(127) => CommandOutcome::Failed(self.error("exit 127: a program was not found".to_owned())),
            CommandEnd::Exit(126) => {
                CommandOutcome::Failed(self.error("exit 126: a program may not be executed".to_owned()))
            }
            CommandEnd::Exit(code) => CommandOutcome::Failed(self.error(format!("exit {code}"))),
            CommandEnd::Signal(signal) => CommandOutcome::Failed(self.error(format!("killed by signal {signal}"))),
        }
    }

    fn result(&self) -> Result<Json, String> {
        let log = &self.log;
        match &self.result_file {
            Err(why) => return Err(format!("$MYCELIUM_RESULT cannot be read: {why}; the output is in {log}")),
            Ok(Some(bytes)) => {
                return serde_json::from_slice(bytes)
                    .map_err(|error| format!("$MYCELIUM_RESULT is not JSON: {error}; the output is in {log}"));
            }
            Ok(None) => {}
        }
        match &self.json_line {
            JsonLine::Object(object) => Ok(Json::Object(object.clone())),
            JsonLine::None => Ok(json!({ "stdout": self.stdout })),
            JsonLine::TooLong => Err(format!(
                "the result has more than {JSON_BYTES_MAX} bytes, the limit of a document; print the path of a file \
                 instead; the beginning and the end of the output are in {log}"
            )),
        }
    }

    fn error(&self, message: String) -> Json {
        if self.stderr.is_empty() {
            Json::from(message)
        } else {
            json!({ "error": message, "stack_trace": self.stderr })
        }
    }
}

/// The error of a command whose result the document does not take.
pub(super) fn refused_result(why: &str, log: &str) -> Json {
    Json::from(format!("the result cannot be stored: {why}; the output is in {log}"))
}

/// The error of a command that still says that its failure is temporary when it is not tried again.
pub(super) fn gave_up(error: Json, waits: u32) -> Json {
    let add = |text: &str| format!("{text} after {waits} retries");
    match error {
        Json::String(text) => Json::from(add(&text)),
        Json::Object(mut map) => {
            let text = map.get("error").and_then(Json::as_str).map(add);
            map.extend(text.map(|text| ("error".to_owned(), Json::from(text))));
            Json::Object(map)
        }
        other => other,
    }
}

/// Returns how long to wait behind a temporary failure, if it is tried again: `waits` is how often that was done, `left` what is
/// left of the timeout of the task.
pub(super) fn next_wait(first: Duration, waits: u32, left: Option<Duration>) -> Option<Duration> {
    let wait = first.saturating_mul(1 << waits.min(16)).min(WAIT_MAX.max(first));
    (waits < WAITS_MAX && left.is_none_or(|left| wait < left)).then_some(wait)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(end: CommandEnd) -> CommandFacts {
        CommandFacts {
            end,
            timeout: None,
            result_file: Ok(None),
            json_line: JsonLine::None,
            stdout: "out".to_owned(),
            stderr: String::new(),
            log: "LOG".to_owned(),
        }
    }

    fn failed(facts: CommandFacts) -> String {
        match facts.judge() {
            CommandOutcome::Failed(error) => error.as_str().map_or_else(|| error.to_string(), str::to_owned),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_result_is_the_file_then_the_line_then_the_end() {
        let object = json!({"a": 1}).as_object().cloned().expect("an object");
        let line = CommandFacts { json_line: JsonLine::Object(object), ..facts(CommandEnd::Exit(0)) };
        let file = CommandFacts { result_file: Ok(Some(b"[1, 2]".to_vec())), ..line.clone() };
        for (facts, expected) in
            [(file, json!([1, 2])), (line, json!({"a": 1})), (facts(CommandEnd::Exit(0)), json!({"stdout": "out"}))]
        {
            assert_eq!(facts.judge(), CommandOutcome::Completed(expected));
        }
    }

    #[test]
    fn a_result_that_cannot_be_used_fails_and_names_the_log() {
        let base = facts(CommandEnd::Exit(0));
        let no_json = CommandFacts { result_file: Ok(Some(b"{".to_vec())), ..base.clone() };
        let no_file = CommandFacts { result_file: Err("it is a folder".to_owned()), ..base.clone() };
        let too_long = CommandFacts { json_line: JsonLine::TooLong, ..base };
        assert!(failed(no_json).starts_with("$MYCELIUM_RESULT is not JSON: EOF"));
        assert_eq!(failed(no_file), "$MYCELIUM_RESULT cannot be read: it is a folder; the output is in LOG");
        let text = failed(too_long);
        assert!(text.contains("524288 bytes") && text.ends_with("in LOG"), "{text}");
    }

    #[test]
    fn an_error_says_how_the_command_ended() {
        for (end, expected) in [
            (CommandEnd::Exit(3), "exit 3"),
            (CommandEnd::Exit(127), "exit 127: a program was not found"),
            (CommandEnd::Exit(126), "exit 126: a program may not be executed"),
            (CommandEnd::Signal(9), "killed by signal 9"),
        ] {
            assert_eq!(failed(facts(end)), expected);
        }
        let traced = CommandFacts { stderr: "a\nb".to_owned(), ..facts(CommandEnd::Exit(1)) };
        assert_eq!(failed(traced), r#"{"error":"exit 1","stack_trace":"a\nb"}"#);
        // A command that ends well because of the request to end has not done its work.
        let late = CommandFacts { timeout: Some(Duration::from_secs(2)), ..facts(CommandEnd::Exit(0)) };
        assert_eq!(failed(late), "timed out after 2s");
    }

    #[test]
    fn temporary_failures_are_tried_again_ten_times_or_until_the_timeout() {
        assert!(matches!(facts(CommandEnd::Exit(75)).judge(), CommandOutcome::Temporary(_)));
        let seconds = Duration::from_secs;
        let waits: Vec<_> =
            (0..12).map_while(|waits| next_wait(seconds(1), waits, None)).map(|wait| wait.as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60, 60, 60]);
        assert_eq!(next_wait(seconds(1), 2, Some(seconds(4))), None);
        assert_eq!(next_wait(seconds(1), 2, Some(seconds(5))), Some(seconds(4)));
        assert_eq!(next_wait(seconds(90), 3, None), Some(seconds(90)));
        assert_eq!(gave_up(json!("exit 75"), 10), json!("exit 75 after 10 retries"));
        assert_eq!(gave_up(json!({"error": "x"}), 1), json!({"error": "x after 1 retries"}));
    }
}
