//! A throw-away folder with its store, operations to apply, and child processes of this very test program.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use mycelium::name::{AgentName, DocPath, OperationId};
use mycelium::store::{Action, AppliedChanges, ApplyError, Durability, Operation, Store, StoreError, StorePlace};
use mycelium::time::Timestamp;

pub(crate) struct Rig {
    pub(crate) home: Home,
    pub(crate) place: StorePlace,
}

/// A folder for everything of one test, removed with it where it is temporary.
pub(crate) enum Home {
    Temporary(tempfile::TempDir),
    Given(PathBuf),
}

impl Home {
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Temporary(home) => home.path(),
            Self::Given(home) => home,
        }
    }
}

impl Rig {
    pub(crate) fn new() -> Self {
        let home = tempfile::tempdir().expect("a temporary folder");
        let place = place_in(home.path());
        std::fs::create_dir(&place.root).expect("a work tree");
        Self { home: Home::Temporary(home), place }
    }

    /// In a folder that the caller looks after.
    pub(crate) fn at(home: &Path) -> Self {
        let place = place_in(home);
        std::fs::create_dir_all(&place.root).expect("a work tree");
        Self { home: Home::Given(home.to_owned()), place }
    }

    pub(crate) fn store(&self, durability: Durability) -> Store {
        Store::open(&self.place, durability).expect("a good folder")
    }

    pub(crate) fn folder(&self) -> PathBuf {
        self.place.root.join(&self.place.folder)
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder().join(name)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.file(name)).expect("the document")
    }

    /// Names in the run state's folder of temporary files, and hidden names in the coordination folder.
    pub(crate) fn leftovers(&self) -> Vec<String> {
        let names = |dir: PathBuf| -> Vec<String> {
            std::fs::read_dir(dir)
                .into_iter()
                .flatten()
                .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
                .collect()
        };
        let mut left = names(self.place.run.join("tmp"));
        left.extend(names(self.folder()).into_iter().filter(|name| name.starts_with('.')));
        left
    }

    /// Sweeps until nothing is left to sweep, which takes a little more than the two seconds of grace.
    pub(crate) fn swept_clean(&self, store: &Store) {
        let end = Instant::now() + Duration::from_secs(30);
        loop {
            store.log.sweep().expect("a sweep");
            let left = self.leftovers();
            if left.is_empty() {
                return;
            }
            assert!(Instant::now() < end, "still there: {left:?}");
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

pub(crate) fn doc(name: &str) -> DocPath {
    DocPath::new(name).expect("a document path")
}

pub(crate) fn operation(id: &str) -> Operation {
    Operation {
        id: OperationId::new(id).expect("an operation id"),
        agent: Some(AgentName::new("ai-engineer").expect("an agent name")),
        verb: "test".to_owned(),
        at: Timestamp::from_unix_ms(1_700_000_000_000),
        base: None,
        branch: None,
    }
}

/// An operation with an id that no other call of this process gives.
pub(crate) fn any_operation() -> Operation {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    operation(&format!("op-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed)))
}

pub(crate) fn write(store: &Store, name: &str, text: &str) -> Result<AppliedChanges, StoreError> {
    change(store, &any_operation(), name, |_| Action::Write(text.as_bytes().to_vec()))
}

pub(crate) fn change(
    store: &Store,
    operation: &Operation,
    name: &str,
    mut decide: impl FnMut(Option<&str>) -> Action,
) -> Result<AppliedChanges, StoreError> {
    let applied = store.log.apply::<Infallible>(operation, &[doc(name)], &mut |now| {
        let text = now[0].as_deref().map(|bytes| std::str::from_utf8(bytes).expect("text"));
        Ok(vec![decide(text)])
    });
    applied.map_err(|error| match error {
        ApplyError::Store(error) => error,
        ApplyError::Refused(never) => match never {},
    })
}

/// Starts this test program again as another process that plays the given part.
pub(crate) fn child(rig: &Rig, part: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command
        .args(["--exact", "child::part", "--ignored", "--nocapture", "--test-threads=1"])
        .env("STORE_PART", part)
        .env("STORE_HOME", rig.home.path())
        .env("STORE_ARGUMENTS", arguments.join(" "))
        .env_remove("MYCELIUM_SABOTAGE")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

pub(crate) fn spawn(rig: &Rig, part: &str, arguments: &[&str]) -> Child {
    child(rig, part, arguments).spawn().expect("a child process")
}

/// Waits for a child and returns what it printed; panics with its messages if it failed.
pub(crate) fn finished(child: Child) -> String {
    let output = child.wait_with_output().expect("its output");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "a child failed: {text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

pub(crate) fn place_in(home: &Path) -> StorePlace {
    StorePlace {
        root: home.join("tree"),
        folder: "some/coordination".to_owned(),
        run: home.join("run/mycelium"),
        shared: home.join("run/mycelium"),
    }
}
