//! Who reads for whom: one hub for each folder with subscriptions, and its thread. The thread waits for file events, for the
//! server and for new subscribers, and for nothing else: with nothing to do it does not wake up.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::queue::EventQueue;
use super::reader::EventReader;
use super::{EventBus, OpenHost};
use crate::adapters::git;
use crate::core::name::EventId;
use crate::services::Error;
use crate::services::remote_events::RemoteEvents;

/// The hubs of this process.
static HUBS: Mutex<Vec<Weak<EventHub>>> = Mutex::new(Vec::new());

/// What projects must have in common for one to read for another.
#[derive(Debug, PartialEq)]
struct HubKey {
    root: PathBuf,
    folder: String,
    target: git::Target,
    remote: Option<Arc<dyn RemoteEvents>>,
}

impl HubKey {
    fn of(events: &EventBus<'_>) -> Self {
        let (root, folder) = (events.root.to_owned(), events.documents.folder().to_owned());
        Self { root, folder, target: events.documents.target.clone(), remote: events.host.remote_events() }
    }
}

/// The subscriptions of one folder and the thread that reads for them.
#[derive(Debug)]
pub(super) struct EventHub {
    key: HubKey,
    state: Mutex<HubState>,
    bell: SyncSender<()>,
}

#[derive(Debug, Default)]
struct HubState {
    members: Arc<Vec<Arc<EventQueue>>>,
    joining: Vec<Joining>,
    /// The thread ends, and takes nobody any more.
    is_over: bool,
}

/// Why events may come late, if they may; or why none come.
pub(super) type Begun = Result<Option<String>, Error>;

/// A subscriber that waits until the thread has read so far.
#[derive(Debug)]
pub(super) struct Joining {
    pub(super) queue: Arc<EventQueue>,
    pub(super) since: Option<EventId>,
    begun: SyncSender<Begun>,
}

impl Joining {
    /// Answers that it has begun, and why events may come late; or that it cannot begin.
    pub(super) fn answer(self, begun: Begun) {
        // A subscriber that is gone leaves the hub by itself.
        let _ = self.begun.try_send(begun);
    }
}

impl EventHub {
    /// Has a queue filled by the hub of its folder, which is made if there is none. What is returned answers once the
    /// thread has read so far.
    pub(super) fn join(
        events: &EventBus<'_>,
        queue: &Arc<EventQueue>,
        since: Option<EventId>,
    ) -> Result<(Arc<Self>, Receiver<Begun>), Error> {
        let (begun, begins) = sync_channel(1);
        let mut joining = Some(Joining { queue: Arc::clone(queue), since, begun });
        let key = HubKey::of(events);
        let mut hubs = HUBS.lock().unwrap_or_else(PoisonError::into_inner);
        hubs.retain(|hub| hub.strong_count() > 0);
        let running = hubs.iter().filter_map(Weak::upgrade).find(|hub| hub.key == key && hub.add(&mut joining));
        let hub = if let Some(hub) = running {
            hub
        } else {
            let hub = Self::start(key, events.host.reopen(), &mut joining)?;
            hubs.push(Arc::downgrade(&hub));
            hub
        };
        drop(hubs);
        hub.ring();
        Ok((hub, begins))
    }

    fn start(key: HubKey, open: OpenHost, joining: &mut Option<Joining>) -> Result<Arc<Self>, Error> {
        let (bell, rung) = sync_channel(1);
        let hub = Arc::new(Self { key, state: Mutex::default(), bell });
        hub.add(joining);
        let running = Arc::clone(&hub);
        let run = move || {
            let mut end = HubEnd { hub: &running, error: None };
            end.error = running.serve(open, &rung).err().map(Arc::new);
        };
        let thread = std::thread::Builder::new().name("mycelium-events".to_owned()).spawn(run);
        thread.map_err(|source| Error::Folder { path: hub.key.root.clone(), source })?;
        Ok(hub)
    }

    fn state(&self) -> MutexGuard<'_, HubState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ring(&self) {
        // A bell that rings already rings.
        let _ = self.bell.try_send(());
    }

    fn add(&self, joining: &mut Option<Joining>) -> bool {
        let mut state = self.state();
        if state.is_over {
            return false;
        }
        if let Some(joining) = joining.take() {
            Arc::make_mut(&mut state.members).push(Arc::clone(&joining.queue));
            state.joining.push(joining);
        }
        true
    }

    /// Ends a queue and fills it no more; with the last one the thread ends. Returns false if it had ended.
    pub(super) fn leave(&self, queue: &Arc<EventQueue>) -> bool {
        let is_new = queue.end(None);
        let mut state = self.state();
        Arc::make_mut(&mut state.members).retain(|member| !Arc::ptr_eq(member, queue));
        if state.members.is_empty() {
            state.is_over = true;
            drop(state);
            self.ring();
        }
        is_new
    }

    /// Reads until the last subscriber has left.
    fn serve(&self, open: OpenHost, wakes: &Receiver<()>) -> Result<(), Error> {
        let bell = self.bell.clone();
        let wake = move || {
            let _ = bell.try_send(());
        };
        let mut reader = EventReader::open(open()?, self.key.remote.clone(), Arc::new(wake))?;
        loop {
            let (members, joining) = {
                let mut state = self.state();
                if state.is_over {
                    return Ok(());
                }
                (Arc::clone(&state.members), std::mem::take(&mut state.joining))
            };
            let due = reader.step(&members, joining)?;
            let has_bell = match due {
                Some(wait) => wakes.recv_timeout(wait).err() != Some(RecvTimeoutError::Disconnected),
                None => wakes.recv().is_ok(),
            };
            debug_assert!(has_bell, "the hub has a bell of its own");
        }
    }
}

/// Ends everything that a hub has when its thread ends, whatever ends it.
struct HubEnd<'a> {
    hub: &'a EventHub,
    error: Option<Arc<Error>>,
}

impl Drop for HubEnd<'_> {
    fn drop(&mut self) {
        let (members, joining) = {
            let mut state = self.hub.state();
            state.is_over = true;
            (std::mem::take(&mut state.members), std::mem::take(&mut state.joining))
        };
        for one in joining {
            one.answer(self.error.clone().map_or(Ok(None), |error| Err(Error::Shared(error))));
        }
        for queue in members.iter() {
            queue.end(self.error.clone());
        }
    }
}
