//! A throw-away repository, a home of its own, and the real git as judge. Touches nothing of the user's.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use mycelium::git::{Author, CommitDurability, CommitError, CommitPlan, Repository, Target};
use mycelium::name::{AgentName, DocPath, Revision};
use mycelium::time::Timestamp;

/// The coordination folder of the tests.
pub(crate) const FOLDER: &str = ".claude/coordination";

/// Declares a test that runs in a process of its own, with its own home and git configuration.
#[macro_export]
macro_rules! isolated {
    ($(#[$meta:meta])* $name:ident, $body:block) => {
        $(#[$meta])*
        #[test]
        fn $name() {
            if $crate::ground::enter(concat!(module_path!(), "::", stringify!($name))) $body
        }
    };
}

/// Tells whether this process is the isolated one; if not, starts it and waits for its verdict.
pub(crate) fn enter(test: &str) -> bool {
    if std::env::var_os("MYCELIUM_TEST_HOME").is_some() {
        return true;
    }
    let output = run(test, &[]);
    assert!(output.status.success(), "{}", words(&output));
    for line in words(&output).lines().filter_map(|line| line.strip_prefix("CANNOT RUN ")) {
        use std::io::Write;
        let _ = writeln!(std::io::stderr(), "CANNOT RUN {line}");
    }
    false
}

/// Runs a test in its own process under a sabotage, and demands that the test notices.
pub(crate) fn must_fail(sabotage: &str, test: &str) {
    let output = run(test, &[("MYCELIUM_SABOTAGE", sabotage)]);
    let said = words(&output);
    assert!(said.contains("running 1 test"), "there is no test {test}: {said}");
    assert!(!output.status.success(), "{test} did not notice {sabotage}: {said}");
}

fn run(test: &str, variables: &[(&str, &str)]) -> Output {
    let home = tempfile::tempdir().expect("a home");
    let name = test.strip_prefix("git::").unwrap_or(test);
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["--exact", name, "--nocapture", "--include-ignored"]);
    isolate(&mut command, home.path());
    command.env("MYCELIUM_TEST_HOME", home.path());
    command.envs(variables.iter().copied());
    // Into files: what a failed test leaves running (a hook that waits) would hold a pipe open for ever. It ends with the home.
    let (said, complained) = (home.path().join("stdout"), home.path().join("stderr"));
    command.stdin(std::process::Stdio::null());
    command.stdout(fs::File::create(&said).expect("a file")).stderr(fs::File::create(&complained).expect("a file"));
    let status = command.status().expect("this program runs");
    Output { status, stdout: fs::read(said).expect("a file"), stderr: fs::read(complained).expect("a file") }
}

/// Tells whether a program can be started here.
pub(crate) fn has(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok()
}

/// Tells whether this git can keep branches in a reftable; says so if not.
pub(crate) fn knows_reftable() -> bool {
    let place = home().join("reftable-probe");
    let made = Command::new("git").args(["init", "-q", "--ref-format=reftable"]).arg(&place).output();
    let knows = made.is_ok_and(|made| made.status.success());
    if !knows {
        cannot_run("the reftable cases", "git is older than 2.45");
    }
    knows
}

/// The home of this test.
pub(crate) fn home() -> PathBuf {
    PathBuf::from(std::env::var_os("MYCELIUM_TEST_HOME").expect("an isolated test"))
}

/// Says that this machine cannot run a test, past the capture of the test harness.
pub(crate) fn cannot_run(test: &str, why: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "CANNOT RUN {test}: {why}");
}

fn isolate(command: &mut Command, home: &Path) {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("GIT_") {
            command.env_remove(name);
        }
    }
    let config = home.join(".gitconfig");
    if !config.exists() {
        let text = "[user]\n\tname = Uma User\n\temail = uma@example.com\n[init]\n\tdefaultBranch = main\n";
        fs::write(&config, text).expect("a configuration");
    }
    command.env("HOME", home).env("GIT_CONFIG_GLOBAL", config).env("GIT_CONFIG_NOSYSTEM", "1");
    command.env("RUST_BACKTRACE", "0");
    command.env_remove("XDG_CONFIG_HOME").env_remove("MYCELIUM_SABOTAGE");
}

pub(crate) fn words(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// A repository below the home of this test.
pub(crate) struct Ground {
    pub(crate) root: PathBuf,
}

impl Ground {
    /// A new repository with one commit of the user's: `u.txt`.
    pub(crate) fn new() -> Self {
        let ground = Self::empty(&[]);
        ground.put("u.txt", "user\n");
        ground.git(&["add", "u.txt"]);
        ground.git(&["commit", "-qm", "user: first"]);
        ground
    }

    /// A new repository without a commit.
    pub(crate) fn empty(options: &[&str]) -> Self {
        let home = home();
        Self::init(home.join(format!("repo-{}", fs::read_dir(&home).expect("home").count())), options)
    }

    /// A new repository without a commit, in a folder that is not there yet.
    pub(crate) fn init(root: PathBuf, options: &[&str]) -> Self {
        fs::create_dir(&root).expect("a folder");
        let ground = Self { root };
        ground.git(&[&["init", "-q"], options].concat());
        ground
    }

    pub(crate) fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Runs git, which must succeed; gives what it printed.
    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        let output = self.try_git(arguments);
        assert!(output.status.success(), "git {arguments:?}: {}", words(&output));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    pub(crate) fn try_git(&self, arguments: &[&str]) -> Output {
        Command::new("git").args(arguments).current_dir(&self.root).output().expect("git runs")
    }

    /// Writes a file of the work tree.
    pub(crate) fn put(&self, path: &str, text: impl AsRef<[u8]>) {
        let file = self.root.join(path);
        fs::create_dir_all(file.parent().expect("a parent")).expect("a folder");
        fs::write(file, text).expect("a file");
    }

    /// Writes a file as the product does: a git beside it reads the old or the new text, never a part.
    fn swap(&self, path: &str, text: &str) {
        let file = self.root.join(path);
        let aside = format!("aside-{}-{:?}", std::process::id(), std::thread::current().id());
        let aside = self.root.with_extension(aside);
        fs::create_dir_all(file.parent().expect("a parent")).expect("a folder");
        fs::write(&aside, text).expect("a file");
        fs::rename(aside, file).expect("a rename");
    }

    pub(crate) fn text(&self, path: &str) -> String {
        fs::read_to_string(self.root.join(path)).expect("a file")
    }

    pub(crate) fn open(&self) -> Repository {
        let found = Repository::discover(&self.root).expect("a sound repository").expect("a repository");
        found.with_patience(Duration::from_secs(20))
    }

    /// Writes documents and commits them; the revision.
    pub(crate) fn save(&self, documents: &[(&str, &str)]) -> Revision {
        self.try_save(&self.open(), documents).expect("a commit")
    }

    pub(crate) fn try_save(&self, repo: &Repository, documents: &[(&str, &str)]) -> Result<Revision, CommitError> {
        for (path, text) in documents {
            self.swap(&format!("{FOLDER}/{path}"), text);
        }
        let changes = documents.iter().map(|(path, text)| change(path, Some(text))).collect();
        commit(repo, &Target::Current, &[plan(Author::User, "save", changes)])
    }

    /// The blob of a document at HEAD, as text.
    pub(crate) fn at_head(&self, document: &str) -> String {
        self.git(&["show", &format!("HEAD:{FOLDER}/{document}")])
    }

    /// What `git status` says, in its short form.
    pub(crate) fn status(&self) -> String {
        self.git(&["status", "--porcelain=v1"])
    }

    /// The repository is sound, and nothing of ours lies around.
    pub(crate) fn assert_sound(&self) {
        let fsck = self.try_git(&["fsck", "--strict", "--no-dangling"]);
        assert!(fsck.status.success(), "fsck: {}", words(&fsck));
        let said: Vec<String> = words(&fsck)
            .lines()
            .filter(|line| !line.starts_with("notice:") && !line.starts_with("hint:"))
            .map(str::to_owned)
            .collect();
        assert!(said.is_empty(), "fsck: {said:?}");
        assert_eq!(self.leftovers(), Vec::<PathBuf>::new());
    }

    /// Locks, quarantines and temporary files.
    pub(crate) fn leftovers(&self) -> Vec<PathBuf> {
        let git_dir = self.open().common_dir().to_owned();
        let mut found = Vec::new();
        let mut folders = vec![git_dir];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
                let name = entry.file_name().to_string_lossy().into_owned();
                let is_run_state = folder.ends_with("mycelium") && name.starts_with("commit-");
                let is_ours = is_run_state || name.starts_with("tmp_mycelium_") || name.ends_with(".lock");
                if is_ours {
                    found.push(entry.path());
                } else if entry.path().is_dir() {
                    folders.push(entry.path());
                }
            }
        }
        found
    }
}

/// One change of a document.
pub(crate) fn change(path: &str, text: Option<&str>) -> (DocPath, Option<Vec<u8>>) {
    (DocPath::new(path).expect("a document path"), text.map(|text| text.as_bytes().to_vec()))
}

pub(crate) fn agent(name: &str) -> Author {
    Author::Agent(AgentName::new(name).expect("a name"))
}

/// A plan with a message of one line, made at a fixed moment.
pub(crate) fn plan(author: Author, subject: &str, changes: Vec<(DocPath, Option<Vec<u8>>)>) -> CommitPlan {
    let at = Timestamp::from_unix_ms(1_760_659_200_000);
    CommitPlan { author, at, message: format!("{subject}\n"), changes }
}

/// Commits plans on top of what the target is now.
pub(crate) fn commit(repo: &Repository, target: &Target, plans: &[CommitPlan]) -> Result<Revision, CommitError> {
    let base = repo.view().head(target)?.revision;
    let made = repo.committer().commit(target, FOLDER, base.as_ref(), plans, CommitDurability::Full)?;
    Ok(made.last().cloned().expect("a commit"))
}
