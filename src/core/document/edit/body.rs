//! Edits of the body: check boxes, sections, notes, list items, labels, the title. Each changes its own bytes and no others.

use std::ops::Range;

use super::{DocumentEdit, EditError, Splice, Touched};
#[cfg(doc)]
use crate::core::document::DocumentBody;
use crate::core::document::body::{JsonSpot, Rest, is_placeholder};
use crate::core::document::fence::{line_end, line_start};
use crate::core::document::{Bullet, Document, Section, Step};

/// What happens to a check box.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mark {
    /// It is ticked.
    Done,
    /// Its tick is taken away.
    Open,
    /// It changes.
    Flip,
}

/// The order in which new sections stand among those that are there.
const SECTION_ORDER: [&str; 9] =
    ["Active Tasks", "Dependencies", "Payload", "Metadata", "Progress", "Result", "Error", "History", "Notes"];

impl DocumentEdit<'_> {
    /// Ticks or unticks a step, counted from 1 as [`DocumentBody::steps`] lists them. Changes one byte, or none.
    ///
    /// # Errors
    /// [`EditError::NoStep`]; [`EditError::Unreadable`].
    pub fn tick(self, step: usize, mark: Mark) -> Result<Document, EditError> {
        let steps = self.editable()?.body().steps();
        let missing = || EditError::NoStep { asked: step, steps: steps.iter().map(|step| step.text.clone()).collect() };
        let found = step.checked_sub(1).and_then(|i| steps.get(i)).ok_or_else(missing)?;
        let done = match mark {
            Mark::Done => true,
            Mark::Open => false,
            Mark::Flip => !found.done,
        };
        if done == found.done {
            return Ok(self.document.clone());
        }
        let range = found.mark..found.mark + 1;
        let edited = self.with_body(
            "the check box",
            &Touched::Bytes(range.clone()),
            vec![Splice::new(range, if done { "x" } else { " " })],
        )?;
        let as_before = edited.body().steps().iter().zip(steps).enumerate();
        let proven = edited.body().steps().len() == steps.len()
            && as_before
                .into_iter()
                .all(|(i, (new, old))| new.text == old.text && new.done == if i + 1 == step { done } else { old.done });
        if proven { Ok(edited) } else { Err(EditError::Unproven("the check box".to_owned())) }
    }

    /// Gives every step the mark that is given for it, in the order of [`DocumentBody::steps`]. Changes nothing else.
    ///
    /// # Errors
    /// [`EditError`] as for every edit; [`EditError::Unproven`] if there are not as many steps.
    pub fn set_marks(self, done: &[bool]) -> Result<Document, EditError> {
        let steps = self.body().steps();
        let others = steps.iter().zip(done).filter(|(step, done)| step.done != **done);
        let splice =
            |(step, done): (&Step, &bool)| Splice::new(step.mark..step.mark + 1, if *done { "x" } else { " " });
        let splices: Vec<Splice> = others.map(splice).collect();
        if splices.is_empty() {
            return Ok(self.document.clone());
        }
        let edited = self.editable()?.splice(splices)?;
        let texts =
            |document: &Document| document.body().steps().iter().map(|step| step.text.clone()).collect::<Vec<_>>();
        let is_set = edited.body().steps().iter().map(|step| step.done).eq(done.iter().copied());
        let proven = is_set
            && texts(&edited) == texts(self.document)
            && edited.body().sections().len() == self.body().sections().len();
        if proven { Ok(edited) } else { Err(EditError::Unproven("the check boxes".to_owned())) }
    }

    /// Replaces the JSON of a section, its placeholder or its emptiness; prose around the JSON stays, a fence stays a fence.
    /// Adds the section if there is none. The same JSON again changes no byte.
    ///
    /// # Errors
    /// [`EditError::BadJson`] if something else than JSON stands there; [`EditError`] as for every edit.
    pub fn set_section_json(self, heading: &str, json: &serde_json::Value) -> Result<Document, EditError> {
        self.editable()?.with_closed_blocks(|edit| edit.put_json(heading, json))
    }

    fn put_json(self, heading: &str, json: &serde_json::Value) -> Result<Document, EditError> {
        if let Some(fault) = super::json_fault(&format!("what goes into `## {heading}`"), json) {
            return Err(EditError::Value(Box::new(fault)));
        }
        let pretty = |at: usize| format!("{json:#}").replace('\n', self.line_break_at(at));
        let Some(section) = self.body().section(heading) else {
            let at = self.document.inner().body.end;
            return self.proven_json(self.add_section(heading, &self.wrapped(pretty(at), at))?, heading, json);
        };
        let splice = match self.body().json_spot(section) {
            JsonSpot::Vacant(range) => {
                self.fill(section, range, &self.wrapped(pretty(section.span.start), section.span.start))
            }
            JsonSpot::Behind(at) => {
                let eol = self.line_break_at(at);
                Splice::insert(at, format!("{eol}{eol}```json{eol}{}{eol}```", pretty(at)))
            }
            JsonSpot::Fenced(range) => {
                if self.body().section_json(heading) == Some(Ok(json.clone())) {
                    return Ok(self.document.clone());
                }
                let eol = self.line_break_at(range.start);
                Splice::new(range.clone(), pretty(range.start) + eol)
            }
            JsonSpot::Raw(range) => {
                let fault = |fault| EditError::BadJson(Box::new(fault));
                let (old, end) = self.body().json_with_end(&section.heading, &range, Rest::Prose).map_err(fault)?;
                if old == *json {
                    return Ok(self.document.clone());
                }
                Splice::new(range.start..end, pretty(range.start))
            }
        };
        let edited = self.with_body(&format!("`## {}`", section.heading), &Touched::Section(heading), vec![splice])?;
        self.proven_json(edited, heading, json)
    }

    /// Replaces all that stands in a section by a text; an empty text empties it. Adds the section if there is none.
    ///
    /// # Errors
    /// [`EditError::Unproven`] if the text would open another section or swallow the next one; [`EditError`] as for every edit.
    pub fn set_section_text(self, heading: &str, text: &str) -> Result<Document, EditError> {
        self.editable()?.with_closed_blocks(|edit| edit.put_text(heading, text))
    }

    fn put_text(self, heading: &str, text: &str) -> Result<Document, EditError> {
        let text = text.trim().replace("\r\n", "\n");
        let Some(section) = self.body().section(heading) else {
            let text = text.replace('\n', self.line_break_at(self.document.inner().body.end));
            return self.proven_text(self.add_section(heading, &text)?, heading, &text);
        };
        let text = text.replace('\n', self.line_break_at(section.span.start));
        if self.body().section_text(heading) == Some(text.as_str()) {
            return Ok(self.document.clone());
        }
        let splice = self.fill(section, trimmed(self.text(), section), &text);
        let edited = self.with_body(&format!("`## {}`", section.heading), &Touched::Section(heading), vec![splice])?;
        self.proven_text(edited, heading, &text)
    }

    /// Adds a note: one list item at the end of `## Notes`, which is added if there is none. Further lines are indented.
    ///
    /// # Errors
    /// [`EditError::BadText`] if the note is empty; [`EditError`] as for every edit.
    pub fn append_note(self, note: &str) -> Result<Document, EditError> {
        if note.trim().is_empty() {
            return Err(EditError::BadText { what: "a note", why: "is empty" });
        }
        self.add_bullet("Notes", note)
    }

    /// Adds a list item at the end of a section, which is added if there is none. A placeholder gives way.
    ///
    /// # Errors
    /// [`EditError`] as for every edit.
    pub fn add_bullet(self, heading: &str, text: &str) -> Result<Document, EditError> {
        self.editable()?.with_closed_blocks(|edit| edit.put_bullet(heading, text))
    }

    fn put_bullet(self, heading: &str, text: &str) -> Result<Document, EditError> {
        let Some(section) = self.body().section(heading) else {
            let item = list_item("- ", text, self.line_break_at(self.document.inner().body.end));
            return self.proven_bullets(self.add_section(heading, &item)?, heading, 1);
        };
        let eol = self.line_break_at(section.span.start);
        let (content, bullets) = (trimmed(self.text(), section), self.body().bullets(heading));
        let splice = match bullets.last() {
            None if content.is_empty() || is_placeholder(&self.text()[content.clone()]) => {
                self.fill(section, content, &list_item("- ", text, eol))
            }
            None => Splice::insert(content.end, format!("{eol}{eol}{}", list_item("- ", text, eol))),
            Some(last) if last.span.end == content.end => {
                let marker = marker_like(self.text(), last);
                Splice::insert(content.end, format!("{eol}{}", list_item(&marker, text, eol)))
            }
            // Prose follows the list: the item still goes to the list's end.
            Some(last) => {
                Splice::insert(last.span.end, format!("{eol}{}", list_item(&marker_like(self.text(), last), text, eol)))
            }
        };
        let name = format!("`## {}`", section.heading);
        let edited = self.with_body(&name, &Touched::Section(heading), vec![splice])?;
        self.proven_bullets(edited, heading, bullets.len() + 1)
    }

    /// Replaces the text of a list item, counted from 0 as [`DocumentBody::bullets`] lists them.
    ///
    /// # Errors
    /// [`EditError::NoBullet`]; [`EditError`] as for every edit.
    pub fn set_bullet(self, heading: &str, index: usize, text: &str) -> Result<Document, EditError> {
        self.editable()?.with_closed_blocks(|edit| edit.replace_bullet(heading, index, text))
    }

    fn replace_bullet(self, heading: &str, index: usize, text: &str) -> Result<Document, EditError> {
        let (bullet, have) = self.bullet(heading, index)?;
        if bullet.text == text.trim() {
            return Ok(self.document.clone());
        }
        let marker = marker_like(self.text(), &bullet);
        let item = list_item(&marker, text, self.line_break_at(bullet.span.start));
        let item = item.trim_start().to_owned();
        let splice = Splice::new(bullet.span.clone(), item);
        let edited = self.with_body(&format!("`## {heading}`"), &Touched::Section(heading), vec![splice])?;
        self.proven_bullets(edited, heading, have)
    }

    /// Removes a list item with its lines, counted from 0 as [`DocumentBody::bullets`] lists them.
    ///
    /// # Errors
    /// [`EditError::NoBullet`]; [`EditError`] as for every edit.
    pub fn remove_bullet(self, heading: &str, index: usize) -> Result<Document, EditError> {
        self.editable()?.with_closed_blocks(|edit| edit.drop_bullet(heading, index))
    }

    fn drop_bullet(self, heading: &str, index: usize) -> Result<Document, EditError> {
        let (bullet, have) = self.bullet(heading, index)?;
        let lines = line_start(self.text(), bullet.span.start)..line_end(self.text(), bullet.span.end);
        let splice = Splice::new(lines, "");
        let edited = self.with_body(&format!("`## {heading}`"), &Touched::Section(heading), vec![splice])?;
        self.proven_bullets(edited, heading, have - 1)
    }

    /// Replaces what stands behind a label (`**Status**: busy`). A label that is not there is no error.
    ///
    /// # Errors
    /// [`EditError::BadText`] if the text has more than one line; [`EditError`] as for every edit.
    pub fn set_label(self, name: &str, text: &str) -> Result<Document, EditError> {
        self.editable()?;
        let Some(label) = self.body().label(name) else { return Ok(self.document.clone()) };
        if text.contains(['\n', '\r']) {
            return Err(EditError::BadText { what: "the text of a label", why: "has more than one line" });
        }
        if label.text == text.trim() {
            return Ok(self.document.clone());
        }
        let tight = !self.text()[..label.span.start].ends_with([' ', '\t']);
        let blank = if tight { " " } else { "" };
        let splice = Splice::new(label.span.clone(), format!("{blank}{}", text.trim()));
        let edited = self.with_body(&format!("`**{name}**`"), &Touched::Bytes(label.span), vec![splice])?;
        let proven = edited.body().label(name).is_some_and(|label| label.text == text.trim());
        if proven { Ok(edited) } else { Err(EditError::Unproven(format!("`**{name}**`"))) }
    }

    /// Replaces the title, or adds it as the first line of the body.
    ///
    /// # Errors
    /// [`EditError::BadText`] if the title is empty or has more than one line; [`EditError`] as for every edit.
    pub fn set_title(self, title: &str) -> Result<Document, EditError> {
        let title = title.trim();
        if title.is_empty() || title.contains(['\n', '\r']) {
            return Err(EditError::BadText { what: "a title", why: "is one line with at least one character" });
        }
        if self.editable()?.body().title() == Some(title) {
            return Ok(self.document.clone());
        }
        // `#`s at the end would be taken for the heading's closing.
        let closing = if title.ends_with('#') { " #" } else { "" };
        let splice = match self.body().structure().title.clone() {
            Some(range) if !range.is_empty() => Splice::new(range, format!("{title}{closing}")),
            Some(range) => Splice::insert(range.start, format!(" {title}{closing}")),
            None => {
                let at = self.document.inner().body.start;
                let eol = self.line_break_at(at);
                let before = if at > 0 && !self.text()[..at].ends_with(['\n', '\u{feff}']) { eol } else { "" };
                let gap = if self.document.inner().fence.is_some() { eol } else { "" };
                let rest = &self.text()[at..];
                let after = match rest.chars().next() {
                    None => self.last_break(eol).to_owned(),
                    Some('\n' | '\r') => eol.to_owned(),
                    Some(_) => format!("{eol}{eol}"),
                };
                Splice::insert(at, format!("{before}{gap}# {title}{closing}{after}"))
            }
        };
        let edited = self.with_body("the title", &Touched::Title, vec![splice])?;
        if edited.body().title() == Some(title) { Ok(edited) } else { Err(EditError::Unproven("the title".to_owned())) }
    }

    fn bullet(self, heading: &str, index: usize) -> Result<(Bullet, usize), EditError> {
        if self.editable()?.body().section(heading).is_none() {
            return Err(EditError::NoSection(heading.to_owned()));
        }
        let mut bullets = self.body().bullets(heading);
        let have = bullets.len();
        if index < have {
            return Ok((bullets.swap_remove(index), have));
        }
        Err(EditError::NoBullet { heading: heading.to_owned(), asked: index, have })
    }

    /// Puts text in the place of what stands in a section, with a blank line before it and before what follows.
    fn fill(self, section: &Section, content: Range<usize>, text: &str) -> Splice {
        let eol = self.line_break_at(section.span.start);
        if !content.is_empty() && !text.is_empty() {
            return Splice::new(content, text);
        }
        let heading_open = !self.text()[..section.span.start].ends_with('\n');
        let before = if heading_open { eol } else { "" };
        let at_end = section.span.end == self.text().len();
        if text.is_empty() {
            return Splice::new(section.span.clone(), if at_end { "" } else { eol });
        }
        let after = if at_end { self.last_break(eol).to_owned() } else { format!("{eol}{eol}") };
        Splice::new(section.span.clone(), format!("{before}{eol}{text}{after}"))
    }

    /// Adds a section in its place: before the first one that comes later in the order, else at the end.
    fn add_section(self, heading: &str, content: &str) -> Result<Document, EditError> {
        if heading.trim().is_empty() || heading.contains(['\n', '\r']) {
            return Err(EditError::BadText { what: "a heading", why: "is one line with at least one character" });
        }
        let order = |name: &str| SECTION_ORDER.iter().position(|known| known.eq_ignore_ascii_case(name));
        let later = |section: &&Section| order(heading).is_some_and(|own| order(&section.heading) > Some(own));
        let next = self.body().sections().iter().find(later).map(|section| section.heading_span.start);
        let at = next.unwrap_or(self.text().len());
        let eol = self.line_break_at(at);
        let before = &self.text()[..at];
        let gap = match before.trim_end_matches('\u{feff}') {
            "" => String::new(),
            text if text.ends_with("\n\n") || text.ends_with("\n\r\n") => String::new(),
            text if text.ends_with('\n') => eol.to_owned(),
            _ => format!("{eol}{eol}"),
        };
        let last = if next.is_some() { eol } else { self.last_break(eol) };
        let content = if content.is_empty() { last.to_owned() } else { format!("{eol}{eol}{content}{last}") };
        let after = if next.is_some() { eol } else { "" };
        let splice = Splice::insert(at, format!("{gap}## {heading}{content}{after}"));
        self.with_body(&format!("`## {heading}`"), &Touched::Section(heading), vec![splice])
    }

    /// New JSON in the document's own manner: raw where its JSON is raw, else in a fence.
    fn wrapped(self, json: String, at: usize) -> String {
        let has = |wanted: fn(&JsonSpot) -> bool| {
            self.body().sections().iter().any(|section| {
                let spot = self.body().json_spot(section);
                wanted(&spot) && self.body().section_json(&section.heading).is_some_and(|json| json.is_ok())
            })
        };
        let raw = has(|spot| matches!(spot, JsonSpot::Raw(_))) && !has(|spot| matches!(spot, JsonSpot::Fenced(_)));
        // Only an object or a list is told from prose without a fence.
        if raw && json.starts_with(['{', '[']) {
            return json;
        }
        let eol = self.line_break_at(at);
        format!("```json{eol}{json}{eol}```")
    }

    fn proven_json(self, edited: Document, heading: &str, json: &serde_json::Value) -> Result<Document, EditError> {
        let same_steps = edited.body().steps().len() == self.body().steps().len();
        if same_steps && edited.body().section_json(heading) == Some(Ok(json.clone())) {
            return Ok(edited);
        }
        Err(EditError::Unproven(format!("`## {heading}`")))
    }

    fn proven_text(self, edited: Document, heading: &str, text: &str) -> Result<Document, EditError> {
        let proven = edited.body().section_text(heading) == Some(text)
            && self.body().sections().len() <= edited.body().sections().len();
        if proven { Ok(edited) } else { Err(EditError::Unproven(format!("`## {heading}`"))) }
    }

    fn proven_bullets(self, edited: Document, heading: &str, count: usize) -> Result<Document, EditError> {
        let progress = heading.eq_ignore_ascii_case("Progress");
        let same_steps = progress || edited.body().steps().len() == self.body().steps().len();
        let proven = same_steps && edited.body().bullets(heading).len() == count;
        if proven { Ok(edited) } else { Err(EditError::Unproven(format!("`## {heading}`"))) }
    }
}

/// What stands in a section, without the blank lines around it.
fn trimmed(text: &str, section: &Section) -> Range<usize> {
    let content = &text[section.span.clone()];
    let start = section.span.start + content.len() - content.trim_start().len();
    let end = section.span.start + content.trim_end().len();
    start.min(end.max(section.span.start))..end.max(section.span.start)
}

/// Indent and marker of a list item, for one more of its kind.
fn marker_like(text: &str, bullet: &Bullet) -> String {
    let indent = &text[line_start(text, bullet.span.start)..bullet.span.start];
    let marker = text[bullet.span.clone()].chars().next().filter(|c| matches!(c, '-' | '*' | '+')).unwrap_or('-');
    let indent = if indent.bytes().all(|b| b == b' ') { indent } else { "" };
    format!("{indent}{marker} ")
}

/// A list item; lines after the first are indented to the text.
fn list_item(marker: &str, text: &str, eol: &str) -> String {
    let text = text.trim().replace("\r\n", "\n");
    let indent = " ".repeat(marker.len());
    let mut lines = text.split('\n');
    let first = lines.next().unwrap_or_default();
    // `- ---` would be a rule across the page and no item.
    let rule = !first.is_empty() && first.chars().all(|c| c == ' ' || marker.contains(c));
    let escape = if rule { "\\" } else { "" };
    let mut out = format!("{marker}{escape}{first}").trim_end().to_owned();
    for line in lines {
        out.push_str(eol);
        if !line.trim().is_empty() {
            out.push_str(&indent);
            out.push_str(line.trim_end());
        }
    }
    out
}
