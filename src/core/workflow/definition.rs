//! What the definition of a workflow says: its inputs and its steps, as values. See `parse` for the way in.

use std::str::FromStr;
use std::time::Duration;

use serde_json::Value as Json;

use crate::core::document::Value;
use crate::core::entity::{Condition, ForEach, Priority, Review, UnknownWord};
use crate::core::name::AgentName;

/// Most steps of one definition.
pub const STEPS_MAX: usize = 1_000;
/// Most inputs of one definition.
pub const INPUTS_MAX: usize = 100;
/// Longest name of a step or an input, in characters.
pub(super) const NAME_CHARACTERS_MAX: usize = 60;

/// A workflow that can be run: `.mycelium/workflows/NAME.yaml`.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkflowDefinition {
    /// Its name: the type of the workflows that are made of it.
    pub name: String,
    /// A heading.
    pub title: Option<String>,
    /// What it is for, in markdown.
    pub description: Option<String>,
    /// What moves its runs on.
    pub engine: EngineKind,
    /// Its inputs, in their order.
    pub inputs: Vec<InputDefinition>,
    /// Its steps, in their order.
    pub steps: Vec<StepDefinition>,
}

impl WorkflowDefinition {
    /// Returns a step by its name.
    #[must_use]
    pub fn step(&self, name: &str) -> Option<&StepDefinition> {
        self.steps.iter().find(|step| step.name == name)
    }
}

/// What moves the runs of a definition on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum EngineKind {
    /// Mycelium itself: `drive`, `watch`, and any client that waits.
    #[default]
    Embedded,
    /// A Temporal server.
    Temporal,
}

impl EngineKind {
    /// The words for engines.
    pub const WORDS: &'static [&'static str] = &["embedded", "temporal"];

    /// Its word: the value of the key `engine`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::Temporal => "temporal",
        }
    }
}

impl FromStr for EngineKind {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        let all = [Self::Embedded, Self::Temporal];
        let unknown = || UnknownWord::new("engine", word, "embedded, temporal", Self::WORDS);
        all.into_iter().find(|engine| engine.word() == word).ok_or_else(unknown)
    }
}

/// One input.
#[derive(Debug, Clone, PartialEq)]
pub struct InputDefinition {
    /// Its name.
    pub name: String,
    /// What values it takes.
    pub kind: InputKind,
    /// The value where none is given; without it one has to be given.
    pub default: Option<Json>,
    /// What it is for.
    pub description: Option<String>,
}

/// What values an input takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InputKind {
    /// A text.
    String,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// True or false.
    Boolean,
    /// A list.
    List,
    /// A map.
    Map,
}

impl InputKind {
    /// All of them, with their words.
    pub const ALL: [(&'static str, Self); 6] = [
        ("string", Self::String),
        ("integer", Self::Integer),
        ("number", Self::Number),
        ("boolean", Self::Boolean),
        ("list", Self::List),
        ("map", Self::Map),
    ];

    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        Self::ALL.iter().find(|(_, kind)| *kind == self).map_or("", |(word, _)| word)
    }

    /// Returns true if a value is one of these.
    #[must_use]
    pub fn takes(self, value: &Json) -> bool {
        match self {
            Self::String => value.is_string(),
            Self::Integer => value.is_i64() || value.is_u64(),
            Self::Number => value.is_number(),
            Self::Boolean => value.is_boolean(),
            Self::List => value.is_array(),
            Self::Map => value.is_object(),
        }
    }
}

/// One step.
#[derive(Debug, Clone, PartialEq)]
pub struct StepDefinition {
    /// Its name.
    pub name: String,
    /// What sort of work: the type of its task.
    pub kind: String,
    /// A heading.
    pub title: Option<String>,
    /// What is to be done, in markdown.
    pub description: Option<String>,
    /// Who is to do it.
    pub agent: Option<AgentName>,
    /// How urgent it is.
    pub priority: Priority,
    /// Whether its result must be approved.
    pub review: Option<Review>,
    /// The steps that have to end before.
    pub needs: Vec<String>,
    /// On which ends of these it runs.
    pub when: Condition,
    /// Over what it fans out.
    pub for_each: Option<ForEach>,
    /// Most items at once.
    pub max_parallel: Option<u64>,
    /// How often it is tried, as it is written.
    pub retry: Option<Value>,
    /// How long an attempt may take.
    pub timeout: Option<Duration>,
    /// What it is to work with; texts may hold expressions.
    pub payload: Option<Json>,
}
