//! The connection that the operations of one process share: made when one needs it, and not asked again for a while when it
//! fails, so that nobody pays twice for a server that is dead or hangs.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::health::{Health, State};
use super::wanted::Target;
use crate::adapters::redis::{BridgeError, Link, Settings};
use crate::core::problem::Problem;
use crate::services::{Error, Project};

/// The lines of this process, one for each server and clone.
static LINES: Mutex<Vec<Arc<Line>>> = Mutex::new(Vec::new());

/// How long an operation waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Waits {
    /// For a connection.
    pub(super) connect: Duration,
    /// For an answer.
    pub(super) answer: Duration,
    /// It also asks a server that failed a moment ago.
    pub(super) insists: bool,
}

/// A connection, while there is one, and how long it waits for answers.
#[derive(Debug)]
pub(super) struct Line {
    target: Target,
    link: Mutex<Option<(Link, Waits)>>,
}

impl Line {
    /// The line to a server.
    pub(super) fn of(target: &Target) -> Arc<Self> {
        let mut lines = LINES.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(line) = lines.iter().find(|line| line.target == *target) {
            return Arc::clone(line);
        }
        let line = Arc::new(Self { target: target.clone(), link: Mutex::new(None) });
        lines.push(Arc::clone(&line));
        line
    }

    /// Does something with the connection; one caller at a time.
    pub(super) fn with<T>(
        &self,
        workspace: &Project,
        target: &Target,
        waits: Waits,
        work: impl Fn(&Link) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut slot = self.link.lock().unwrap_or_else(PoisonError::into_inner);
        let now = workspace.now();
        let health = workspace.bridge_health(target);
        if let Some(down) = health.as_ref().filter(|health| !waits.insists && !health.may_try(now)) {
            *slot = None;
            return Err(Error::Bridge(BridgeError::Unreachable {
                address: down.address.clone(),
                why: down.why.clone().unwrap_or_else(|| "it did not answer a moment ago".to_owned()),
            }));
        }
        let kept = slot.take().filter(|(_, known)| *known == waits).map(|(link, _)| link);
        let was_kept = kept.is_some();
        let link = kept.map_or_else(|| self.connect(workspace, waits), Ok)?;
        let (link, done) = match work(&link) {
            // A connection that was kept may have ended long ago. Whatever is asked for here may be asked for again.
            Err(Error::Bridge(BridgeError::Closed { .. })) if was_kept => {
                let link = self.connect(workspace, waits)?;
                let done = work(&link);
                (link, done)
            }
            done => (link, done),
        };
        match &done {
            Ok(_) => {
                let is_news = health.as_ref().is_none_or(|health| health.state == State::Down);
                if is_news && !matches!(workspace.store.is_followed(), Ok(true)) {
                    let known = health.unwrap_or_else(|| Health::of(target));
                    let _ = workspace.note_bridge_health(&known.live(Some(link.server().name.clone()), now));
                }
                *slot = Some((link, waits));
            }
            // Only a server that is gone or silent is left alone for a while; one that says no is there.
            Err(Error::Bridge(error)) if error.is_lost() => note(workspace, target, error),
            Err(_) => *slot = Some((link, waits)),
        }
        done
    }
}

impl Line {
    fn connect(&self, workspace: &Project, Waits { connect, answer, .. }: Waits) -> Result<Link, Error> {
        let settings = Settings { operation_timeout: answer, ..self.target.settings.clone() };
        Link::connect(&settings, connect).map_err(|error| {
            note(workspace, &self.target, &error);
            error.into()
        })
    }
}

/// Writes down that a server does not answer; a bridge that is followed knows it better.
fn note(workspace: &Project, target: &Target, error: &BridgeError) {
    let now = workspace.now();
    let known = workspace.bridge_health(target).unwrap_or_else(|| Health::of(target));
    if known.state == State::Live && known.follower.is_some() && known.is_fresh(now) {
        return;
    }
    let health = known.failed(error.to_string(), error.hint(), now);
    let _ = workspace.note_bridge_health(&health);
}
