//! A real server of its own for each test, on a free port of this machine, with nothing written to the disk.
#![allow(dead_code, reason = "each test file uses its part")]

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use mycelium::redis::codec::Keys;
use mycelium::redis::{Address, Link, Settings};

/// Long enough for a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// The program, if there is one: `MYCELIUM_REDIS_SERVER`, or what is found.
pub(crate) fn program() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("MYCELIUM_REDIS_SERVER") {
        return Some(named.into());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/bin".into(), "/usr/local/bin".into()]);
    let found = folders.flat_map(|folder| ["redis-server", "valkey-server"].map(|name| folder.join(name)));
    found.into_iter().find(|program| program.is_file())
}

/// A running server.
pub(crate) struct Server {
    program: PathBuf,
    args: Vec<String>,
    port: u16,
    folder: tempfile::TempDir,
    child: Option<Child>,
    stopped: bool,
}

impl Server {
    /// Starts one, or says that the test cannot run here.
    pub(crate) fn start(test: &str) -> Option<Self> {
        Self::with(test, &[])
    }

    /// The same with more arguments; `DIR` in them is its folder.
    pub(crate) fn with(test: &str, args: &[&str]) -> Option<Self> {
        let Some(program) = program() else {
            crate::support::could_not_run(test, "`redis-server` is missing");
            return None;
        };
        let folder = tempfile::tempdir().expect("a folder");
        let place = folder.path().display().to_string();
        let args = args.iter().map(|arg| arg.replace("DIR", &place)).collect();
        let mut server = Self { program, args, port: 0, folder, child: None, stopped: false };
        // Between the look for a free port and its use another test may have taken it.
        for _ in 0..20 {
            server.port = free_port();
            if server.launch() {
                return Some(server);
            }
        }
        panic!("{} did not start: {:?}", server.program.display(), server.args);
    }

    fn launch(&mut self) -> bool {
        let mut command = Command::new(&self.program);
        // A sentinel has a file with its settings, which comes first.
        let (first, rest): (Vec<_>, Vec<_>) = self.args.iter().partition(|arg| arg.ends_with(".conf"));
        command.args(first).args(["--port", &self.port.to_string(), "--bind", "127.0.0.1"]);
        if !rest.iter().any(|arg| *arg == "--sentinel") {
            command.args(["--save", "", "--appendonly", "no"]);
        }
        command.args(["--daemonize", "no", "--dir"]).arg(self.folder.path()).args(rest);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        self.child = Some(child.expect("the server starts"));
        self.stopped = false;
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            if let Some(child) = &mut self.child
                && child.try_wait().expect("a child").is_some()
            {
                self.child = None;
                return false;
            }
            if self.answers() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        false
    }

    fn answers(&self) -> bool {
        if self.args.iter().any(|arg| arg == "--tls-port") {
            return std::net::TcpStream::connect(("127.0.0.1", self.port)).is_ok();
        }
        let said = self.try_cli(&["PING"]);
        said.as_ref().is_ok_and(|said| said == "PONG")
            || said.as_ref().is_err_and(|said| said.contains("NOAUTH") || said.contains("uthentication"))
    }

    /// Where it is.
    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    /// Its port.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Its folder.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// How to reach it, with times for tests.
    pub(crate) fn settings(&self) -> Settings {
        settings(&self.url())
    }

    /// A connection to it.
    pub(crate) fn link(&self) -> Link {
        Link::connect(&self.settings(), PATIENCE).expect("a connection")
    }

    /// Sends a command as another program would, and renders the answer.
    pub(crate) fn cli(&self, args: &[&str]) -> String {
        self.try_cli(args).unwrap_or_else(|why| format!("(error) {why}"))
    }

    fn try_cli(&self, args: &[&str]) -> Result<String, String> {
        let told = |error: redis::RedisError| error.to_string();
        let client = redis::Client::open(self.url()).map_err(told)?;
        let mut wire = client.get_connection_with_timeout(Duration::from_secs(2)).map_err(told)?;
        wire.set_read_timeout(Some(Duration::from_secs(5))).map_err(told)?;
        let mut command = redis::cmd(args[0]);
        command.arg(&args[1..]);
        command.query(&mut wire).map(|value| rendered(&value)).map_err(told)
    }

    /// Kills it at once.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("it can be killed");
            child.wait().expect("it ends");
        }
    }

    /// Starts it again on the same port; what it held is lost.
    pub(crate) fn restart(&mut self) {
        self.kill();
        let start = Instant::now();
        while !self.launch() {
            assert!(start.elapsed() < PATIENCE, "the port is taken");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Lets it hang.
    pub(crate) fn stop(&mut self) {
        self.signal("-STOP");
        self.stopped = true;
    }

    /// Lets it go on.
    pub(crate) fn go_on(&mut self) {
        self.signal("-CONT");
        self.stopped = false;
    }

    fn signal(&self, signal: &str) {
        let child = self.child.as_ref().expect("it runs");
        let status = Command::new("kill").args([signal, &child.id().to_string()]).status();
        assert!(status.expect("kill").success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// How to reach an address, with times for tests.
pub(crate) fn settings(url: &str) -> Settings {
    Settings {
        address: Address::parse(url, None, 0).expect("an address"),
        keys: Keys::default(),
        connection_timeout: PATIENCE,
        operation_timeout: PATIENCE,
        ca: None,
    }
}

/// A port that nobody uses.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port()
}

/// An answer as text: parts of a list each on a line, `(nil)` for none.
pub(crate) fn rendered(value: &redis::Value) -> String {
    use redis::Value;
    match value {
        Value::Nil => "(nil)".to_owned(),
        Value::Int(number) => number.to_string(),
        Value::Okay => "OK".to_owned(),
        Value::SimpleString(text) => text.clone(),
        Value::BulkString(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Value::Array(parts) | Value::Set(parts) => parts.iter().map(rendered).collect::<Vec<_>>().join("\n"),
        Value::Map(pairs) => {
            let lines: Vec<_> =
                pairs.iter().map(|(key, value)| format!("{}\n{}", rendered(key), rendered(value))).collect();
            lines.join("\n")
        }
        other => format!("{other:?}"),
    }
}

/// Longest that [`eventually`] waits: on a busy machine a server that did not answer in time is left alone for a while.
const EVENTUALLY: Duration = Duration::from_secs(60);

/// Waits until something is so.
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < EVENTUALLY, "never: {what}");
        std::thread::sleep(Duration::from_millis(3));
    }
}
