//! What every face shows: answers and failures as JSON, codes with their explanations, documents and figures as
//! data, text without control characters. Words, tables and colours belong to the faces.

mod codes;
mod command_hints;
mod document;
mod envelope;
mod error_report;
mod excerpt;
mod exit;
mod history;
mod rows;
mod sanitize;
mod status;
mod sync;
pub(crate) mod texts;

pub use codes::{CODE_GROUPS, CodeExample, CodePage, all_codes, codes_markdown, find_code};
pub use command_hints::{complete_commands, complete_hint, remember_caller};
pub use document::{document_data, document_path, lease_data};
pub use envelope::{
    ANSWER_BYTES_MAX, AnswerHead, ITEMS_DEFAULT, ListItem, ListPage, ListRequest, SCHEMA, WriteState, envelope,
    finding_data,
};
pub use error_report::ErrorReport;
pub use excerpt::Excerpt;
pub use exit::Exit;
pub use history::{CHANGES_SHOWN_MAX, history_data};
pub use rows::{AgentRow, ReadyRow, TaskRow, UnreadableRow, WorkflowRow};
pub use sanitize::{sanitize_json, sanitize_text};
pub use status::{
    STATUS_ROWS_MAX, StatusOverview, bridge_data, is_unreadable, status_data, status_figures, status_without_time,
};
pub use sync::sync_data;
