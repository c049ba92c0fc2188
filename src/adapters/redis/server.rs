//! What is at the other end of a connection.

use redis::{RedisResult, Value, cmd};

use super::news::text;
use super::wire::Wire;

/// What is at the other end.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Server {
    /// What it calls itself, with its version: `Redis 7.0.15`.
    pub name: String,
    /// Another one means other data: it was replaced, emptied by a restart, or another took over.
    pub identity: String,
    /// It is a copy of another and takes no writes.
    pub is_replica: bool,
    /// It reports which keys change (only of a link that listens).
    pub tracks: bool,
    /// The memory it uses, in bytes, if it may be known.
    pub memory_bytes: Option<u64>,
    /// What it does when its memory is full (`maxmemory-policy`), if that may be known.
    pub eviction: Option<String>,
}

/// What a server says of itself.
#[derive(Debug, Default)]
pub(super) struct Greeting {
    pub(super) server: Server,
    /// It belongs to a cluster.
    pub(super) is_cluster: bool,
    /// What the user may not ask there: names of commands.
    pub(super) lacks: Vec<String>,
}

/// Asks a server what it is. What it does not permit is left out and named.
pub(super) async fn greet(wire: &mut Wire) -> RedisResult<Greeting> {
    cmd("PING").exec_async(wire).await?;
    // The scripts cannot do without the server's clock; better said now than in mid work.
    cmd("TIME").exec_async(wire).await?;
    let Greeting { mut server, mut is_cluster, mut lacks } = Greeting::default();
    if let Ok(Value::Map(hello)) = cmd("HELLO").query_async(wire).await {
        let mut hello = hello.into_iter().filter_map(|(key, value)| Some((text(key)?, text(value)?)));
        let (mut name, mut version) = (String::new(), String::new());
        for (key, value) in hello.by_ref() {
            match key.as_str() {
                "server" => name = value,
                "version" => version = value,
                "mode" => is_cluster = value == "cluster",
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
            match command.query_async(&mut wire).await {
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
    Ok(Greeting { server, is_cluster, lacks })
}
