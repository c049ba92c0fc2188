//! What every command shares: the global options, the project, and where its answers belong. Knows no command.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use super::answer::{Answer, Face};
use super::args::{Global, Required};
use super::progress::{self, Shown};
use super::render;
use crate::api::view::{AnswerHead, ErrorReport, remember_caller};
use crate::core::name::{Revision, visible};
use crate::core::problem::ErrorClass;
use crate::services::{Error, Opening, Patience, Project, RemoteClaims};

/// One run of the command line.
#[derive(Debug)]
pub(crate) struct Session {
    /// The global options.
    pub global: Global,
    /// How answers are shown.
    pub face: Face,
    /// The progress that is shown.
    shown: RefCell<Option<Shown>>,
}

impl Session {
    /// A run with these options.
    pub(crate) fn new(global: Global) -> Self {
        let root = global.root.clone();
        remember_caller(global.agent.as_ref().map(ToString::to_string), root, top(global.root.as_deref()));
        let face = Face::new(&global);
        Self { global, face, shown: RefCell::new(None) }
    }

    /// Opens the project that the options name.
    pub(crate) fn open(&self) -> Result<Project, ErrorReport> {
        self.open_with(Vec::new())
    }

    /// Opens the project for a command that shows or changes settings: no value keeps it from working.
    pub(crate) fn open_any(&self) -> Result<Project, ErrorReport> {
        self.open_unchecked(Vec::new())
    }

    /// The work is done: no progress is shown any more.
    pub(crate) fn done(&self) {
        *self.shown.borrow_mut() = None;
    }

    /// The same with settings that win over every file.
    pub(crate) fn open_with(&self, flags: Vec<(String, String)>) -> Result<Project, ErrorReport> {
        let project = self.open_unchecked(flags)?;
        match project.config().refused() {
            Some(finding) => Err(Error::Config(Box::new(finding.clone())).into()),
            None => Ok(project),
        }
    }

    fn open_unchecked(&self, mut flags: Vec<(String, String)>) -> Result<Project, ErrorReport> {
        flags.extend(self.global.require_mode.map(|mode| ("coordination.mode".to_owned(), mode.word().to_owned())));
        let opening = Opening { root: self.global.root.clone(), agent: self.global.agent.clone(), flags };
        let project = Project::open(opening)?;
        let news = project.prepare();
        let is_deciding_there = self.global.require_mode == Some(Required::Redis);
        let project =
            if is_deciding_there { project.acting(|by| by.with_claims(RemoteClaims::Required)) } else { project };
        if !self.global.quiet && !self.global.json && progress::is_wanted() {
            *self.shown.borrow_mut() = Some(Shown::of(project.progress()));
        }
        if self.global.verbose {
            self.face.say(&whereabouts(&project)?);
        }
        for finding in &news {
            self.face.say(&render::finding(finding, project.folder(), None));
        }
        self.require(&project)?;
        Ok(project)
    }

    /// Refuses to go on without the follower that is required.
    fn require(&self, project: &Project) -> Result<(), ErrorReport> {
        let Some(mode) = self.global.require_mode.filter(|mode| *mode != Required::Markdown) else { return Ok(()) };
        let found = project.bridge().detect(Patience::Full);
        if found.mode() == mode.word() {
            return Ok(());
        }
        let wanted = found.backends.iter().find(|found| found.backend.word() == mode.word());
        let why = wanted.and_then(|found| found.unreached.clone()).unwrap_or_else(|| "it was not found".to_owned());
        let message = format!("`{}` was required and is not live: {why}", mode.word());
        let hint = wanted
            .and_then(|found| found.hint.clone())
            .unwrap_or_else(|| "leave out `--require-mode`: every command works on the files".to_owned());
        Err(ErrorReport::new(ErrorClass::Busy, "mode-unreached", message).hint(hint))
    }
}

/// Where this works, for `--verbose`.
fn whereabouts(project: &Project) -> Result<String, ErrorReport> {
    let context = project.context()?;
    let branch = match (context.in_git, context.branch) {
        (_, Some(branch)) => format!("on {branch}"),
        (true, None) => "on no branch".to_owned(),
        (false, None) => "outside git".to_owned(),
    };
    let agent = project.agent().map_or_else(|| "as the git user".to_owned(), |agent| format!("as {agent}"));
    let place = format!("{}/{}", context.root.display(), context.folder);
    Ok(format!("in {}, {}, {agent}\n", visible(&place), visible(&branch)))
}

/// Where a project's answers are read from.
pub(crate) fn head(project: &Project) -> Result<AnswerHead, ErrorReport> {
    head_at(project, None)
}

/// Where a project's answers are read from, behind this commit.
pub(crate) fn head_at(project: &Project, committed: Option<&Revision>) -> Result<AnswerHead, ErrorReport> {
    let context = project.context_at(committed)?;
    Ok(AnswerHead {
        root: context.root.display().to_string(),
        folder: context.folder,
        branch: context.branch,
        revision: context.revision.map(|revision| revision.to_string()),
    })
}

/// An answer about a project, without data yet.
pub(crate) fn answer(kind: &'static str, project: &Project) -> Result<Answer, ErrorReport> {
    answer_at(kind, project, None)
}

/// An answer about a project behind this commit, without data yet.
pub(crate) fn answer_at(
    kind: &'static str,
    project: &Project,
    committed: Option<&Revision>,
) -> Result<Answer, ErrorReport> {
    let mut answer = Answer::new(kind, head_at(project, committed)?);
    answer.pager = project.config().text("ui.pager").map(ToOwned::to_owned);
    Ok(answer)
}

/// The nearest folder at or above a place with a `.git`, as a path from the working directory.
fn top(root: Option<&Path>) -> Option<PathBuf> {
    let begin = root.map_or_else(PathBuf::new, Path::to_path_buf);
    let depth = std::env::current_dir().ok()?.join(&begin).components().count();
    let mut above = begin.clone();
    for _ in 0..depth {
        if above.join(".git").exists() {
            return Some(above).filter(|top| !top.as_os_str().is_empty());
        }
        above.push("..");
    }
    root.map(Path::to_path_buf)
}
