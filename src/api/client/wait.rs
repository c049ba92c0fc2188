//! Waiting for tasks: look, and sleep until a document may have changed. Nothing is polled where files can be watched.

use std::time::Duration;

use tokio::sync::watch;

use super::{CoordinationClient, Error, timer};
use crate::core::entity::{Task, TaskStatus};

/// Pause between two looks where file events do not come.
const POLL: Duration = Duration::from_secs(1);
/// After a ring nothing is looked at for this long: a burst of writes is a few looks, not thousands.
const SETTLE: Duration = Duration::from_millis(2);

impl CoordinationClient {
    /// Waits until a task is completed or has failed, and gives it: its status tells which, its `result` or `error` what came
    /// out. Woken by file events, whoever writes: this client, another process or an editor. It waits as long as it takes;
    /// wrap it in `tokio::time::timeout` for less.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such task, or no longer; [`Error::Closed`] once the client is closed;
    /// [`Error::NoTimer`] outside of a tokio runtime with a timer.
    pub async fn wait_task(&self, id: impl AsRef<str>) -> Result<Task, Error> {
        let id = id.as_ref();
        let mut ear = self.ear().await?;
        loop {
            let deaf = self.arm(&mut ear).await?;
            let task = self.get_task(id).await?;
            if matches!(task.status, TaskStatus::Completed | TaskStatus::Failed) {
                return Ok(task);
            }
            heard(&mut ear, deaf).await?;
        }
    }

    /// An ear for the client's bell, for a call that has to wait.
    pub(super) async fn ear(&self) -> Result<watch::Receiver<u64>, Error> {
        // Told at once, not only where a task has not ended yet.
        drop(timer::sleep(Duration::ZERO)?);
        self.crew.run(|crew, project| Ok(crew.bell(project).listen())).await
    }

    /// Arms the watches; what rings from now on is heard by the next [`heard`]. Tells whether some things do not ring.
    pub(super) async fn arm(&self, ear: &mut watch::Receiver<u64>) -> Result<bool, Error> {
        ear.mark_unchanged();
        self.crew.run(|crew, project| Ok(crew.bell(project).arm().is_err())).await
    }
}

/// Waits for a ring; where the bell is deaf, no longer than a moment.
pub(super) async fn heard(ear: &mut watch::Receiver<u64>, deaf: bool) -> Result<(), Error> {
    heard_until(ear, deaf, None).await
}

/// Waits for a ring, no longer than this; where the bell is deaf, no longer than a moment.
pub(super) async fn heard_until(
    ear: &mut watch::Receiver<u64>,
    deaf: bool,
    longest: Option<Duration>,
) -> Result<(), Error> {
    let rung = async {
        // The bell lives as long as its client.
        ear.changed().await.map_err(|_| Error::Closed)?;
        timer::sleep(SETTLE)?.await;
        Ok(())
    };
    let longest = if deaf { Some(longest.unwrap_or(POLL).min(POLL)) } else { longest };
    let Some(longest) = longest else { return rung.await };
    tokio::select! {
        rung = rung => rung,
        () = timer::sleep(longest)? => Ok(()),
    }
}
