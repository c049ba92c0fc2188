//! A server over a file of its own: the stand-in, or the real one.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use mycelium::taskqueue::{Client, Program, TaskQueueError};

use crate::stand_in::{self, Faults};

/// Long enough for a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The command of the real server, if the tests are to run against it.
pub(crate) fn real_words() -> Option<Vec<String>> {
    let command = std::env::var("MYCELIUM_TEST_TASKQUEUE").ok().filter(|command| !command.is_empty())?;
    Some(command.split_whitespace().map(str::to_owned).collect())
}

/// A server's program with a file of its own.
pub(crate) struct Server {
    folder: tempfile::TempDir,
    pub program: Program,
}

impl Server {
    /// The real server if `MYCELIUM_TEST_TASKQUEUE` names its command, else a stand-in without faults. Says which.
    pub(crate) fn real_or_stand_in(test: &str) -> Self {
        let Some(words) = real_words() else {
            println!("{test}: against the stand-in");
            return Self::stand_in(&Faults::default());
        };
        println!("{test}: against {}", words.join(" "));
        Self::over(|_| words.iter().map(OsString::from).collect())
    }

    pub(crate) fn stand_in(faults: &Faults) -> Self {
        Self::over(|folder| vec![stand_in::install(folder, "taskqueue-mcp", faults).into()])
    }

    /// Makes the stand-in one without faults, from its next start on.
    pub(crate) fn heal(&self) {
        stand_in::install(self.folder.path(), "taskqueue-mcp", &Faults::default());
    }

    fn over(words: impl FnOnce(&std::path::Path) -> Vec<OsString>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let words = words(folder.path());
        let file = folder.path().join("tasks.json");
        let environment = vec![("TASK_MANAGER_FILE_PATH".to_owned(), file.into_os_string())];
        let program = Program { words, environment, folder: folder.path().to_owned() };
        Self { folder, program }
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path().join("tasks.json")
    }

    pub(crate) fn text(&self) -> String {
        fs::read_to_string(self.file()).expect("the file of the server")
    }

    /// Connects, and reads the projects once, as whoever wants to know whether the server works.
    pub(crate) fn connect(&self) -> Result<Client, TaskQueueError> {
        let mut client = Client::start(&self.program, PATIENCE)?;
        client.projects(PATIENCE)?;
        Ok(client)
    }

    pub(crate) fn client(&self) -> Client {
        self.connect().expect("a server")
    }
}
