//! Carries out what the pure modules decide: opens the project, applies operations, makes commits. Reads clock, environment and randomness; prints nothing.
#![allow(clippy::disallowed_methods, reason = "the runner is the place that reads the clock and the environment")]
#![cfg_attr(
    not(feature = "redis"),
    allow(dead_code, unused_imports, reason = "claims and events among clones come with Redis")
)]

mod after_write;
mod backend_id;
mod bridge;
mod claim_arbiter;
mod commits;
mod configuration;
mod conflicts;
mod document_writer;
mod environment;
mod error;
mod events;
mod history;
mod index;
mod intake;
mod leases;
mod maintenance;
mod monitor;
mod operations;
mod progress;
mod project;
mod remote_events;
mod sync;
mod workers;
mod workflows;

pub use crate::adapters::store::PAUSE_MAX;
pub use crate::core::operation::{
    DocumentChange, DocumentRef, EditFn, Expect, New, Passing, Request, Taken, TaskChange, WorkflowChange,
};
pub use backend_id::BackendId;
pub use bridge::{
    BackendHealth, BackendPass, BackendState, Backends, BridgeStats, Detected, DetectedBackend, Direction, Enabling,
    Follower, FoundTaskQueue, HealthRecord, Import, Imported, MirrorFolder, MirrorIndex, MirrorPass, MirrorTarget,
    PassMemory, PassOptions, PassReport, PassScope, Patience, ServerInfo, SyncBaseStore, UNKNOWN as BRIDGE_UNKNOWN,
    address_fault,
};
pub use claim_arbiter::{Decided, RemoteClaims};
pub use commits::{
    BranchMigration, CommitReport, Committed, Committer, DedicatedBranch, Edits, KeptOperation, MigrationError, Sight,
    Survey, UncommittedChanges, UnknownBranch, Waiting,
};
pub use conflicts::{Conflicts, Driver, Drivers, Resolution, ResolutionKind, Resolved, merge_files, shown_file};
pub use environment::{home, now, user_config, variable};
pub use error::{Error, ServiceError};
pub use events::{ChangeDetector, EventBus, Filter, NewEvent, StopHandle, Subscription};
pub use history::{History, HistoryEntry, Restorable, RestoreReport, RestoredDocument};
pub use index::{DocumentName, DocumentReader, Found, GitsAlone, Scope};
pub use leases::{Lease, Leases, TaskHolder, queue};
pub use maintenance::{InitReport, Maintenance, Templates};
pub use monitor::{
    BlockReason, Flow, Member, Need, Stats, TaskLine, TaskMonitor, Until, Waited, WhyReport, status_anywhere,
};
pub use operations::{
    Actor, Archived, ClaimDecision, Claimed, Kept, Moved, Operations, Outcome, Pruned, Pruning, RenewedLease, Run,
    STEPS_MAX, SkippedTask, SkippedTasks, Stale, TakenBack, Together, Wanted, Which, quiet_span,
};
pub use progress::{Doing, Progress};
pub use project::{Context, NewSettings, Opening, Project, fix_project, probe_project};
pub use sync::{BranchSync, DroppedCommits, LostClaim, SyncError, SyncOptions, SyncReport, Unpushed, way_around};
pub use workers::{
    WorkEnd, WorkedTask, WorkerControl, WorkerError, WorkerInbox, WorkerLog, WorkerNotice, WorkerOptions, WorkerReport,
    Workers,
};
pub use workflows::{DEFINITIONS, DriveReport, WorkflowError, Workflows};
