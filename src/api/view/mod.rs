//! What every face shows: answers and failures as JSON, codes with their explanations, documents and figures as
//! data, text without control characters. Words, tables and colours belong to the faces.
//!
//! An answer's data is made by a function `SUBJECT_data` from the result of a service. A row of a list, of which people
//! choose columns, is a type.

mod agent;
mod archive;
mod bridge;
mod check;
mod codes;
mod command_hints;
mod commit;
mod config;
mod doctor;
mod document;
mod envelope;
mod error_report;
mod events;
mod excerpt;
mod exit;
mod history;
mod merge;
mod queue;
mod restore;
mod rows;
mod sanitize;
mod status;
mod sync;
pub(crate) mod texts;
mod why;
mod worker;
mod workflow_tree;
mod write;

pub use agent::{add_liveness, heartbeat_data, prune_data};
pub use archive::archive_data;
pub use bridge::{
    BackendRow, backend_rows, bridge_consent_data, bridge_data, bridge_detect_data, bridge_disable_data,
    bridge_passes_data, bridge_status_data,
};
pub use check::check_data;
pub use codes::{CODE_GROUPS, CodeExample, CodePage, all_codes, codes_markdown, find_code};
pub use command_hints::{complete_commands, complete_hint, remember_caller};
pub use commit::{commit_data, held_data, migration_data, pause_data};
pub use config::{SAVED_FORMAT_ABOUT, config_data, saved_format_data, setting_data};
pub use doctor::{check_totals, doctor_data, system_name};
pub use document::{document_data, document_path, found_data, lease_data, stated_identity, waited_data};
pub use envelope::{
    ANSWER_BYTES_MAX, AnswerHead, ITEMS_DEFAULT, ListItem, ListPage, ListRequest, SCHEMA, WriteState, envelope,
    finding_data,
};
pub use error_report::ErrorReport;
pub use events::event_page;
pub use excerpt::Excerpt;
pub use exit::Exit;
pub use history::{CHANGES_SHOWN_MAX, history_data};
pub use merge::{merge_data, resolution_data, resolution_hint};
pub use queue::{OtherTasks, other_tasks_data, running_tasks};
pub use restore::{dismissal_data, restorable_data, restore_data};
pub use rows::{AgentRow, ReadyRow, TaskRow, UnreadableRow, WorkflowRow};
pub use sanitize::{sanitize_json, sanitize_text};
pub use status::{STATUS_ROWS_MAX, StatusOverview, is_unreadable, status_data, status_figures, status_without_time};
pub use sync::sync_data;
pub use texts::{count, readable_span};
pub use why::{NEEDS_SHOWN_MAX, TaskExplanation, shown_needs, why_data};
pub use worker::{worker_data, worker_line, worker_log_data};
pub use workflow_tree::{ItemCounts, StepRow, StepSpan, StepTimes, WorkflowTree};
pub use write::{add_claim, batch_line_data, outcome_data, outcome_id, renewal_data};
