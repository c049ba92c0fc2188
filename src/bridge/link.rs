//! One connection: making it, what the server is, and what needs no script.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use redis::{Cmd, RedisError, RedisResult, Value, cmd};

use super::address::Settings;
use super::error::{BridgeError, Place};
use super::news::{self, News, list, text};
use super::scripts::{Script, Scripts};
use super::wire::{Ground, Push, Wire, all};
use crate::mirror::Keys;
use crate::name::Kind;

/// How many keys one step of a scan looks at.
const SCAN_STEP: usize = 1_000;
/// The most keys that a scan finds.
const SCAN_KEYS_MAX: usize = 1_000_000;

/// What is at the other end.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Server {
    /// What it calls itself, with its version: `Redis 7.0.15`.
    pub name: String,
    /// Another one means other data: it was replaced, emptied by a restart, or another took over.
    pub identity: String,
    /// It is one of a cluster.
    pub is_cluster: bool,
    /// It is a copy of another and takes no writes.
    pub is_replica: bool,
    /// It tells which keys change (only of a link that listens).
    pub tracks: bool,
    /// The memory it uses, in bytes, if it may be known.
    pub memory_bytes: Option<u64>,
    /// What it does when its memory is full (`maxmemory-policy`), if that may be known.
    pub eviction: Option<String>,
}

/// Something that is told to everybody who listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Where, without the prefix.
    pub channel: String,
    /// What.
    pub payload: Vec<u8>,
}

/// One connection. Threads may share it.
///
/// Every call ends within the settings' `operation_timeout`, or that much for each of its steps where it says so.
pub struct Link {
    ground: Ground,
    wire: Wire,
    settings: Settings,
    pub(super) scripts: Scripts,
    server: Server,
    lacks: Vec<String>,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link")
            .field("address", &self.settings.address)
            .field("server", &self.server)
            .finish_non_exhaustive()
    }
}

impl Link {
    /// Makes a connection that is used briefly; nothing happens on it between calls.
    ///
    /// # Errors
    /// [`BridgeError`]; never later than `within`.
    pub fn connect(settings: &Settings, within: Duration) -> Result<Self, BridgeError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        Self::make(settings, within, runtime, None)
    }

    /// Makes a connection that tells what happens on the server: of every document and record that changes, and what is
    /// published where one of the patterns (without prefix) fits. What the user may not do is left out: [`Link::lacks`].
    ///
    /// `on_news` is called on a thread of its own and must not wait, nor use the link.
    ///
    /// # Errors
    /// [`BridgeError`]; never later than `within`.
    pub fn listen(
        settings: &Settings,
        within: Duration,
        patterns: &[String],
        on_news: impl Fn(News) + Send + Sync + 'static,
    ) -> Result<Self, BridgeError> {
        Self::open(settings, within, patterns, on_news, true)
    }

    /// The same without what changes: only what is published.
    ///
    /// # Errors
    /// As [`Link::listen`].
    pub fn hear(
        settings: &Settings,
        within: Duration,
        patterns: &[String],
        on_news: impl Fn(News) + Send + Sync + 'static,
    ) -> Result<Self, BridgeError> {
        Self::open(settings, within, patterns, on_news, false)
    }

    fn open(
        settings: &Settings,
        within: Duration,
        patterns: &[String],
        on_news: impl Fn(News) + Send + Sync + 'static,
        is_tracking: bool,
    ) -> Result<Self, BridgeError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("mycelium-redis")
            .enable_all()
            .build();
        let keys = settings.keys.clone();
        let push: Push = Arc::new(move |push| {
            if let Some(news) = news::read(push, &keys) {
                on_news(news);
            }
        });
        let start = Instant::now();
        let mut link = Self::make(settings, within, runtime, Some(push))?;
        link.subscribe(patterns, within.saturating_sub(start.elapsed()), is_tracking)?;
        Ok(link)
    }

    fn make(
        settings: &Settings,
        within: Duration,
        runtime: std::io::Result<tokio::runtime::Runtime>,
        push: Option<Push>,
    ) -> Result<Self, BridgeError> {
        let start = Instant::now();
        let place = || Place { address: &settings.address, is_connecting: true, limit: start.elapsed() };
        let runtime = runtime.map_err(|error| {
            let address = settings.address.to_string();
            BridgeError::Unreachable { address, why: format!("no thread for it: {error}") }
        })?;
        let ground = Ground::new(runtime);
        let made = ground.run(within, async {
            let mut wire = Wire::open(settings, settings.connection_timeout.min(within), push).await?;
            wire.ask(cmd("PING")).await?;
            // The scripts cannot do without the server's clock; better said now than in mid work.
            wire.ask(cmd("TIME")).await?;
            let (server, lacks) = greet(&mut wire).await?;
            Ok((wire, server, lacks))
        });
        let (wire, mut server, lacks) =
            made.ok_or_else(|| place().late())?.map_err(|error: RedisError| place().error(&error))?;
        server.is_cluster |= settings.address.is_cluster();
        Ok(Self { ground, wire, settings: settings.clone(), scripts: Scripts::new(), server, lacks })
    }

    fn subscribe(&mut self, patterns: &[String], within: Duration, is_tracking: bool) -> Result<(), BridgeError> {
        let (mut wire, prefix) = (self.wire.clone(), self.keys().prefix().to_owned());
        let mut track = cmd("CLIENT");
        track.arg("TRACKING").arg("ON").arg("BCAST");
        for start in Kind::ALL.map(|kind| self.keys().all(kind)).into_iter().chain([self.keys().records()]) {
            track.arg("PREFIX").arg(start);
        }
        let made = self.ground.run(within, async {
            let tracks = match &mut wire {
                Wire::One(_) if is_tracking => Some(wire.ask(track).await),
                _ => None,
            };
            let mut heard = Vec::new();
            for pattern in patterns {
                let pattern = format!("{prefix}{pattern}");
                heard.push(match &mut wire {
                    Wire::One(wire) => wire.psubscribe(pattern).await,
                    Wire::Cluster(wire) => wire.psubscribe(pattern).await,
                });
            }
            (tracks, heard)
        });
        let place = Place { address: &self.settings.address, is_connecting: true, limit: within };
        let (tracks, heard) = made.ok_or_else(|| place.late())?;
        // What the server says no to is left out; that it says nothing is an error.
        let lacks = |result: RedisResult<()>| match result.map_err(|error| place.error(&error)) {
            Ok(()) => Ok(false),
            Err(error) if error.is_lost() => Err(error),
            Err(_) => Ok(true),
        };
        let mut left_out = Vec::new();
        self.server.tracks = match tracks {
            Some(tracks) => !lacks(tracks.map(|_| ()))?,
            None => false,
        };
        if is_tracking && !self.server.tracks {
            left_out.push("CLIENT TRACKING".to_owned());
        }
        for (pattern, result) in patterns.iter().zip(heard) {
            if lacks(result)? {
                left_out.push(format!("PSUBSCRIBE {pattern}"));
            }
        }
        self.lacks.extend(left_out);
        Ok(())
    }

    /// What is at the other end, as it was when the connection was made.
    #[must_use]
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// What the server or the user's rights there do not allow, and is done without: names of commands.
    #[must_use]
    pub fn lacks(&self) -> &[String] {
        &self.lacks
    }

    /// How keys are made.
    #[must_use]
    pub fn keys(&self) -> &Keys {
        &self.settings.keys
    }

    /// Asks for a sign of life.
    ///
    /// # Errors
    /// [`BridgeError`] if there is none.
    pub fn ping(&self) -> Result<(), BridgeError> {
        let mut wire = self.wire.clone();
        self.call(async { wire.ask(cmd("PING")).await }).map(|_| ())
    }

    /// The keys that fit a pattern (with its prefix); on every master of a cluster, each once. Every step has the time of
    /// a call.
    ///
    /// # Errors
    /// [`BridgeError`]; what was found before is lost.
    pub fn scan(&self, pattern: &str) -> Result<Vec<String>, BridgeError> {
        let mut wire = self.wire.clone();
        let mut found = BTreeSet::new();
        for slot in self.call(async { wire.masters().await })? {
            let mut cursor = "0".to_owned();
            loop {
                let mut step = cmd("SCAN");
                step.arg(&cursor).arg("MATCH").arg(pattern).arg("COUNT").arg(SCAN_STEP);
                let answer = self.call(async { wire.ask_at(step, slot).await })?;
                let mut answer = list(answer).unwrap_or_default().into_iter();
                cursor =
                    answer.next().and_then(text).ok_or_else(|| self.place().protocol("a scan without a cursor"))?;
                found.extend(answer.next().and_then(list).unwrap_or_default().into_iter().filter_map(text));
                if found.len() > SCAN_KEYS_MAX {
                    return Err(self.place().protocol(format!("more than {SCAN_KEYS_MAX} keys fit")));
                }
                if cursor == "0" {
                    break;
                }
            }
        }
        Ok(found.into_iter().collect())
    }

    /// Lets hashes live for so long from now.
    ///
    /// # Errors
    /// [`BridgeError`]; some may have been done.
    pub fn expire(&self, ttls: &[(String, Duration)]) -> Result<(), BridgeError> {
        self.send(ttls.iter().map(|(key, ttl)| {
            let mut command = cmd("PEXPIRE");
            command.arg(key).arg(ms(*ttl));
            command
        }))
        .map(|_| ())
    }

    /// Removes keys.
    ///
    /// # Errors
    /// [`BridgeError`]; some may have been done.
    pub fn delete(&self, keys: &[String]) -> Result<(), BridgeError> {
        self.send(keys.iter().map(|key| {
            let mut command = cmd("DEL");
            command.arg(key);
            command
        }))
        .map(|_| ())
    }

    /// Takes or renews a lease that one node at a time has; whether it is this node's.
    ///
    /// # Errors
    /// [`BridgeError`]; if [`BridgeError::is_unknown`] the node may have it.
    pub fn hold(&self, key: &str, node: &str, for_: Duration) -> Result<bool, BridgeError> {
        let answer = self.run(&self.scripts.hold, &[key], &[node.into(), ms(for_).to_string().into()])?;
        Ok(answer == Value::Int(1))
    }

    /// Whether one script may touch keys of several documents.
    pub(super) fn is_one_step(&self) -> bool {
        !self.server.is_cluster || self.keys().prefix().contains('{')
    }

    pub(super) fn place(&self) -> Place<'_> {
        Place { address: &self.settings.address, is_connecting: false, limit: self.settings.operation_timeout }
    }

    /// Waits for something, as long as a call may take.
    pub(super) fn call<T>(&self, work: impl Future<Output = RedisResult<T>>) -> Result<T, BridgeError> {
        let place = self.place();
        let result = self.ground.run(self.settings.operation_timeout, work).ok_or_else(|| place.late())?;
        result.map_err(|error| place.error(&error))
    }

    /// One command.
    pub(super) fn one(&self, command: &Cmd) -> Result<Value, BridgeError> {
        let mut wire = self.wire.clone();
        self.call(async { command.query_async(&mut wire).await })
    }

    /// Commands one after the other, in one go where there is one server.
    pub(super) fn send(&self, commands: impl Iterator<Item = Cmd>) -> Result<Vec<Value>, BridgeError> {
        let commands: Vec<Cmd> = commands.collect();
        if commands.is_empty() {
            return Ok(Vec::new());
        }
        if let Wire::One(wire) = &self.wire {
            let mut wire = wire.clone();
            let mut pipeline = redis::pipe();
            for command in commands {
                pipeline.add_command(command);
            }
            return self.call(async { pipeline.query_async(&mut wire).await });
        }
        self.call(async {
            let work = commands.iter().map(|command| {
                let mut wire = self.wire.clone();
                Box::pin(async move { command.query_async(&mut wire).await }) as _
            });
            all(work.collect()).await.into_iter().collect()
        })
    }

    /// One script.
    pub(super) fn run(&self, script: &Script, keys: &[&str], args: &[Vec<u8>]) -> Result<Value, BridgeError> {
        let mut wire = self.wire.clone();
        self.call(async { script.run(&mut wire, keys, args).await })
    }

    /// A script for each of several sets of keys, at the same time.
    pub(super) fn run_each(
        &self,
        script: &Script,
        each: &[(Vec<&str>, Vec<Vec<u8>>)],
    ) -> Result<Vec<Value>, BridgeError> {
        self.call(async {
            let work = each.iter().map(|(keys, args)| {
                let mut wire = self.wire.clone();
                Box::pin(async move { script.run(&mut wire, keys, args).await }) as _
            });
            all(work.collect()).await.into_iter().collect()
        })
    }
}

/// Whole milliseconds, at least one: 0 would remove a key.
pub(super) fn ms(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX).max(1)
}

/// Asks a server what it is. What it does not permit is left out and named.
async fn greet(wire: &mut Wire) -> RedisResult<(Server, Vec<String>)> {
    let mut lacks = Vec::new();
    let mut server = Server::default();
    if let Ok(Value::Map(hello)) = wire.ask(cmd("HELLO")).await {
        let mut hello = hello.into_iter().filter_map(|(key, value)| Some((text(key)?, text(value)?)));
        let (mut name, mut version) = (String::new(), String::new());
        for (key, value) in hello.by_ref() {
            match key.as_str() {
                "server" => name = value,
                "version" => version = value,
                "mode" => server.is_cluster = value == "cluster",
                _ => {}
            }
        }
        server.name = format!(
            "{}{} {version}",
            name.get(..1).unwrap_or_default().to_uppercase(),
            name.get(1..).unwrap_or_default()
        );
    }
    let info = |wire: &Wire, section: &'static str| {
        let mut wire = wire.clone();
        async move {
            let mut command = cmd("INFO");
            command.arg(section);
            match wire.ask(command).await {
                Ok(answer) => Ok(text(answer)),
                Err(error) if error.is_io_error() => Err(error),
                Err(_) => Ok(None),
            }
        }
    };
    let find = |info: &str, field: &str| {
        info.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':').map(|value| value.trim().to_owned()))
    };
    match info(wire, "replication").await? {
        Some(replication) => {
            server.is_replica = find(&replication, "role").is_some_and(|role| role != "master");
            server.identity = find(&replication, "master_replid").unwrap_or_default();
        }
        None => lacks.push("INFO replication".to_owned()),
    }
    if let Some(about) = info(wire, "server").await?
        && let Some(run) = find(&about, "run_id")
    {
        server.identity = format!("{}/{run}", server.identity);
    }
    if let Some(memory) = info(wire, "memory").await? {
        server.memory_bytes = find(&memory, "used_memory").and_then(|bytes| bytes.parse().ok());
        server.eviction = find(&memory, "maxmemory_policy");
    }
    Ok((server, lacks))
}
