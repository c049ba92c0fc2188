//! What the clones of a client share, and how an operation is carried out: a thread owns it to its end, whatever becomes of
//! the caller, who may drop the future or run out of time. Half of an operation is never done.
#![allow(clippy::disallowed_methods, reason = "latencies are measured here")]

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::bell::Bell;
use super::error::{Error, TimedOut};
use super::events::Subscriptions;
use super::follow::Following;
use super::held::Held;
use super::mode::Modes;
use super::pool::{Desk, Pool};
use super::sabotage::{self, Sabotage};
use super::stats::Latency;
use super::timer;
use crate::adapters::git::Target;
use crate::adapters::store::Store;
use crate::core::entity::{Agent, Entity, Liveness};
use crate::core::follow::FollowScope;
use crate::core::name::Kind;
use crate::services::{Actor, Opening, Project, RemoteClaims};

const WAITING: u8 = 0;
const BEGUN: u8 = 1;
const WITHDRAWN: u8 = 2;

/// Everything that the clones of a client share.
pub(super) struct Crew {
    pool: Arc<Pool>,
    timeout: Option<Duration>,
    opened: Opened,
    following: Following,
    held: Held,
    pub(super) latency: Latency,
    pub(super) subscriptions: Subscriptions,
    bell: OnceLock<Bell>,
}

/// What a first look at the project told.
struct Opened {
    /// Who acts unless a call says otherwise.
    actor: Actor,
    store: Store,
    /// The folder is kept in step with a branch of its own: reading it alone does not tell what others wrote.
    follows: bool,
}

impl fmt::Debug for Crew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Crew").field("pool", &self.pool).field("following", &self.following).finish_non_exhaustive()
    }
}

impl Crew {
    /// Opens the project, in a thread of its own.
    pub(super) async fn open(
        mut opening: Opening,
        timeout: Option<Duration>,
        claims: RemoteClaims,
        detect: impl FnOnce(&Project) -> Result<Modes, Error> + Send + 'static,
    ) -> Result<Self, Error> {
        let first = Pool::new(opening.clone());
        let looked = carry_out(&first, timeout, move |desk| {
            let project = desk.project()?;
            if let Some(finding) = project.config().refused() {
                return Err(crate::services::Error::Config(Box::new(finding.clone())).into());
            }
            let opened = Opened {
                actor: project.actor().clone().with_claims(claims),
                store: project.store().clone(),
                follows: project.target() != Target::Current,
            };
            Ok((opened, Following::new(project, detect(project)?)?, project.root().to_owned()))
        });
        let (opened, following, root) = looked.await?;
        // All threads work where the first one looked, even if the process goes to another folder.
        opening.root = Some(root);
        first.close();
        Ok(Self {
            pool: Pool::new(opening),
            timeout,
            opened,
            following,
            held: Held::default(),
            latency: Latency::default(),
            subscriptions: Subscriptions::default(),
            bell: OnceLock::new(),
        })
    }

    /// Which follower is live.
    pub(super) const fn following(&self) -> &Following {
        &self.following
    }

    /// Who acts unless a call says otherwise.
    pub(super) const fn actor(&self) -> &Actor {
        &self.opened.actor
    }

    pub(super) const fn held(&self) -> &Held {
        &self.held
    }

    /// A document from memory, if a look at its file shows that this is still true. Done by the caller's own thread: it takes
    /// microseconds, a way to another thread and back takes more.
    pub(super) fn glance(&self, kind: Kind, id: &str) -> Option<Entity> {
        if self.opened.follows { None } else { self.held.glance(&self.opened.store, kind, id) }
    }

    /// Whether an agent is alive, by its document and its heart-beats.
    pub(super) fn pulse(&self, agent: &Agent) -> Result<Liveness, Error> {
        let beat = self.opened.store.local.heartbeat(&agent.name).map_err(crate::services::Error::from)?;
        Ok(Liveness::new(agent, beat, crate::services::now()))
    }

    /// Brings a folder with a branch of its own up to date before it is read.
    pub(super) fn follow(&self, project: &Project) {
        if self.opened.follows {
            // What is in the way of that is told by whoever writes; reading goes on with what the folder holds.
            let _ = project.commits().branch().follow_branch(FollowScope::Everything);
        }
    }

    /// What rings when a document changes; made when somebody waits for the first time.
    pub(super) fn bell(&self, project: &Project) -> &Bell {
        self.bell.get_or_init(|| Bell::new(project))
    }

    /// Has an operation carried out by a thread that owns it.
    pub(super) async fn run<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self, &Project) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let began = Instant::now();
        let crew = Arc::clone(self);
        let own = move |desk: &mut Desk| work(&crew, desk.project()?);
        let done = carry_out(&self.pool, self.timeout, own).await;
        self.latency.note(began.elapsed());
        done
    }

    /// Tells whether nothing is taken any more.
    pub(super) fn is_closed(&self) -> bool {
        self.pool.is_closed()
    }

    /// Takes nothing more, and waits for everything that was begun.
    pub(super) async fn close(&self) {
        self.subscriptions.end(None);
        self.pool.close();
        // Those who wait for a task look again, and find the client closed.
        if let Some(bell) = self.bell.get() {
            bell.ring();
        }
        self.pool.wait().await;
        // Those that were beginning.
        self.subscriptions.end(None);
        self.following.end().await;
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.subscriptions.end(None);
        self.pool.close();
    }
}

/// Gives work to a thread and waits for what comes of it.
async fn carry_out<T: Send + 'static>(
    pool: &Arc<Pool>,
    timeout: Option<Duration>,
    work: impl FnOnce(&mut Desk) -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    // Asked for before anything is begun.
    let timer = timeout.map(|after| Ok::<_, Error>((after, timer::sleep(after)?))).transpose()?;
    let withdrawal = Withdrawal::default();
    let state = Arc::clone(&withdrawal.0);
    let (answer, answered) = oneshot::channel();
    let job = move |desk: &mut Desk| {
        let begins = state.compare_exchange(WAITING, BEGUN, Ordering::SeqCst, Ordering::SeqCst).is_ok();
        if begins || sabotage::on(Sabotage::IgnoreWithdrawal) {
            // Nobody may be there any more to hear it.
            let _ = answer.send(catch_unwind(AssertUnwindSafe(|| work(desk))));
        }
    };
    if !pool.give(Box::new(job)).map_err(Error::NoThread)? {
        return Err(Error::Closed);
    }
    let answered = match timer {
        None => answered.await,
        Some((after, timer)) => tokio::select! {
            biased;
            answered = answered => answered,
            () = timer => {
                let outcome = if withdrawal.withdraw() { TimedOut::NotDone } else { TimedOut::Unknown };
                return Err(Error::Timeout { after, outcome });
            }
        },
    };
    match answered {
        Ok(Ok(done)) => done,
        // A bug in the thread is a bug here.
        Ok(Err(panic)) => resume_unwind(panic),
        // Only what was withdrawn is not answered, and then nobody asks.
        Err(_) => Err(Error::Closed),
    }
}

/// Takes an operation back when it is dropped before a thread has begun it.
#[derive(Debug, Default)]
struct Withdrawal(Arc<AtomicU8>);

impl Withdrawal {
    /// Takes it back; `false` if it has begun.
    fn withdraw(&self) -> bool {
        self.0.compare_exchange(WAITING, WITHDRAWN, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }
}

impl Drop for Withdrawal {
    fn drop(&mut self) {
        self.withdraw();
    }
}
