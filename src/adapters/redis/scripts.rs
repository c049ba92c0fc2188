//! The scripts that run on the server, each as one atomic step.

use redis::{Cmd, ErrorKind, RedisResult, ServerErrorKind, Value};

use super::wire::Wire;

/// A script with what several of them need before it.
macro_rules! script {
    ($file:literal) => {
        Script::new(concat!(include_str!("scripts/common.lua"), include_str!($file)))
    };
}

/// One script.
pub(super) struct Script {
    code: &'static str,
    digest: String,
}

impl Script {
    fn new(code: &'static str) -> Self {
        Self { code, digest: redis::Script::new(code).get_hash().to_owned() }
    }

    /// Runs it. A server that does not know it has done nothing, and gets it whole: to load it first would leave a moment
    /// in which it can be forgotten again.
    pub(super) async fn run(&self, wire: &mut Wire, keys: &[&str], args: &[Vec<u8>]) -> RedisResult<Value> {
        match command("EVALSHA", &self.digest, keys, args).query_async(wire).await {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                self.run_whole(wire, keys, args).await
            }
            result => result,
        }
    }

    /// Sends the code itself and runs it.
    pub(super) async fn run_whole(&self, wire: &mut Wire, keys: &[&str], args: &[Vec<u8>]) -> RedisResult<Value> {
        command("EVAL", self.code, keys, args).query_async(wire).await
    }
}

fn command(name: &str, script: &str, keys: &[&str], args: &[Vec<u8>]) -> Cmd {
    let mut command = redis::cmd(name);
    command.arg(script).arg(keys.len()).arg(keys).arg(args);
    command
}

/// All of them; they are sent by their digest, and whole where the server does not know one.
pub(super) struct Scripts {
    pub(super) look: Script,
    pub(super) fetch: Script,
    pub(super) apply: Script,
    pub(super) queue: Script,
    pub(super) claim: Script,
    pub(super) unclaim: Script,
    pub(super) renew: Script,
    pub(super) space: Script,
    pub(super) lead: Script,
    pub(super) resign: Script,
    pub(super) adopt: Script,
}

impl Scripts {
    pub(super) fn new() -> Self {
        Self {
            look: script!("scripts/look.lua"),
            fetch: script!("scripts/fetch.lua"),
            apply: script!("scripts/apply.lua"),
            queue: script!("scripts/queue.lua"),
            claim: script!("scripts/claim.lua"),
            unclaim: script!("scripts/unclaim.lua"),
            renew: script!("scripts/renew.lua"),
            space: script!("scripts/space.lua"),
            lead: script!("scripts/lead.lua"),
            resign: script!("scripts/resign.lua"),
            adopt: script!("scripts/adopt.lua"),
        }
    }
}
