//! One pass that a person asks for: every document is compared once, and the report says what was sent and what came.

use super::backend::{Backend, Session};
use super::health::BackendHealth;
use super::mirror::Mirror;
use super::pass::PassScope;
use super::report::{Direction, PassOptions, PassReport};
use crate::core::problem::Problem;
use crate::services::{Error, Project};

/// Compares every document with the server and exchanges what differs.
///
/// # Errors
/// [`Error::Unreached`] if another branch is checked out than the one that is mirrored; [`Error::Bridge`] and its like if the
/// server does not answer. What was exchanged until then stays.
pub(super) fn run(project: &Project, backend: &dyn Backend, options: PassOptions) -> Result<PassReport, Error> {
    let (bridge, target) = (project.bridge(), backend.target());
    if let Err(why) = bridge.branch().check(target)? {
        let hint = Some(target.pause_hint().to_owned());
        return Err(Error::Unreached { why, hint });
    }
    let record = bridge.health_of(target);
    let now = project.now();
    let known = record.read().unwrap_or_else(|| BackendHealth::of(target));
    let mut connector = backend.connector();
    let done = connector.connect(None).and_then(|mut session| {
        let mut mirror = Mirror::open(project.another()?, target);
        let done = exchange(&mut *session, &mut mirror, options);
        if !options.dry_run {
            // In order, also after a failure: else no clone leads until the lease is over.
            session.close(&mut mirror, &Ok(()));
        }
        Ok((done?, session.server_name()))
    });
    match done {
        Ok((report, server)) => {
            if known.follower.is_none() {
                let mut health = known.live(server, now);
                if !options.dry_run {
                    health.note_pass(&report, now);
                    health.note_held(&report, report.mass);
                }
                let _ = record.write(&health);
            }
            Ok(report)
        }
        Err(error) => {
            if error.is_of_backend() {
                let _ = record.write(&known.failed(error.to_string(), error.hint(), now));
            }
            Err(error)
        }
    }
}

fn exchange(session: &mut dyn Session, mirror: &mut Mirror, options: PassOptions) -> Result<PassReport, Error> {
    if !options.dry_run {
        session.enter(mirror)?;
    }
    session.lead(options.dry_run)?;
    let mut report = session.pass(mirror, PassScope::All, options)?;
    if let Some(why) = report.paused {
        return Err(Error::Unreached { why, hint: None });
    }
    if !options.dry_run && options.direction != Direction::Pull {
        let next = session.after_pass(mirror, &mut report, true)?;
        // What was pushed there is a document now: once more, with its place in the queue.
        if next.is_some_and(|next| next.is_zero()) {
            session.pass(mirror, PassScope::All, options)?;
            session.after_pass(mirror, &mut report, false)?;
        }
        session.publish(mirror, &report.told)?;
    }
    mirror.folder.commit_last();
    Ok(report)
}
