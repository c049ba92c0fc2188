//! Listens on the server for those who subscribe: what other clones tell comes from there first. The files tell everything as
//! well; whoever listens takes both and knows each event by its id, so a server that goes away costs time and no event.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use super::voice::{Hearing, WRITTEN_DOWN, event, listen};
use super::wanted::Target;
use crate::bridge::{Link, News};
use crate::event::Event;
use crate::runner::Error;

/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(2);
/// Pauses between two tries.
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_millis(1_500);
/// How often it is looked whether anybody still listens.
const LOOK: Duration = Duration::from_millis(250);
/// Events that are fetched at once after a gap.
const GAP_MAX: usize = 1_000;

/// One that listens on the server, in a thread of its own. Dropped, it ends by itself.
#[derive(Debug)]
pub(in crate::runner) struct Ear {
    events: Receiver<Event>,
    is_over: Arc<AtomicBool>,
}

impl Ear {
    /// Begins to listen; `ring` is called when there is something to take.
    pub(in crate::runner) fn start(target: Target, ring: impl Fn() + Send + Sync + 'static) -> Result<Self, Error> {
        let (sender, events) = channel();
        let is_over = Arc::new(AtomicBool::new(false));
        let mut listener = Listener { target, sender, is_over: Arc::clone(&is_over), ring: Arc::new(ring), last: None };
        let thread = std::thread::Builder::new().name("mycelium-ear".to_owned());
        let started = thread.spawn(move || listener.run());
        started.map_err(|source| Error::Folder { path: std::path::PathBuf::from("."), source })?;
        Ok(Self { events, is_over })
    }

    /// What came since.
    pub(in crate::runner) fn events(&self) -> impl Iterator<Item = Event> {
        self.events.try_iter()
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
    }
}

struct Listener {
    target: Target,
    sender: Sender<Event>,
    is_over: Arc<AtomicBool>,
    ring: Arc<dyn Fn() + Send + Sync>,
    /// The last entry of the stream of events that was seen.
    last: Option<String>,
}

impl Listener {
    fn run(&mut self) {
        let mut pause = PAUSE_MIN;
        while !self.is_over.load(Ordering::SeqCst) {
            let had = self.last.clone();
            // What is wrong with the server is said by whoever mirrors; here the files go on telling everything.
            let _ = self.listen();
            pause = if self.last == had { (pause * 2).min(PAUSE_MAX) } else { PAUSE_MIN };
            std::thread::sleep(pause);
        }
    }

    fn listen(&mut self) -> Result<(), Error> {
        let (wake, woken) = channel();
        let on_news = move |news| {
            let _ = wake.send(news);
        };
        // No keys are looked at, only channels: whoever listens mirrors nothing.
        let link = listen(&self.target, CONNECT, Hearing::Channels, on_news)?;
        match self.last.take() {
            None => self.last = Some(link.stream_end()?),
            Some(last) => self.close_gap(&link, last)?,
        }
        loop {
            match woken.recv_timeout(LOOK) {
                Ok(News::Message { channel, payload }) => {
                    if self.take(&payload, &channel) {
                        (self.ring)();
                    }
                }
                Ok(News::Lost(_)) | Err(RecvTimeoutError::Disconnected) => return Ok(()),
                Ok(News::Changed(_) | News::Everything) => {}
                Err(RecvTimeoutError::Timeout) => {
                    // Where to go on after a gap: what was sent since comes twice at most.
                    self.last = Some(link.stream_end()?);
                }
            }
            if self.is_over.load(Ordering::SeqCst) {
                return Ok(());
            }
        }
    }

    /// What was told while there was no connection.
    fn close_gap(&mut self, link: &Link, mut last: String) -> Result<(), Error> {
        loop {
            self.last = Some(last.clone());
            let missed = link.stream_after(&last, GAP_MAX)?;
            let Some((end, _)) = missed.last() else { return Ok(()) };
            last.clone_from(end);
            for (_, message) in &missed {
                self.take(&message.payload, &message.channel);
            }
            (self.ring)();
        }
    }

    /// Hands on what one of us has told. Of what others publish the watcher that writes it down tells again.
    fn take(&self, payload: &[u8], channel: &str) -> bool {
        let Some(mut event) = event(payload) else { return false };
        if channel != WRITTEN_DOWN
            && let Ok(channel) = crate::name::Channel::new(channel)
        {
            event.channel = channel;
        }
        self.sender.send(event).is_ok()
    }
}
