//! One pass that a person asks for: every document is compared once, and the report says what was sent and what came.

use super::health::BackendHealth;
use super::pass::PassScope;
use super::redis_target::RedisTarget;
use super::report::{Direction, PassOptions, PassReport};
use super::state::State;
use crate::adapters::redis::{LeadTimes, Leadership, Link};
use crate::core::problem::Problem;
use crate::services::{Error, Project};

/// Compares every document with the server and exchanges what differs.
///
/// # Errors
/// [`Error::Unreached`] if another branch is checked out than the one that is mirrored; [`Error::Bridge`] if the server does
/// not answer. What was exchanged until then stays.
pub(super) fn run(project: &Project, target: &RedisTarget, options: PassOptions) -> Result<PassReport, Error> {
    let bridge = project.bridge();
    if let Err(why) = bridge.branch().check(target)? {
        let hint = Some(target.pause_hint().to_owned());
        return Err(Error::Unreached { why, hint });
    }
    let record = bridge.health_of(target);
    let now = project.now();
    let known = record.read().unwrap_or_else(|| BackendHealth::of(target));
    let done =
        Link::connect(&target.settings, target.settings.connection_timeout).map_err(Error::from).and_then(|link| {
            if !options.dry_run {
                bridge.enter(target, &link)?;
            }
            let mut state = State::open(project.another()?, target, LeadTimes::default())?;
            let done = exchange(&mut state, &link, options);
            if !options.dry_run {
                // Also after a failure: else no clone leads until the lease is over.
                state.leadership.resign(&link);
            }
            Ok((done?, link.server().name.clone()))
        });
    match done {
        Ok((report, server)) => {
            if known.follower.is_none() {
                let mut health = known.live(Some(server), now);
                if !options.dry_run {
                    health.note_pass(&report, now);
                    health.note_held(&report, report.mass);
                }
                let _ = record.write(&health);
            }
            Ok(report)
        }
        Err(error) => {
            if let Error::Bridge(error) = &error {
                let _ = record.write(&known.failed(error.to_string(), error.hint(), now));
            }
            Err(error)
        }
    }
}

fn exchange(state: &mut State, link: &Link, options: PassOptions) -> Result<PassReport, Error> {
    if options.dry_run {
        state.leadership = Leadership::assumed();
    } else {
        state.leadership.lead(link)?;
    }
    let mut report = state.pass(link, PassScope::All, options)?;
    if let Some(why) = report.paused {
        return Err(Error::Unreached { why, hint: None });
    }
    if !options.dry_run && options.direction != Direction::Pull {
        state.finish_adopted(link)?;
        // What was pushed there is a document now: once more, with its place in the queue.
        if state.leadership.still_leads(link)? && state.queues(link, &mut report)?.is_some_and(|next| next.is_zero()) {
            state.pass(link, PassScope::All, options)?;
            state.queues(link, &mut report)?;
        }
        state.tell(link, &report.told)?;
    }
    state.folder.commit_last();
    Ok(report)
}
