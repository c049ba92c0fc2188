//! `bridge detect`: asks each backend in turn, with as much patience as the settings have.

use super::OneBackend;
use crate::api::view::{BackendRow, ErrorReport, backend_rows, bridge_detect_data};
use crate::core::name::visible;
use crate::faces::cli::answer::{Answer, width};
use crate::faces::cli::render::{self, Cell, Ink, Table};
use crate::faces::cli::session::{self, Session};
use crate::services::{BackendId, Patience};

/// Asks them.
pub(super) fn run(only: OneBackend, session: &Session) -> Result<Answer, ErrorReport> {
    let project = session.open()?;
    if let Some(fault) = project.bridge().fault() {
        return Err(fault.into());
    }
    let asked = project.config().text("coordination.mode").unwrap_or("auto").to_owned();
    let detected = project.bridge().detect(Patience::Full);
    let offered = project.bridge().found_taskqueue();
    let mut rows = backend_rows(&detected, &asked, offered.as_ref());
    let left_out: Vec<&str> = BackendId::ALL.into_iter().filter(|id| !only.has(*id)).map(BackendId::word).collect();
    rows.retain(|row| !left_out.contains(&row.name));
    let mut answer = session::answer("bridge.detect", &project)?;
    answer.data = bridge_detect_data(&detected, &asked, &rows);
    let mut table = Table::new(&[]);
    for row in &rows {
        let (sign, ink) = if row.is_live { ("✓", Ink::Good) } else { ("·", Ink::Dim) };
        table.row(vec![Cell::new(ink, sign), row.name.into(), visible(&row.told).into()]);
    }
    answer.text = format!("{}mode {} ({} ms)\n", table.text(width()), detected.mode(), detected.took.as_millis());
    answer.words = rows.iter().filter_map(|row: &BackendRow| row.hint.as_deref()).map(render::hint).collect();
    Ok(answer)
}
