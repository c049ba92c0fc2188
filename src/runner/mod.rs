//! Carries out what the pure modules decide: opens the workspace, applies operations, makes commits. Reads clock, environment and randomness; prints nothing.
#![allow(clippy::disallowed_methods, reason = "the runner is the place that reads the clock and the environment")]

mod archive;
mod batch;
mod branch;
mod cache;
mod claim;
mod commit;
mod condition;
mod environment;
mod error;
mod glance;
mod history;
mod holding;
mod ledger;
mod opening;
mod operation;
mod progress;
mod rehearsal;
mod settings;
mod setup;
mod standing;
mod survey;
mod together;
mod turn;
mod wait;
mod workspace;

pub use archive::{Archived, Kept, Moved, Run, Wanted};
pub use batch::{Editing, STEPS_MAX, Step, Together};
pub use claim::{Claimed, Renewed, Which};
pub use commit::{CommitReport, Committed, Edits};
pub use condition::{facts, mend};
pub use environment::{home, now, user_config, variable};
pub use error::{Class, Error, Waiting};
pub use glance::Named;
pub use history::HistoryEntry;
pub use holding::{Holding, TakenBack};
pub use opening::Opening;
pub use operation::{New, Outcome, Taken};
pub use progress::{Doing, Progress};
pub use settings::NewSettings;
pub use setup::{InitReport, Templates};
pub use standing::Standing;
pub use survey::{Sight, Survey};
pub use turn::Passing;
pub use wait::{Until, Waited};
pub use workspace::{Context, Found, Scope, Workspace};
