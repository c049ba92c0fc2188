//! One connection: making it, what the server is, and what needs no script.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use redis::{Cmd, RedisResult, Value, cmd};

use super::address::Settings;
use super::codec::Keys;
use super::error::{BridgeError, Place};
use super::leadership::LeadAnswer;
use super::news::{self, News, list, text};
use super::scripts::{Script, Scripts};
use super::server::Server;
use super::wire::{self, Ground, Opened, Push, Wire, all};

use crate::core::name::Kind;

/// How many keys one step of a scan looks at.
const SCAN_STEP: usize = 1_000;
/// The most keys that a scan finds.
const SCAN_KEYS_MAX: usize = 1_000_000;

/// Longest wait for the answer to a resignation.
const RESIGN: Duration = Duration::from_millis(20);

/// A message that is published.
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

    /// Makes a connection that reports what happens on the server: of every document and record that changes, and what is
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
        Self::hear(settings, within, patterns, on_news, true)
    }

    /// The same, and if not `is_tracking` without what changes: only what is published.
    ///
    /// # Errors
    /// As [`Link::listen`].
    pub fn hear(
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
        let mut link = Self::make(settings, within, runtime, Some(&push))?;
        link.subscribe(patterns, within.saturating_sub(start.elapsed()), is_tracking)?;
        Ok(link)
    }

    fn make(
        settings: &Settings,
        within: Duration,
        runtime: std::io::Result<tokio::runtime::Runtime>,
        push: Option<&Push>,
    ) -> Result<Self, BridgeError> {
        let start = Instant::now();
        let runtime = runtime.map_err(|error| {
            let address = settings.address.to_string();
            BridgeError::Unreachable { address, why: format!("no thread for it: {error}") }
        })?;
        let ground = Ground::new(runtime);
        let made = ground.run(within.min(settings.connection_timeout), wire::open(settings, push));
        let Opened { wire, server, lacks } =
            made.ok_or_else(|| Place::connecting(&settings.address, start).late())??;
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
            let tracks = if is_tracking { Some(track.query_async(&mut wire).await) } else { None };
            let mut heard = Vec::new();
            for pattern in patterns {
                heard.push(wire.psubscribe(format!("{prefix}{pattern}")).await);
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
            Some(tracks) => !lacks(tracks)?,
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

    /// The keys that fit a pattern (with its prefix), each once. Every step has the time of a call.
    ///
    /// # Errors
    /// [`BridgeError`]; what was found before is lost.
    pub fn scan(&self, pattern: &str) -> Result<Vec<String>, BridgeError> {
        let mut found = BTreeSet::new();
        let mut cursor = "0".to_owned();
        loop {
            let mut step = cmd("SCAN");
            step.arg(&cursor).arg("MATCH").arg(pattern).arg("COUNT").arg(SCAN_STEP);
            let mut answer = list(self.one(&step)?).unwrap_or_default().into_iter();
            cursor = answer.next().and_then(text).ok_or_else(|| self.place().protocol("a scan without a cursor"))?;
            found.extend(answer.next().and_then(list).unwrap_or_default().into_iter().filter_map(text));
            if found.len() > SCAN_KEYS_MAX {
                return Err(self.place().protocol(format!("more than {SCAN_KEYS_MAX} keys fit")));
            }
            if cursor == "0" {
                return Ok(found.into_iter().collect());
            }
        }
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

    /// Takes or renews the lead, which one node at a time has. `before` is the key that remembers who had it last. A renewal
    /// works also where the server has no memory left.
    ///
    /// # Errors
    /// [`BridgeError`]; if [`BridgeError::is_unknown`] the node may have it.
    pub fn lead(
        &self,
        [key, before]: [&str; 2],
        node: &str,
        for_: Duration,
        remembered: Duration,
    ) -> Result<LeadAnswer, BridgeError> {
        let args = [node.into(), ms(for_).to_string().into(), ms(remembered).to_string().into()];
        match self.run(&self.scripts.lead, &[key, before], &args)? {
            Value::Int(0) => Ok(LeadAnswer::Other),
            Value::Int(1) => Ok(LeadAnswer::Taken),
            Value::Int(2) => Ok(LeadAnswer::Kept),
            Value::Int(3) => Ok(LeadAnswer::Inherited),
            _ => Err(self.place().protocol("a lead without an answer")),
        }
    }

    /// Gives the lead back; returns whether it is free or another node's now. A server that hangs does it when it goes on: this
    /// waits only 20 ms for the answer.
    ///
    /// # Errors
    /// [`BridgeError`]; the lead ends with its lease at the latest.
    pub fn end_lead(&self, [key, before]: [&str; 2], node: &str) -> Result<bool, BridgeError> {
        let mut wire = self.wire.clone();
        let (keys, args) = ([key, before], [node.into()]);
        // Whole: if the server did not know it, nothing would be sent after that answer.
        let answer = self.call_within(RESIGN, self.scripts.resign.run_whole(&mut wire, &keys, &args))?;
        Ok(answer == Value::Int(1))
    }

    pub(super) fn place(&self) -> Place<'_> {
        Place { address: &self.settings.address, is_connecting: false, limit: self.settings.operation_timeout }
    }

    /// Waits for something, as long as a call may take.
    pub(super) fn call<T>(&self, work: impl Future<Output = RedisResult<T>>) -> Result<T, BridgeError> {
        self.call_within(self.settings.operation_timeout, work)
    }

    fn call_within<T>(&self, limit: Duration, work: impl Future<Output = RedisResult<T>>) -> Result<T, BridgeError> {
        let place = Place { limit, ..self.place() };
        let result = self.ground.run(limit, work).ok_or_else(|| place.late())?;
        result.map_err(|error| place.error(&error))
    }

    /// One command.
    pub(super) fn one(&self, command: &Cmd) -> Result<Value, BridgeError> {
        let mut wire = self.wire.clone();
        self.call(async { command.query_async(&mut wire).await })
    }

    /// Commands one after the other, in one go.
    pub(super) fn send(&self, commands: impl Iterator<Item = Cmd>) -> Result<Vec<Value>, BridgeError> {
        let mut pipeline = redis::pipe();
        for command in commands {
            pipeline.add_command(command);
        }
        if pipeline.is_empty() {
            return Ok(Vec::new());
        }
        let mut wire = self.wire.clone();
        self.call(async { pipeline.query_async(&mut wire).await })
    }

    /// One script.
    pub(super) fn run(&self, script: &Script, keys: &[&str], args: &[Vec<u8>]) -> Result<Value, BridgeError> {
        let mut wire = self.wire.clone();
        self.call(async { script.run(&mut wire, keys, args).await })
    }

    /// A script for each of several sets of keys, at the same time, with a result for each.
    ///
    /// # Errors
    /// [`BridgeError`] if the connection is lost or there is no answer in time: then none is known.
    pub(super) fn run_apart(
        &self,
        script: &Script,
        each: &[(Vec<&str>, Vec<Vec<u8>>)],
    ) -> Result<Vec<Result<Value, BridgeError>>, BridgeError> {
        let place = self.place();
        let results = self.call(async {
            let work = each.iter().map(|(keys, args)| {
                let mut wire = self.wire.clone();
                Box::pin(async move { script.run(&mut wire, keys, args).await }) as _
            });
            let done: Vec<RedisResult<Value>> = all(work.collect()).await;
            Ok(done)
        })?;
        let results: Vec<_> = results.into_iter().map(|result| result.map_err(|error| place.error(&error))).collect();
        match results.iter().find_map(|result| result.as_ref().err().filter(|error| error.is_lost())) {
            Some(lost) => Err(lost.clone()),
            None => Ok(results),
        }
    }
}

/// Whole milliseconds, at least one: 0 would remove a key.
pub(super) fn ms(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX).max(1)
}
