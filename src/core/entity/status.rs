//! The states of agents, tasks and workflows, and the steps between them. Pure; whoever writes a file asks here first.

use std::fmt;
use std::str::FromStr;

/// Says that a word is not one of a fixed few.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown {what} `{found}`; known: {known}")]
pub struct UnknownWord {
    /// What the word stands for: `task status`, `priority`, ...
    pub what: &'static str,
    /// The word, control characters made visible.
    pub found: String,
    /// The known words, in their order.
    pub known: &'static str,
    /// The known word that was probably meant.
    pub meant: Option<&'static str>,
}

impl UnknownWord {
    /// Describes a text that is none of these words.
    #[must_use]
    pub fn new(what: &'static str, text: &str, known: &'static str, words: &[&'static str]) -> Self {
        Self { what, found: crate::core::name::visible(text), known, meant: nearest(text, words) }
    }

    /// Advice in the imperative.
    #[must_use]
    pub fn hint(&self) -> String {
        match self.meant {
            Some(word) => format!("did you mean `{word}`?"),
            None => format!("use one of {}", self.known),
        }
    }
}

/// Reads the word for a value.
struct Words<W>(std::marker::PhantomData<W>);

impl<W: FromStr<Err = UnknownWord>> serde::de::Visitor<'_> for Words<W> {
    type Value = W;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a word such as those in documents")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<W, E> {
        text.parse().map_err(E::custom)
    }
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident, $what:literal, $known:literal { $($(#[$word_doc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$word_doc])* $variant,)* }

        impl $name {
            /// Every one, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The word for it in files.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.word())
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str(self.word())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                from.deserialize_str(Words(std::marker::PhantomData))
            }
        }

        impl FromStr for $name {
            type Err = UnknownWord;

            fn from_str(text: &str) -> Result<Self, UnknownWord> {
                let words: &[&'static str] = &[$($word,)*];
                match text {
                    $($word => Ok(Self::$variant),)*
                    _ => Err(UnknownWord::new($what, text, $known, words)),
                }
            }
        }
    };
}

words!(
    /// What a task is doing.
    TaskStatus, "task status", "pending, running, completed, failed" {
        /// Nobody works on it yet.
        Pending = "pending",
        /// Somebody works on it.
        Running = "running",
        /// Done.
        Completed = "completed",
        /// Given up, with an error.
        Failed = "failed",
    }
);
words!(
    /// What an agent is doing.
    AgentStatus, "agent status", "idle, busy, error" {
        /// Waiting for work.
        Idle = "idle",
        /// Working.
        Busy = "busy",
        /// In trouble.
        Error = "error",
    }
);
words!(
    /// What a workflow is doing.
    WorkflowStatus, "workflow status", "running, completed, failed" {
        /// Under way.
        Running = "running",
        /// Done.
        Completed = "completed",
        /// Given up, with an error.
        Failed = "failed",
    }
);
words!(
    /// How urgent a task is; the greater, the sooner.
    Priority, "priority", "low, normal, high, critical" {
        /// When nothing else is left.
        Low = "low",
        /// As any other.
        Normal = "normal",
        /// Before the others.
        High = "high",
        /// Before everything.
        Critical = "critical",
    }
);
words!(
    /// Whether somebody else than the holder must approve before dependents may start.
    Review, "review", "required, none" {
        /// It must be approved.
        Required = "required",
        /// It need not be.
        None = "none",
    }
);

/// Says that a status does not follow from another, and which do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot go from {from} to {to}; legal: {legal}")]
pub struct IllegalTransition {
    /// The status now.
    pub from: &'static str,
    /// The status that was asked for.
    pub to: &'static str,
    /// The legal ones with the name of the transition: `completed (complete), failed (fail), pending (release)`.
    pub legal: String,
}

/// How one status becomes another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transition<S> {
    /// From here.
    pub from: S,
    /// To here.
    pub to: S,
    /// What the transition is called on the command line.
    pub name: &'static str,
}

macro_rules! transitions {
    ($status:ident { $($from:ident -> $to:ident = $name:literal,)* }) => {
        impl $status {
            /// Every legal transition.
            pub const TRANSITIONS: &'static [Transition<Self>] =
                &[$(Transition { from: Self::$from, to: Self::$to, name: $name },)*];

            /// Checks that this status may become another at once; to stay is no transition and is legal.
            ///
            /// # Errors
            /// [`IllegalTransition`] with the legal ones.
            pub fn step(self, to: Self) -> Result<(), IllegalTransition> {
                let is_legal = self == to || Self::TRANSITIONS.iter().any(|one| one.from == self && one.to == to);
                if is_legal { Ok(()) } else { Err(self.refuse(to.word())) }
            }

            /// Returns the refusal of a transition to somewhere, with the legal ones.
            #[must_use]
            pub fn refuse(self, to: &'static str) -> IllegalTransition {
                let legal = Self::TRANSITIONS.iter().filter(|one| one.from == self);
                let legal: Vec<_> = legal.map(|one| format!("{} ({})", one.to.word(), one.name)).collect();
                IllegalTransition { from: self.word(), to, legal: legal.join(", ") }
            }
        }
    };
}

transitions!(TaskStatus {
    Pending -> Running = "start",
    Running -> Completed = "complete",
    Running -> Failed = "fail",
    Running -> Pending = "release",
    Failed -> Pending = "retry",
    Completed -> Pending = "reopen",
});
transitions!(WorkflowStatus {
    Running -> Completed = "complete",
    Running -> Failed = "fail",
    Failed -> Running = "retry",
    Completed -> Running = "reopen",
});

/// The known word that differs least from a text, if it differs by so little that it was probably meant: at most two
/// letters added, left out, exchanged or swapped with their neighbour (optimal string alignment), and fewer than half.
#[must_use]
pub fn nearest(text: &str, words: &[&'static str]) -> Option<&'static str> {
    const LETTERS_MAX: usize = 32;
    let text: Vec<char> = text.trim().chars().flat_map(char::to_lowercase).take(LETTERS_MAX + 1).collect();
    if text.len() > LETTERS_MAX {
        return None;
    }
    let with_distance = words.iter().map(|word| (distance(&text, &word.chars().collect::<Vec<_>>()), *word));
    let (distance, word) = with_distance.min_by_key(|(distance, _)| *distance)?;
    (distance <= 2 && distance * 2 < word.len()).then_some(word)
}

/// How many letters differ, if by so few that the one was probably meant by the other; as in [`nearest`].
#[must_use]
pub fn letters_apart(wrong: &str, right: &str) -> Option<usize> {
    let wrong: Vec<char> = wrong.chars().collect();
    distance_at_most(&wrong, right, 2).filter(|distance| distance * 2 < right.chars().count())
}

/// How many letters differ, if not more than a few; cheap where the lengths alone tell.
pub(crate) fn distance_at_most(text: &[char], other: &str, max: usize) -> Option<usize> {
    let length = other.chars().count();
    if length.abs_diff(text.len()) > max {
        return None;
    }
    Some(distance(text, &other.chars().collect::<Vec<_>>())).filter(|distance| *distance <= max)
}

fn distance(a: &[char], b: &[char]) -> usize {
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            rows[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let exchange = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                let best = exchange.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
                let swap = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
                if swap { best.min(rows[i - 2][j - 2] + 1) } else { best }
            };
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_task_machine_allows_these_steps_and_no_others() {
        use TaskStatus::{Completed, Failed, Pending, Running};
        let legal = [
            (Pending, Running),
            (Running, Completed),
            (Running, Failed),
            (Running, Pending),
            (Failed, Pending),
            (Completed, Pending),
        ];
        for from in TaskStatus::ALL {
            for to in TaskStatus::ALL {
                let expected = from == to || legal.contains(&(*from, *to));
                assert_eq!(from.step(*to).is_ok(), expected, "{from} to {to}");
            }
        }
    }

    #[test]
    fn a_refusal_names_the_legal_steps() {
        for (from, to, text) in [
            (
                TaskStatus::Completed,
                TaskStatus::Running,
                "cannot go from completed to running; legal: pending (reopen)",
            ),
            (TaskStatus::Pending, TaskStatus::Failed, "cannot go from pending to failed; legal: running (start)"),
        ] {
            assert_eq!(from.step(to).expect_err("illegal").to_string(), text);
        }
        let error = WorkflowStatus::Failed.step(WorkflowStatus::Completed).expect_err("illegal");
        assert_eq!(error.to_string(), "cannot go from failed to completed; legal: running (retry)");
    }

    #[test]
    fn words_are_read_exactly_and_near_misses_are_told() {
        for (text, meant) in [
            ("runing", Some("running")),
            ("Running", Some("running")),
            ("complete", Some("completed")),
            ("pednign", Some("pending")),
            ("done", None),
            ("", None),
            ("in_progress", None),
        ] {
            let error = text.parse::<TaskStatus>().expect_err(text);
            assert_eq!(error.meant, meant, "{text}");
        }
        for status in TaskStatus::ALL {
            assert_eq!(status.word().parse(), Ok(*status));
        }
        let error = "hgih".parse::<Priority>().expect_err("unknown");
        assert_eq!(error.to_string(), "unknown priority `hgih`; known: low, normal, high, critical");
        assert_eq!(error.hint(), "did you mean `high`?");
        assert!(Priority::Critical > Priority::High && Priority::Normal > Priority::Low);
    }

    #[test]
    fn a_long_text_costs_nothing() {
        assert_eq!(nearest(&"x".repeat(1 << 20), &["running"]), None);
    }
}
