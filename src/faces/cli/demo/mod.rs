//! `demo`: three agents work in a throw-away repository beside a person, with the real watcher. Touches nothing outside that repository.

mod agents;
mod stage;

use std::path::PathBuf;

use serde_json::json;

use super::answer::Answer;
use super::render::{Ink, paint};
use super::session::Session;
use crate::api::view::{AnswerHead, ErrorReport, count};
use stage::Stage;

/// Let three agents work in a throw-away repository and show what came of it
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Make the repository in this new or empty directory and leave it there
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
}

/// Plays the demo and shows files, git history and log.
pub(crate) fn run(args: &Args, session: &Session) -> Result<Option<Answer>, ErrorReport> {
    let stage = Stage::build(args.keep.as_deref(), session)?;
    stage.tell("1. A repository, with work of its own", INTRO_REPOSITORY)?;
    stage.show("git", &["log", "--oneline"])?;
    stage.show("git", &["status", "--short"])?;
    stage.tell("2. The watcher commits what is saved there", INTRO_WATCHER)?;
    let watcher = stage.start_watcher()?;
    stage.tell("3. Three agents work at the same time", INTRO_AGENTS)?;
    agents::plan(&stage)?;
    agents::work(&stage)?;
    stage.settle()?;
    watcher.stop()?;
    stage.tell("4. The files are the truth", INTRO_FILES)?;
    stage.show("ls", &[stage::FOLDER])?;
    stage.show("cat", &[&format!("{}/task-train.md", stage::FOLDER)])?;
    stage.show("mycelium", &["status"])?;
    stage.tell("5. Git is their history", INTRO_GIT)?;
    stage.show("git", &["log", "--oneline", "--stat=72", "-5", "--", stage::FOLDER])?;
    stage.show("git", &["shortlog", "--summary", "--numbered", "HEAD", "--", stage::FOLDER])?;
    stage.tell("6. The same, told by Mycelium", INTRO_LOG)?;
    stage.show("mycelium", &["log", "--limit", "100"])?;
    stage.tell("7. The person's own work was not touched", INTRO_OWN)?;
    stage.show("git", &["status", "--short"])?;
    stage.show("git", &["fsck", "--strict"])?;
    let commits = stage.commits()?;
    let seconds = stage.seconds();
    let head = AnswerHead {
        root: stage.root().display().to_string(),
        folder: stage::FOLDER.to_owned(),
        ..AnswerHead::default()
    };
    let kept = stage.leave();
    let mut answer = Answer::new("demo", head);
    answer.data =
        json!({ "commits": commits, "seconds": seconds, "kept": kept.as_ref().map(|path| path.display().to_string()) });
    let place = match &kept {
        Some(path) => format!("it is in {}", crate::core::name::visible(&path.display().to_string())),
        None => "the repository is removed; `mycelium demo --keep DIR` leaves one to play with".to_owned(),
    };
    answer.text = format!("\n{} {} in {seconds:.1} s; {place}\n", paint(Ink::Good, "done:"), count(commits, "commit"));
    Ok(Some(answer))
}

const INTRO_REPOSITORY: &str = "A person has one change staged and one file that git does not know yet.";
const INTRO_WATCHER: &str = "It commits the folder .claude/coordination and never anything else.";
const INTRO_AGENTS: &str = "\
data-engineer uses the command line, ai-engineer edits the files as text,
performance-engineer does both.";
const INTRO_FILES: &str = "Everything an agent or a person needs to know is in them.";
const INTRO_GIT: &str = "\
One commit for each author and burst. The author of a command is the agent that ran it;
what was saved by an editor is the git user's.";
const INTRO_LOG: &str = "\
Contents are compared, so it reads the same after a squash or a rebase.
An edit by hand names the agent that holds the document.";
const INTRO_OWN: &str = "Still one change staged and one unknown file; the repository is sound.";
