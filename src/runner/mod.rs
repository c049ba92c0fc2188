//! Carries out what the pure modules decide: opens the workspace, applies operations, makes commits. Reads clock, environment and randomness; prints nothing.
#![allow(clippy::disallowed_methods, reason = "the runner is the place that reads the clock and the environment")]

mod archive;
mod batch;
mod branch;
mod bridge;
mod cache;
mod claim;
mod commit;
mod condition;
mod driver;
mod environment;
mod error;
mod event;
mod glance;
mod history;
mod hold;
mod holding;
mod ledger;
mod observer;
mod opening;
mod operation;
mod progress;
mod pulse;
mod rehearsal;
mod resolve;
mod settings;
mod setup;
mod stake;
mod standing;
mod stats;
mod subscription;
mod survey;
mod sync;
mod teller;
mod together;
mod turn;
mod versions;
mod wait;
mod why;
mod workspace;

pub use archive::{Archived, Kept, Moved, Run, Wanted};
pub use batch::{Editing, STEPS_MAX, Step, Together};
pub use bridge::{
    BridgeStats, Decided, Detected, Direction, Enabling, Follower, Health, Known, PassOptions, PassReport, Patience,
    State, Target, UNKNOWN as BRIDGE_UNKNOWN, Wanted as WantedBridge,
};
pub use claim::{Claimed, Renewed, Which};
pub use commit::{CommitReport, Committed, Edits};
pub use condition::{facts, mend};
pub use driver::{Driver, Drivers, merge_files, shown_file};
pub use environment::{home, now, user_config, variable};
pub use error::{Class, Error, Waiting};
pub use event::Filter;
pub use glance::Named;
pub use history::HistoryEntry;
pub use hold::Hold;
pub use holding::{Holding, TakenBack};
pub use observer::Observer;
pub use opening::Opening;
pub use operation::{New, Outcome, Taken};
pub use progress::{Doing, Progress};
pub use pulse::{Pruned, Pruning, Stale};
pub use resolve::{How, Resolution, Resolved};
pub use settings::NewSettings;
pub use setup::{InitReport, Templates};
pub use standing::Standing;
pub use stats::{Flow, Line, Member, Stats};
pub use subscription::Subscription;
pub use survey::{Sight, Survey};
pub use sync::{SyncError, SyncOptions, SyncReport, Unpushed, way_around};
pub use turn::Passing;
pub use versions::Side;
pub use wait::{Until, Waited};
pub use why::{Fault, Need, Why};
pub use workspace::{Context, Found, Scope, Workspace};
