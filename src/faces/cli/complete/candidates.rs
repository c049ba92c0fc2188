//! The candidates themselves: ids with what they stand for, words that are in use, settings. A repository that cannot be
//! read has none.

use std::ffi::OsStr;

use clap_complete::engine::CompletionCandidate;

use super::line::Line;
use super::source::Source;
use crate::core::config::{KEYS, Rule, key};
use crate::core::entity::Entity;
use crate::core::name::{DocPath, Kind, is_letter, is_unsafe_to_show, visible};
use crate::core::snapshot::Entry;
use crate::faces::cli::render::cut;
use crate::services::{Error, Opening, Project};

/// Documents that are read for one question; the newest are. A larger number would be felt while typing.
const READ_MAX: usize = 256;
/// Columns of a description: a shell puts it beside the id.
const ABOUT_COLUMNS_MAX: usize = 60;

/// What can be offered on a line.
#[derive(Debug)]
pub(super) struct Candidates {
    line: Line,
}

/// A candidate: the word, and what it stands for.
type Offer = (String, Option<String>);

impl Candidates {
    /// Candidates for the word behind this line.
    pub(super) const fn new(line: Line) -> Self {
        Self { line }
    }

    /// The candidates from a source that begin with what was typed.
    pub(super) fn offer(&self, source: &Source, typed: &OsStr) -> Vec<CompletionCandidate> {
        let Some(typed) = typed.to_str() else { return Vec::new() };
        let offers = self.offers(source, typed).unwrap_or_default();
        let fits = |(word, _): &Offer| word.starts_with(typed) && is_plain(word);
        let candidate = |(word, about): Offer| {
            let about = about.map(|about| cut(&visible(&about), Some(ABOUT_COLUMNS_MAX)).into());
            CompletionCandidate::new(word).help(about)
        };
        offers.into_iter().filter(fits).map(candidate).collect()
    }

    fn offers(&self, source: &Source, typed: &str) -> Result<Vec<Offer>, Error> {
        Ok(match source {
            Source::Documents(kinds, statuses) => documents(&self.look()?, kinds, statuses, typed)?,
            Source::Definitions(kinds) => {
                let project = self.look()?;
                let names = project.workflows().definition_names()?.into_iter();
                let mut offers: Vec<Offer> = names.map(|name| (name, Some("a definition".to_owned()))).collect();
                if !kinds.is_empty() {
                    offers.extend(documents(&project, kinds, &[], typed)?);
                }
                offers
            }
            Source::Types(kind) => types(&self.look()?, *kind)?,
            Source::OwnKeys(kind) => own_keys(self.entity(*kind)?.as_ref()),
            Source::Steps => {
                steps(self.entity(Kind::Task)?.as_ref(), self.line.flags.iter().any(|flag| flag == "--open"))
            }
            Source::Settings => self.settings(),
            Source::SettingValues => self.line.values.first().map_or_else(Vec::new, |name| setting_values(name)),
            Source::Formats => self
                .look()?
                .config()
                .formats()
                .map(|(name, saved)| (name.to_owned(), Some(saved.text.clone())))
                .collect(),
            Source::Words(words) => words().into_iter().map(|word| (word.to_owned(), None)).collect(),
            Source::File | Source::Folder | Source::Text | Source::Free => Vec::new(),
        })
    }

    /// Every setting, and the formats that are saved; outside of a repository that can be read the settings alone.
    fn settings(&self) -> Vec<Offer> {
        let known = KEYS.iter().map(|key| (key.name.to_owned(), Some(key.about.to_owned())));
        let project = self.look().ok();
        let saved = project.iter().flat_map(|project| project.config().formats());
        known.chain(saved.map(|(name, saved)| (format!("formats.{name}"), Some(saved.text.clone())))).collect()
    }

    fn look(&self) -> Result<Project, Error> {
        Project::open(Opening { root: self.line.root.clone(), ..Opening::default() })
    }

    /// What the document that the line names says.
    fn entity(&self, kind: Kind) -> Result<Option<Entity>, Error> {
        let Some(id) = self.line.values.first() else { return Ok(None) };
        let project = self.look()?;
        let named =
            project.documents().names()?.into_iter().map(|named| named.path).filter(|path| may_be(path, kind, id));
        let snapshot = project.documents().snapshot_of(&named.take(READ_MAX).collect::<Vec<_>>())?;
        Ok(snapshot.find(Some(kind), id).ok().and_then(|entry| entry.entity.clone()))
    }
}

/// Whether a file may hold the document of this id, by its name.
fn may_be(path: &DocPath, kind: Kind, id: &str) -> bool {
    path.kind() == Some(kind) && short(path.stem(), kind).starts_with(short(id, kind))
}

fn short(id: &str, kind: Kind) -> &str {
    id.strip_prefix(kind.prefix()).unwrap_or(id)
}

/// Ids of documents: those under way first, then the newest. Where there are too many to be read, the rest goes by name.
fn documents(project: &Project, kinds: &[Kind], statuses: &[&str], typed: &str) -> Result<Vec<Offer>, Error> {
    let is_asked = |path: &DocPath| path.kind().is_some_and(|kind| kinds.contains(&kind) && begins(path, kind, typed));
    let mut paths: Vec<DocPath> =
        project.documents().names()?.into_iter().map(|named| named.path).filter(is_asked).collect();
    let unread = paths.split_off(paths.len().min(READ_MAX));
    let snapshot = project.documents().snapshot_of(&paths)?;
    let entries = paths.iter().filter_map(|path| snapshot.get(path));
    let mut read: Vec<(usize, Offer)> = entries.filter_map(|entry| offer_of(entry, statuses)).collect();
    read.sort_by_key(|(rank, _)| *rank);
    let mut offers: Vec<Offer> = read.into_iter().map(|(_, offer)| offer).collect();
    // What was not read may have any status: with one asked for it is offered only if nothing better is known.
    if statuses.is_empty() || offers.is_empty() {
        offers.extend(unread.iter().map(|path| (by_name(path), None)));
    }
    // A shell takes an id without its kind's prefix too, and so may who types.
    if !offers.iter().any(|(id, _)| id.starts_with(typed)) {
        for (id, _) in &mut offers {
            let kind = kinds.iter().find(|kind| id.starts_with(kind.prefix()));
            *id = kind.map_or(id.as_str(), |kind| short(id, *kind)).to_owned();
        }
    }
    Ok(offers)
}

fn begins(path: &DocPath, kind: Kind, typed: &str) -> bool {
    path.stem().starts_with(typed) || short(path.stem(), kind).starts_with(typed)
}

/// The id that a file's name tells; an agent's file has the prefix, its name has not.
fn by_name(path: &DocPath) -> String {
    match path.kind() {
        Some(Kind::Agent) => short(path.stem(), Kind::Agent).to_owned(),
        _ => path.stem().to_owned(),
    }
}

/// A document that was read, and its place in the order; `None` if it has another status than is asked for.
fn offer_of(entry: &Entry, statuses: &[&str]) -> Option<(usize, Offer)> {
    const ORDER: [&str; 7] = ["running", "busy", "pending", "error", "idle", "failed", "completed"];
    let Some(entity) = &entry.entity else {
        let id = entry.id.as_ref().map_or_else(|| by_name(&entry.path), ToString::to_string);
        return statuses.is_empty().then(|| (ORDER.len(), (id, Some("unreadable".to_owned()))));
    };
    let status = entity.status_word();
    if !statuses.is_empty() && !statuses.contains(&status) {
        return None;
    }
    let what = match entity {
        Entity::Task(task) => task.title.as_deref().unwrap_or(&task.kind).to_owned(),
        Entity::Workflow(workflow) => workflow.title.as_deref().unwrap_or(&workflow.kind).to_owned(),
        Entity::Agent(agent) => {
            agent.active_tasks.iter().map(|active| active.task.as_str()).collect::<Vec<_>>().join(", ")
        }
    };
    let about = if what.is_empty() { status.to_owned() } else { format!("{status}: {what}") };
    let rank = ORDER.iter().position(|word| *word == status).unwrap_or(ORDER.len());
    Some((rank, (entity.id().to_string(), Some(about))))
}

/// The types that the newest documents have.
fn types(project: &Project, kind: Kind) -> Result<Vec<Offer>, Error> {
    let is_asked = |path: &DocPath| path.kind() == Some(kind);
    let names = project.documents().names()?.into_iter().map(|named| named.path).filter(is_asked);
    let snapshot = project.documents().snapshot_of(&names.take(READ_MAX).collect::<Vec<_>>())?;
    let mut types: Vec<&str> = match kind {
        Kind::Workflow => snapshot.workflows().map(|workflow| workflow.kind.as_str()).collect(),
        _ => snapshot.tasks().map(|task| task.kind.as_str()).collect(),
    };
    types.sort_unstable();
    types.dedup();
    Ok(types.into_iter().map(|name| (name.to_owned(), None)).collect())
}

fn own_keys(entity: Option<&Entity>) -> Vec<Offer> {
    let keys = match entity {
        Some(Entity::Task(task)) => &task.extra,
        Some(Entity::Workflow(workflow)) => &workflow.extra,
        _ => return Vec::new(),
    };
    keys.iter().map(|(key, value)| (key.clone(), Some(value.to_string()))).collect()
}

/// The steps that are still to be done; with `--open` those that are done.
fn steps(entity: Option<&Entity>, reopen: bool) -> Vec<Offer> {
    let Some(Entity::Task(task)) = entity else { return Vec::new() };
    let numbered = task.steps.iter().enumerate().filter(|(_, step)| step.done == reopen);
    numbered.map(|(index, step)| ((index + 1).to_string(), Some(step.text.clone()))).collect()
}

fn setting_values(name: &str) -> Vec<Offer> {
    let words: Vec<&str> = match key(name).map(|key| &key.rule) {
        Some(Rule::Choice(words)) => words.to_vec(),
        Some(Rule::Flag) => vec!["true", "false"],
        _ => Vec::new(),
    };
    words.into_iter().map(|word| (word.to_owned(), None)).collect()
}

/// Whether a word means itself in every shell. Some shells put a candidate on the line as it is, so one with a blank or a
/// `;` in it would be read as a command; a file in a repository may say anything.
fn is_plain(word: &str) -> bool {
    let fits = |c: char| is_letter(c) && !is_unsafe_to_show(c) || "-_./@+:".contains(c);
    !word.is_empty() && !word.starts_with('-') && word.chars().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_words_that_mean_themselves_are_offered() {
        for word in ["task-k7f3", "commit.author", "tâche-1", "a/b", "2"] {
            assert!(is_plain(word), "{word}");
        }
        for word in [
            "",
            "-rf",
            "a b",
            "x;y",
            "$(x)",
            "`x`",
            "*",
            "~",
            "a\nb",
            "\u{1b}[2J",
            "\u{202e}",
            "'",
            "\"",
            "a\\b",
            "!x",
            "{a,b}",
            "#",
            "<x",
        ] {
            assert!(!is_plain(word), "{word:?}");
        }
    }
}
