//! What the listing commands share: a bounded part of the rows, as a table for people and as items for programs.

use serde::Serialize;
use serde_json::{Value, json};

use super::answer::{Answer, limit, width};
use super::format::Wording;
use super::render::{Cell, Ink, Table, cut, paint};
use super::{session, show};
use crate::api::view::{ErrorReport, ListItem, ListPage, ListRequest, UnreadableRow, finding_data};
use crate::core::diagnostic::{Code, Diagnostic};
use crate::core::name::{DocId, visible};
use crate::core::snapshot::Entry;
use crate::core::time::Timestamp;
use crate::services::Project;

/// The heading of the column for titles.
const TITLE: &str = "WHAT";
/// Columns of the title of a document that cannot be used.
const TITLE_COLUMNS_MAX: usize = 48;
/// Findings of one document below a list.
const FINDINGS_MAX: usize = 3;

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
    let created = created.map_or(i64::MAX, Timestamp::unix_us).max(0);
    format!("{rank}.{urgency}.{created:019}.{id}")
}

/// One row: for programs, for people, and what is said below the table, where there is room.
type Row = (Value, Vec<Cell>, String);

/// What makes a row, if it is in the part that is wanted: a list may have very many.
type MakeRow<'a> = Box<dyn FnOnce() -> Row + 'a>;

/// The rows of a list before it is cut.
pub(crate) struct Rows<'a> {
    kind: &'static str,
    headings: &'static [&'static str],
    all: Vec<ListItem<MakeRow<'a>>>,
    findings: Vec<Diagnostic>,
}

impl<'a> Rows<'a> {
    /// An empty list.
    pub(crate) const fn new(kind: &'static str, headings: &'static [&'static str]) -> Self {
        Self { kind, headings, all: Vec::new(), findings: Vec::new() }
    }

    /// Adds a row. Rows are sorted by key.
    pub(crate) fn push(&mut self, row: ListItem<(impl Serialize, Vec<Cell>)>) {
        let ListItem { key, value: (item, cells) } = row;
        let item = json!(item);
        self.all.push(ListItem { key, value: Box::new(move || (item, cells, String::new())) });
    }

    /// Adds the row of a document. It is made only if it is shown, and says what about the document will surprise.
    pub(crate) fn push_document<T: Serialize>(
        &mut self,
        project: &'a Project,
        entry: &'a Entry,
        key: String,
        make: impl FnOnce() -> (T, Vec<Cell>) + 'a,
    ) {
        let make = move || {
            let (item, cells) = make();
            let mut item = json!(item);
            let surprising: Vec<&Diagnostic> =
                entry.findings.iter().filter(|finding| is_surprising(entry, finding)).take(FINDINGS_MAX).collect();
            if !surprising.is_empty() {
                item["findings"] = surprising.iter().map(|one| finding_data(project.folder(), one)).collect();
            }
            let line = |one: &&Diagnostic| format!("{} {}\n", paint(Ink::Warn, "!"), visible(&in_folder(project, one)));
            (item, cells, surprising.iter().map(line).collect())
        };
        self.all.push(ListItem { key, value: Box::new(make) });
    }

    /// Adds a document that cannot be read: it is listed with what is wrong, never left out. It sorts first.
    pub(crate) fn unreadable(&mut self, project: &Project, entry: &Entry) {
        let first = entry.findings.first();
        let why =
            first.map_or_else(|| "it says nothing that can be used".to_owned(), |finding| in_folder(project, finding));
        let item = UnreadableRow::new(project, entry);
        let mut cells = vec![
            Cell::new(Ink::Bold, entry.id.as_ref().map_or(entry.path.stem(), DocId::as_str)),
            show::unusable(&entry.document),
        ];
        cells.resize(self.headings.len() - 1, "".into());
        // The table may be cut at the edge of the terminal; the whole reason stands below it.
        cells.push(first.map_or("", |finding| finding.message.as_str()).into());
        if let (Some(title), Some(column)) = (&item.title, self.headings.iter().position(|heading| *heading == TITLE)) {
            cells[column] = cut(title, limit(TITLE_COLUMNS_MAX)).into();
        }
        let below = format!("{} {}\n", paint(Ink::Bad, "!"), visible(&why));
        let item = json!(item);
        self.findings.extend(entry.findings.iter().cloned());
        self.all.push(ListItem { key: format!("!{}", entry.path), value: Box::new(move || (item, cells, below)) });
    }

    /// The part that is wanted, as an answer.
    pub(crate) fn answer(self, project: &Project, part: &Part) -> Result<Answer, ErrorReport> {
        let wanted = ListRequest { limit: part.limit, after: part.after.clone() };
        let page = ListPage::cut(self.all, &wanted, |make| make(), |(item, ..)| item.to_string().len());
        let mut answer = session::answer(self.kind, project)?;
        let mut table = Table::new(self.headings);
        let mut items = Vec::new();
        let mut below = String::new();
        for (item, cells, more) in page.items {
            items.push(item);
            table.row(cells);
            below.push_str(&more);
        }
        answer.text = match part.wording.words(self.kind, project)? {
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
        answer.data = ListPage { items, total: page.total, limit: page.limit, next: page.next }.json();
        answer.findings = self.findings;
        Ok(answer)
    }
}

/// A finding with its path below the work tree.
fn in_folder(project: &Project, finding: &Diagnostic) -> String {
    match &finding.path {
        Some(_) => format!("{}/{finding}", project.folder()),
        None => finding.to_string(),
    }
}

/// Returns true for a finding that changes what can be done with a document: an open block, a value that restricts and
/// cannot be used, and a layout that cannot be edited.
fn is_surprising(entry: &Entry, finding: &Diagnostic) -> bool {
    let unusable = entry.task().and_then(|task| task.gates.unusable());
    matches!(finding.code, Code::OpenBlock | Code::NotEditable) || unusable == Some(finding)
}
