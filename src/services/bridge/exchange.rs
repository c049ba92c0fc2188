//! One exchange that a person asks for: everything is compared once, and the answer says what went and what came.

use super::claims;
use super::health::Health;
use super::lead::LeadTimes;
use super::pass::Which;
use super::report::{Direction, PassOptions, PassReport};
use super::state::State;
use crate::adapters::redis::{Link, RedisRemote};
use crate::core::problem::Problem;
use crate::services::{Error, Project};

impl Project {
    /// Compares every document with the server and exchanges what differs.
    ///
    /// # Errors
    /// [`Error::NoServer`], [`Error::UntrustedServer`] or [`Error::BadServer`] if there is none that may be used;
    /// [`Error::Unreached`] if another branch is checked out than the one that is mirrored; [`Error::Bridge`] if the server
    /// does not answer. What was exchanged until then stands.
    pub fn bridge_pass(&self, options: &PassOptions) -> Result<PassReport, Error> {
        let target = self.bridge_target()?;
        if let Err(why) = self.is_followed_branch(&target)? {
            let hint = Some(target.pause_hint().to_owned());
            return Err(Error::Unreached { why, hint });
        }
        let now = self.now();
        let known = self.bridge_health(&target).unwrap_or_else(|| Health::of(&target));
        let done =
            Link::connect(&target.settings, target.settings.connection_timeout).map_err(Error::from).and_then(|link| {
                if !options.dry_run {
                    claims::enter(self, &target, &link)?;
                }
                let mut state = State::open(self.another()?, &target);
                if options.dry_run {
                    (state.is_recorder, state.led) = (true, LeadTimes::assumed());
                } else {
                    state.lead(&link)?;
                }
                let mut report = state.pass(&mut RedisRemote::new(&link, &target.node), Which::All, *options)?;
                if let Some(why) = report.paused {
                    state.let_go(&link);
                    return Err(Error::Unreached { why, hint: None });
                }
                if !options.dry_run && options.direction != Direction::Pull {
                    state.finish_adopted(&link)?;
                    // What was pushed there is a document now: once more, with its place in the queue.
                    if state.still_leads(&link)? && state.queues(&link, &mut report)?.is_some_and(|next| next.is_zero())
                    {
                        state.pass(&mut RedisRemote::new(&link, &target.node), Which::All, *options)?;
                        state.queues(&link, &mut report)?;
                    }
                    state.tell(&link, &report.told)?;
                }
                state.commit_last();
                if !options.dry_run {
                    state.let_go(&link);
                }
                Ok((report, link.server().name.clone()))
            });
        match done {
            Ok((report, server)) => {
                if known.follower.is_none() {
                    let mut health = known.live(Some(server), now);
                    if !options.dry_run {
                        health.note_pass(&report, now);
                        health.note_held(&report, report.mass);
                    }
                    let _ = self.note_bridge_health(&health);
                }
                Ok(report)
            }
            Err(error) => {
                if let Error::Bridge(error) = &error {
                    let _ = self.note_bridge_health(&known.failed(error.to_string(), error.hint(), now));
                }
                Err(error)
            }
        }
    }
}
