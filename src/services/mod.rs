//! Carries out what the pure modules decide: opens the workspace, applies operations, makes commits. Reads clock, environment and randomness; prints nothing.
#![allow(clippy::disallowed_methods, reason = "the runner is the place that reads the clock and the environment")]

mod adopt;
mod after_write;
mod archive;
mod attribution;
mod behind;
mod branch;
mod bridge;
mod claim;
mod claim_arbiter;
mod commit;
mod condition;
mod cycle;
mod driver;
mod environment;
mod error;
mod event;
mod evidence;
mod findings;
mod history;
mod hold;
mod holding;
mod index;
mod intake;
mod late;
mod ledger;
mod migration;
mod observer;
mod opening;
mod operations;
mod pause;
mod progress;
mod project;
mod pulse;
mod pushed;
mod put_back;
mod resolve;
mod restore;
mod settings;
mod setup;
mod skipped;
mod standing;
mod stats;
mod subscription;
mod survey;
mod sync;
mod teller;
mod together;
mod unmerged;
mod versions;
mod wait;
mod waiting;
mod why;

pub use crate::adapters::store::PAUSE_MAX;
pub use adopt::UnknownBranch;
pub use archive::{Archived, Kept, Moved, Run, Wanted};
pub use bridge::{
    BridgeStats, Detected, Direction, Enabling, Follower, Health, Known, PassOptions, PassReport, Patience, State,
    Target, UNKNOWN as BRIDGE_UNKNOWN, Wanted as WantedBridge,
};
pub use claim::{Claimed, Renewed, Which};
pub use claim_arbiter::{Decided, RemoteClaims};
pub use commit::{CommitReport, Committed, Edits};
pub use condition::{facts, mend};
pub use driver::{Driver, Drivers, merge_files, shown_file};
pub use environment::{home, now, user_config, variable};
pub use error::{Class, Error};
pub use event::Filter;
pub use history::HistoryEntry;
pub use hold::Hold;
pub use holding::{Holding, TakenBack};
pub use index::{DocumentName, DocumentReader, Found, GitsAlone, Scope};
pub use migration::{BranchMigration, MigrationError};
pub use observer::Observer;
pub use opening::Opening;
pub use operations::{
    ClaimDecision, DocumentRef, EditFn, Editing, New, Outcome, Passing, STEPS_MAX, Step, Taken, Together,
};
pub use progress::{Doing, Progress};
pub use project::{Context, Project};
pub use pulse::{Pruned, Pruning, Stale};
pub use put_back::KeptOperation;
pub use resolve::{How, Resolution, Resolved};
pub use restore::{Restorable, RestoreReport, RestoredDocument};
pub use settings::NewSettings;
pub use setup::{InitReport, Templates};
pub use skipped::{SkippedTask, SkippedTasks};
pub use standing::Standing;
pub use stats::{Flow, Line, Member, Stats, status_anywhere};
pub use subscription::Subscription;
pub use survey::{Sight, Survey};
pub use sync::{DroppedCommits, LostClaim, SyncError, SyncOptions, SyncReport, Unpushed, way_around};
pub use wait::{Until, Waited};
pub use waiting::Waiting;
pub use why::{Fault, Need, Why};
