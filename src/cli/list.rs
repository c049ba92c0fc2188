//! What the listing commands share: a bounded part of the rows, as a table for people and as items for programs.

use serde_json::{Value, json};

use super::answer::{Answer, width};
use super::envelope::{Item, Page, Wanted, finding};
use super::failure::Failure;
use super::format::Wording;
use super::render::{Cell, Ink, Table, paint};
use super::{session, show};
use crate::diagnostic::Diagnostic;
use crate::name::{DocId, visible};
use crate::runner::Workspace;
use crate::snapshot::Entry;
use crate::time::Timestamp;

/// Which part of a list is shown.
#[derive(Debug, clap::Args)]
pub(crate) struct Part {
    /// Show at most this many [default: 20, and at most 8 KB in JSON]
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Go on behind this cursor, which the part before gave as `next`
    #[arg(long, value_name = "CURSOR")]
    after: Option<String>,
    #[command(flatten)]
    wording: Wording,
}

/// A key that sorts by rank, then urgency, then age, then id.
pub(crate) fn key(rank: usize, urgency: usize, created: Option<Timestamp>, id: &DocId) -> String {
    let created = created.map_or(i64::MAX, Timestamp::unix_s).max(0);
    format!("{rank}.{urgency}.{created:019}.{id}")
}

/// One row: for programs, for people, and what is said below the table, where there is room.
type Row = (Value, Vec<Cell>, String);

/// The rows of a list before it is cut.
#[derive(Debug)]
pub(crate) struct Rows {
    kind: &'static str,
    headings: &'static [&'static str],
    all: Vec<Item<Row>>,
    findings: Vec<Diagnostic>,
}

impl Rows {
    /// An empty list.
    pub(crate) const fn new(kind: &'static str, headings: &'static [&'static str]) -> Self {
        Self { kind, headings, all: Vec::new(), findings: Vec::new() }
    }

    /// Adds a row. Rows are sorted by key.
    pub(crate) fn push(&mut self, row: Item<(Value, Vec<Cell>)>) {
        let Item { key, value: (item, cells) } = row;
        self.all.push(Item { key, value: (item, cells, String::new()) });
    }

    /// Adds a document that cannot be read: it is listed with what is wrong, never left out. It sorts first.
    pub(crate) fn unreadable(&mut self, workspace: &Workspace, entry: &Entry) {
        let first = entry.findings.first();
        let told = |finding: &Diagnostic| match &finding.path {
            Some(_) => format!("{}/{finding}", workspace.folder()),
            None => finding.to_string(),
        };
        let why = first.map_or_else(|| "it says nothing that can be used".to_owned(), told);
        let item = json!({
            "id": entry.id.as_ref().map(DocId::as_str),
            "status": Value::Null,
            "path": show::file(workspace, &entry.path),
            "findings": entry.findings.iter().map(|one| finding(workspace.folder(), one)).collect::<Vec<_>>(),
        });
        let mut cells = vec![
            Cell::new(Ink::Bold, entry.id.as_ref().map_or(entry.path.stem(), DocId::as_str)),
            Cell::new(Ink::Bad, "! unreadable"),
        ];
        cells.resize(self.headings.len() - 1, "".into());
        // The table may be cut at the edge of the terminal; the whole reason stands below it.
        cells.push(first.map_or("", |finding| finding.message.as_str()).into());
        let below = format!("{} {}\n", paint(Ink::Bad, "!"), visible(&why));
        self.findings.extend(entry.findings.iter().cloned());
        self.all.push(Item { key: format!("!{}", entry.path), value: (item, cells, below) });
    }

    /// The part that is wanted, as an answer.
    pub(crate) fn answer(self, workspace: &Workspace, part: &Part) -> Result<Answer, Failure> {
        let wanted = Wanted { limit: part.limit, after: part.after.clone() };
        let page = Page::of(self.all, &wanted, |(item, ..)| item.to_string().len());
        let mut answer = session::answer(self.kind, workspace)?;
        let mut table = Table::new(self.headings);
        let mut items = Vec::new();
        let mut below = String::new();
        for (item, cells, more) in page.items {
            items.push(item);
            table.row(cells);
            below.push_str(&more);
        }
        answer.text = match part.wording.words(self.kind, workspace)? {
            Some(words) => words.text(&items)?,
            None if below.is_empty() => table.text(width()),
            None => format!("{}\n{below}", table.text(width())),
        };
        answer.words = match &page.next {
            Some(next) => format!(
                "{} of {} shown; go on with `--after {next}`, or ask for all with `--limit {}`\n",
                items.len(),
                page.total,
                page.total
            ),
            None if items.is_empty() => "nothing to list\n".to_owned(),
            None => String::new(),
        };
        answer.data = Page { items, total: page.total, limit: page.limit, next: page.next }.json();
        answer.findings = self.findings;
        Ok(answer)
    }
}
