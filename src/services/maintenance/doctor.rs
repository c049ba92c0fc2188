//! Probes everything around the documents for `health` to judge, and fixes what can be fixed safely. Decides nothing.

use std::collections::BTreeMap;

use super::Maintenance;
use crate::adapters::git::{self, Repository, Target};
use crate::adapters::store::LateOutcome;
use crate::adapters::watch::{self, Places, Watcher};
use crate::core::diagnostic::{Diagnostic, Severity};
use crate::core::health::{Documents, Fault, GitFacts, Ground, Inside, LockFact, Standing};
use crate::core::problem::Problem;
use crate::services::{Error, Scope, Waiting};

/// An error with its causes in one line.
pub(in crate::services) fn fault(error: &Error) -> Fault {
    let mut message = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        message = format!("{message}: {error}");
        cause = error.source();
    }
    Fault { message: crate::core::name::visible(&message), hint: error.hint() }
}

fn of<E: Into<Error>>(error: E) -> Fault {
    fault(&error.into())
}

impl Maintenance<'_> {
    /// Probes everything inside of the project; `places` are those that a watcher watches.
    pub(in crate::services) fn probe(&self, places: Places) -> Inside {
        // Before anything that finishes what is half done on its way.
        let git = self.documents.repository.map(|repository| self.git_facts(repository));
        let ground = self.ground();
        Inside {
            folder: crate::core::name::visible(self.documents.folder()),
            own_branch: self.config.text("commit.branch").map(crate::core::name::visible),
            settings: self.config.findings.clone(),
            undurable: self.config.text("markdown.durability") == Some("off"),
            ground,
            documents: self.document_facts().map_err(|error| fault(&error)),
            standing: self.standing_facts().map_err(|error| fault(&error)),
            events: watches(places),
            bridges: self.bridge.probe(),
            git,
        }
    }

    fn ground(&self) -> Result<Ground, Fault> {
        let mut ground = self.documents.store.ground().map_err(of)?;
        ground.file_system = watch::file_system(self.root);
        ground.recovered.iter_mut().for_each(|name| *name = crate::core::name::visible(name));
        Ok(ground)
    }

    fn document_facts(&self) -> Result<Documents, Error> {
        let snapshot = self.documents.snapshot(Scope::All)?;
        let findings = self.check(&snapshot)?;
        Ok(Documents {
            count: snapshot.len(),
            errors: counted(&findings, Severity::Error),
            warnings: counted(&findings, Severity::Warning),
        })
    }

    fn standing_facts(&self) -> Result<Standing, Error> {
        let standing = self.commits.standing_by(|repository| repository.view().seems_busy())?;
        let waiting = |waiting: &Waiting| Fault { message: waiting.to_string(), hint: waiting.hint() };
        Ok(Standing {
            uncommitted: standing.uncommitted.len(),
            held: standing.held.len(),
            waiting: standing.waiting.as_ref().map(waiting),
            watcher: standing.watcher.map(|watcher| (watcher.pid, watcher.since)),
        })
    }

    fn git_facts(&self, repository: &Repository) -> GitFacts {
        let mut faults = Vec::new();
        let mut facts = GitFacts {
            hooks: repository.setup().hook_names(),
            hooks_run: self.config.flag("commit.hooks"),
            leftovers: told(repository.committer().leftovers(), &mut faults),
            unmerged: told(repository.view().unmerged(self.documents.folder()), &mut faults),
            identity: repository.setup().identity().err().map(of),
            ignored: self.documents.ignored_folder().map(|document| document.way_out()),
            excluded: told(repository.ignore_rules().is_excluded(self.documents.folder()), &mut faults),
            left_to_git: told(self.left_to_git_fact(), &mut faults),
            secret_remotes: repository.remotes().secret_remotes(),
            still_tracked: told(self.commits.still_tracked(), &mut faults),
            ..GitFacts::default()
        };
        let broken = told(repository.references().broken_references(), &mut faults);
        facts.broken = broken.iter().map(|one| Fault { message: one.message(), hint: Some(one.hint()) }).collect();
        faults.dedup_by(|a, b| a.message == b.message);
        match repository.view().head(self.documents.target) {
            Ok(head) => {
                facts.locks = repository.view().locks(&head).iter().map(lock).collect();
                let at = head.revision.as_ref().map(|revision| repository.log().committed_at(revision)).transpose();
                facts.committed_at = told(at, &mut faults);
                facts.head = Some((
                    head.branch.as_deref().map(crate::core::name::visible),
                    head.revision.map(|revision| revision.to_string()),
                ));
            }
            Err(error) => facts.head_fault = Some(of(error)),
        }
        if let Target::Branch(name) = self.documents.target
            && let Err(error) = repository.references().check_branch_name(name)
        {
            facts.head_fault.get_or_insert(of(error));
        }
        if let Ok(Some(busy @ git::Busy::Operation(_))) = repository.view().seems_busy() {
            facts.operation = Some(Fault { message: busy.to_string(), hint: Some(busy.hint()) });
        }
        facts.faults = faults;
        facts
    }

    /// How many documents only git can store, and what the first one says of itself.
    fn left_to_git_fact(&self) -> Result<Option<(usize, Fault)>, Error> {
        let findings = self.left_to_git(&self.documents.snapshot(Scope::Live)?)?;
        let Some(first) = findings.first() else { return Ok(None) };
        let name = first.path.as_ref().map_or_else(String::new, ToString::to_string);
        let message = format!("`{name}`: {}", first.message);
        Ok(Some((findings.len(), Fault { message, hint: first.hint.clone() })))
    }

    /// Finishes what was begun, sweeps what is ours, makes what is missing. Gives what was done, and what could not be, in
    /// words.
    pub(in crate::services) fn fix(&self) -> Vec<String> {
        let mut deeds = Vec::new();
        let mut tell = |done: Result<Vec<String>, Error>| match done {
            Ok(done) => deeds.extend(done),
            Err(error) => deeds.push(format!("nothing more: {}", fault(&error).message)),
        };
        tell(self.fix_references());
        tell(self.fix_commits());
        tell(self.fix_folder());
        tell(self.fix_exclude());
        deeds
    }

    fn fix_references(&self) -> Result<Vec<String>, Error> {
        let Some(repository) = self.documents.repository else { return Ok(Vec::new()) };
        let count = repository.references().drop_broken_copies()?;
        let done = format!("removed broken copies of remote branches, which the next fetch brings again: {count}");
        Ok((count > 0).then_some(done).into_iter().collect())
    }

    fn fix_commits(&self) -> Result<Vec<String>, Error> {
        let Some(repository) = self.documents.repository else { return Ok(Vec::new()) };
        let done = repository.committer().recover()?;
        let told = [
            (done.finished, "brought the index in step with commits that were killed"),
            (done.unlocked, "removed locks of commits of ours that were killed"),
            (done.swept, "removed files that commits of ours left"),
        ];
        Ok(told.into_iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{what}: {count}")).collect())
    }

    fn fix_folder(&self) -> Result<Vec<String>, Error> {
        let mut deeds = Vec::new();
        if self.documents.store.folder.make()? {
            deeds.push(format!("made the folder `{}`", crate::core::name::visible(self.documents.folder())));
        }
        let recovered = self.documents.store.log.recover()?;
        if !recovered.finished.is_empty() {
            deeds.push(format!("finished operations that were killed: {}", recovered.finished.len()));
        }
        if !recovered.dropped.is_empty() {
            deeds.push(format!("took back operations that were killed: {}", recovered.dropped.len()));
        }
        let swept = self.documents.store.log.sweep()?;
        if swept.removed > 0 {
            deeds.push(format!("removed temporary files: {}", swept.removed));
        }
        for late in &swept.late {
            deeds.push(match &late.outcome {
                LateOutcome::PutBack => format!("put a late save back into `{}`", late.path),
                LateOutcome::Copied(copy) => format!("kept a late save of `{}` in `{}`", late.path, copy.display()),
            });
        }
        Ok(deeds)
    }

    fn fix_exclude(&self) -> Result<Vec<String>, Error> {
        let (Some(repository), Target::Branch(_)) = (self.documents.repository, self.documents.target) else {
            return Ok(Vec::new());
        };
        let added = repository.ignore_rules().exclude(self.documents.folder())?;
        let told = format!("added `/{}/` to `.git/info/exclude`", crate::core::name::visible(self.documents.folder()));
        Ok(added.then_some(told).into_iter().collect())
    }
}

/// Arms the watches for a moment: what the kernel says to that is surer than any count.
fn watches(places: Places) -> Result<usize, Fault> {
    let mut watcher = Watcher::new(places, || {});
    match watcher.arm() {
        Ok(()) => Ok(watcher.watched().count()),
        Err(gap) => Err(Fault { message: crate::core::name::visible(&gap.to_string()), hint: gap.hint() }),
    }
}

/// What was seen; what could not be goes to the faults.
fn told<T: Default, E: Into<Error>>(seen: Result<T, E>, faults: &mut Vec<Fault>) -> T {
    seen.unwrap_or_else(|error| {
        faults.push(of(error));
        T::default()
    })
}

fn lock(held: &git::LockHolder) -> LockFact {
    let busy = git::Busy::Locked(held.clone());
    LockFact { message: busy.to_string(), hint: busy.hint(), age_s: held.age.as_secs(), alive: held.holder.is_some() }
}

fn counted(findings: &[Diagnostic], severity: Severity) -> Vec<(&'static str, usize)> {
    let mut counts = BTreeMap::new();
    for finding in findings.iter().filter(|finding| finding.severity == severity) {
        *counts.entry(finding.code.as_str()).or_default() += 1;
    }
    counts.into_iter().collect()
}
