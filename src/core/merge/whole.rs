//! One document: decides every fact, writes what was decided into all three versions, and merges what is left by lines.
//!
//! After that the three versions differ only in what nobody decided and in layout, comments and prose, so that a merge by
//! lines keeps every byte that need not change, and its conflicts are those of a person.

use super::boxes::Marks;
use super::claim::{self, Contest, Side};
use super::fields::{self, Fields, Versions};
use super::text::Layout;
use super::three::{self, Three};
use super::{Conflict, Decision, MergeSide, MergeSides, Merged, items, record, text};
use crate::core::document::{Document, EditError, Value};
use crate::core::entity::{self, label_name, step_lines};
use crate::core::name::{DocPath, Kind};
use crate::core::sabotage::{self, Sabotage};

/// Sections that hold JSON.
const JSON: [&str; 2] = ["Payload", "Metadata"];

/// The three versions, brought to agree on what was decided.
struct Work {
    base: Document,
    a: Document,
    b: Document,
    conflicts: Vec<Conflict>,
    decisions: Vec<Decision>,
}

/// The merge by fields; `None` where one of the versions cannot be read, or cannot be edited in the way it is written.
pub(super) fn merge(
    path: &DocPath,
    base: Option<&Document>,
    ours: &Document,
    theirs: &Document,
    sides: &MergeSides<'_>,
) -> Option<Merged> {
    let keeps_order = ours.bytes() <= theirs.bytes() || sabotage::on(Sabotage::OursFirst);
    let (a, b) = if keeps_order { (ours, theirs) } else { (theirs, ours) };
    let is_swapped = a != ours;
    let kind = entity::read(path, a).kind.filter(|kind| entity::read(path, b).kind == Some(*kind))?;
    let alike = || Document::parse(text::common(a.text(), b.text()).into_bytes());
    let base = &base.cloned().unwrap_or_else(alike);
    if [base, a, b].iter().any(|document| !document.is_readable() || !document.has_frontmatter()) {
        return None;
    }
    let mut work =
        Work { base: base.clone(), a: a.clone(), b: b.clone(), conflicts: Vec::new(), decisions: Vec::new() };
    let pushed = sides.pushed.map(|side| if (side == MergeSide::Ours) == is_swapped { Side::B } else { Side::A });
    let contest = Contest { kind, base, a, b, pushed };
    let fields = work.decide(&contest).ok()?;
    if is_swapped {
        for conflict in &mut work.conflicts {
            std::mem::swap(&mut conflict.ours, &mut conflict.theirs);
        }
    }
    let (left, right) = if is_swapped && !sides.same_from_both_sides { (&work.b, &work.a) } else { (&work.a, &work.b) };
    let keys: Vec<&str> = fields.conflicts.iter().map(|(key, _)| key.as_str()).collect();
    for layout in [Layout::ByLines, Layout::One] {
        if layout == Layout::One && !keys.is_empty() {
            break;
        }
        let mut by_lines = text::rest(&work.base, left, right, &keys, sides, layout);
        let document = Document::parse(std::mem::take(&mut by_lines.text).into_bytes());
        let is_marked = by_lines.count > 0;
        let conflicts = by_lines.beside(work.conflicts.clone());
        // Markers that are taken for an example nobody would see; and what was decided must stand in the file.
        let is_right = if is_marked {
            !document.is_readable() && each_side_holds(&document, &fields.decided)
        } else {
            conflicts.is_empty() && holds(&document, &fields.decided)
        };
        if is_right {
            return Some(Merged { document, conflicts, decisions: work.decisions });
        }
    }
    None
}

/// Tells whether a document with markers says what was decided, whichever side is taken.
fn each_side_holds(document: &Document, decided: &[(String, Option<Value>)]) -> bool {
    let text = String::from_utf8_lossy(document.bytes());
    text::sides(&text).is_some_and(|(_, ours, theirs)| {
        [ours, theirs].into_iter().all(|side| holds(&Document::parse(side.into_bytes()), decided))
    })
}

/// Tells whether a document says what was decided.
fn holds(document: &Document, decided: &[(String, Option<Value>)]) -> bool {
    document.is_readable()
        && decided.iter().all(|(key, value)| match (document.field(key), value) {
            (Some(field), Some(value)) => field.value.means(value),
            (None, None) => true,
            _ => false,
        })
}

impl Work {
    fn each(&mut self, edit: impl Fn(&Document) -> Result<Document, EditError>) -> Result<(), EditError> {
        for document in [&mut self.base, &mut self.a, &mut self.b] {
            *document = edit(document)?;
        }
        Ok(())
    }

    fn decide(&mut self, contest: &Contest<'_>) -> Result<Fields, EditError> {
        let Contest { kind, base, a, b, .. } = *contest;
        let contested = claim::is_contested(kind, base, a, b);
        let (side, rule) = contest.winner();
        let claim = contested.then_some(side);
        let mut fields = fields::merge(&Versions { contest: *contest, claim });
        // An agent's later word about itself replaces its earlier one; nobody loses anything.
        if contested && kind != Kind::Agent {
            let (winner, loser) = if side == Side::A { (a, b) } else { (b, a) };
            self.decisions.push(claim::decision(rule, winner, loser));
        }
        approval(base, &mut fields);
        self.decisions.append(&mut fields.decisions);
        if sabotage::on(Sabotage::HideLosses) {
            self.decisions.clear();
        }
        for (key, value) in &fields.decided {
            self.each(|document| put(document, key, value.as_ref()))?;
        }
        self.conflicts.extend(fields.conflicts.iter().map(|(_, conflict)| conflict.clone()));
        self.title(base, a, b)?;
        self.sections(contest, claim)?;
        let marks = Marks::decide(base, a, b);
        self.each(|document| marks.write(document))?;
        for line in self.decisions.iter().map(record::line).collect::<Vec<_>>() {
            let is_there =
                |document: &Document| document.body().bullets(record::HEADING).iter().any(|old| old.text == line);
            let add = |document: &Document| document.edit().add_bullet(record::HEADING, &line);
            self.each(|document| if is_there(document) { Ok(document.clone()) } else { add(document) })?;
        }
        Ok(fields)
    }

    fn title(&mut self, base: &Document, a: &Document, b: &Document) -> Result<(), EditError> {
        let of = |document: &Document| document.body().title().map(str::to_owned);
        match three::plain(&of(base), &of(a), &of(b), |x, y| x == y) {
            Three::Is(Some(title)) if !title.is_empty() => self.each(|document| document.edit().set_title(&title)),
            Three::Is(_) => Ok(()),
            Three::Clash => {
                let say = |document: &Document| document.body().title().unwrap_or("nothing").to_owned();
                let what = "the title".to_owned();
                self.conflicts.push(Conflict { rule: "two values", what, ours: say(a), theirs: say(b) });
                Ok(())
            }
        }
    }

    fn sections(&mut self, contest: &Contest<'_>, claim: Option<Side>) -> Result<(), EditError> {
        let Contest { kind, base, a, b, .. } = *contest;
        let mut headings: Vec<&str> = Vec::new();
        let all = [a, b].into_iter().flat_map(|document| document.body().sections());
        for heading in all.map(|section| section.heading.as_str()) {
            if !headings.iter().any(|known| known.eq_ignore_ascii_case(heading)) {
                headings.push(heading);
            }
        }
        // One that stands twice is prose: which of the two is meant nobody knows.
        let twice = |heading: &str| {
            let count = |document: &Document| {
                let sections = document.body().sections().iter();
                sections.filter(|section| section.heading.eq_ignore_ascii_case(heading)).count()
            };
            [base, a, b].into_iter().any(|document| count(document) > 1)
        };
        for heading in headings.into_iter().filter(|heading| !twice(heading)) {
            let text = |document: &Document| document.body().section_text(heading).map(str::to_owned);
            let (old, mine, other) = (text(base), text(a), text(b));
            let is_outcome = claim::has_section(kind, heading);
            let decided = match claim {
                Some(side) if is_outcome => {
                    if side == Side::A {
                        mine
                    } else {
                        other
                    }
                }
                _ => match three::plain(&old, &mine, &other, |x, y| x == y) {
                    Three::Is(text) => text,
                    Three::Clash => self.section(contest, heading)?,
                },
            };
            if let Some(text) = decided {
                self.each(|document| document.edit().set_section_text(heading, &text))?;
            }
        }
        Ok(())
    }

    /// The text of a section that both sides have changed; `None` leaves it to the merge by lines.
    fn section(&mut self, contest: &Contest<'_>, heading: &str) -> Result<Option<String>, EditError> {
        let Contest { kind, base, a, b, .. } = *contest;
        let text = |document: &Document| document.body().section_text(heading).map(str::to_owned);
        let what = || format!("`## {heading}`");
        let decision = |rule, kept: Option<String>, lost: Option<String>| Decision {
            rule,
            what: what(),
            kept: claim::shown(&kept.unwrap_or_default()),
            lost: claim::shown(&lost.unwrap_or_default()),
            loser: None,
            winner: None,
        };
        if items::LISTS.contains(&heading)
            && let Some(merged) = items::merge(heading, base, a, b)
        {
            return Ok(Some(merged));
        }
        if kind != Kind::Agent && claim::has_section(kind, heading) {
            let (side, rule) = contest.winner();
            let (winner, loser) = if side == Side::A { (a, b) } else { (b, a) };
            let lost = claim::outcome(loser, heading);
            // A placeholder gives way to any result.
            if lost.is_some() && claim::outcome(winner, heading).is_none() {
                return Ok(text(loser));
            }
            if let Some(lost) = lost {
                self.decisions.push(Decision { lost, ..decision(rule, text(winner), None) });
            }
            return Ok(text(winner));
        }
        if kind == Kind::Workflow
            && heading == step_lines::STEPS
            && let (Some(base), Some(a), Some(b)) = (text(base), text(a), text(b))
        {
            return Ok(step_lines::merged(&base, &a, &b));
        }
        if JSON.contains(&heading) {
            let json = |document: &Document| document.body().section_json(heading).and_then(Result::ok);
            let (old, mine, other) = (json(base), json(a), json(b));
            if ![base, a, b].iter().all(|document| is_exact(document, heading)) {
                return Ok(None);
            }
            if let Three::Is(Some(json)) = three::json(old.as_ref(), mine.as_ref(), other.as_ref()) {
                self.each(|document| document.edit().set_section_json(heading, &json))?;
                return Ok(None);
            }
            if kind != Kind::Agent {
                let say = |document: &Document| claim::shown(document.body().section_text(heading).unwrap_or_default());
                self.conflicts.push(Conflict { rule: "two values", what: what(), ours: say(a), theirs: say(b) });
                return Ok(None);
            }
        }
        if kind == Kind::Agent {
            return Ok(if contest.winner().0 == Side::A { text(a) } else { text(b) });
        }
        // One that is gone on one side and changed on the other stays: the change counts.
        match (text(a), text(b)) {
            (Some(kept), None) | (None, Some(kept)) => {
                self.decisions.push(decision("change before removal", Some(kept.clone()), None));
                Ok(Some(kept))
            }
            _ => Ok(None),
        }
    }
}

/// Gives a key its value, in the frontmatter and in the line of the body that repeats it.
fn put(document: &Document, key: &str, value: Option<&Value>) -> Result<Document, EditError> {
    let is_so = match (document.field(key), value) {
        (Some(field), Some(value)) => field.value.means(value),
        (None, None) => true,
        _ => false,
    };
    if is_so {
        return Ok(document.clone());
    }
    let label = label_name(key);
    match value {
        Some(value) => {
            let document = document.edit().set(key, value)?;
            match value.as_text() {
                Some(text) if !text.contains(['\n', '\r']) => document.edit().set_label(&label, text),
                _ => Ok(document),
            }
        }
        None if document.field(key).is_some() => document.edit().remove(key)?.edit().set_label(&label, "_none_"),
        None => Ok(document.clone()),
    }
}

/// An approval is one of finished work: it does not outlive that the other side took the task up again.
fn approval(base: &Document, fields: &mut Fields) {
    let find = |key: &str| fields.decided.iter().position(|(other, _)| other == key);
    let (Some(approved), Some(status)) = (find("approved"), find("status")) else { return };
    let is_new = base.field("approved").is_none() && fields.decided[approved].1.is_some();
    let is_done = fields.decided[status].1.as_ref().and_then(Value::as_text) == Some("completed");
    let was_done = base.field("status").and_then(|field| field.value.as_text()) == Some("completed");
    if is_new && was_done && !is_done {
        let lost = fields.decided[approved].1.take();
        let lost = lost.as_ref().and_then(Value::as_text).unwrap_or_default().to_owned();
        let kept = "the task as it was taken up again".to_owned();
        let what = "`approved`".to_owned();
        fields.decisions.push(Decision { rule: "taken up again", what, kept, lost, loser: None, winner: None });
    }
}

/// Tells whether the JSON of a section is written again as it stands, but for blanks: no number, escape or repeated key is lost.
fn is_exact(document: &Document, heading: &str) -> bool {
    let Some(Ok(json)) = document.body().section_json(heading) else {
        return document.body().section_json(heading).is_none();
    };
    let text = document.body().section_text(heading).unwrap_or_default();
    let inside = match text.strip_prefix("```").and_then(|rest| rest.split_once('\n')) {
        Some((_, rest)) => rest.trim_end().trim_end_matches('`'),
        None => text,
    };
    let (mut bare, mut in_text, mut is_escaped) = (String::with_capacity(inside.len()), false, false);
    for c in inside.chars().filter(|c| !matches!(c, '\n' | '\r')) {
        if in_text || !matches!(c, ' ' | '\t') {
            bare.push(c);
        }
        if c == '"' && !is_escaped {
            in_text = !in_text;
        }
        is_escaped = in_text && c == '\\' && !is_escaped;
    }
    let written = json.to_string();
    bare == written
}
