//! The master that sentinels watch over: they are asked for its address, and it is asked whether it is one.
//!
//! The protocol is that of <https://redis.io/docs/latest/develop/reference/sentinel-clients/>, but that all sentinels are asked
//! at the same time: one that hangs costs no part of the few milliseconds that there are.

use redis::{RedisConnectionInfo, RedisError, Value, cmd};
use tokio::task::JoinSet;

use super::address::{Endpoint, Settings, is_host};
use super::error::{BridgeError, Place};
use super::news::{list, text};
use super::wire::{self, Opened, Push};

/// How much an error tells: a sentinel that cannot be reached less than one that answers, and that less than the master.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Silent,
    Sentinel,
    Master,
}

/// Connects to the first master that a sentinel names and that says of itself that it is one.
pub(super) async fn open_master(
    settings: &Settings,
    sentinels: &[(String, u16)],
    master: &str,
    push: Option<&Push>,
) -> Result<Opened, BridgeError> {
    let mut asked = JoinSet::new();
    for (host, port) in sentinels {
        let endpoint = Endpoint::Tcp(host.clone(), *port);
        let at = Settings { address: settings.address.of_sentinel(endpoint.clone()), ..settings.clone() };
        let master = master.to_owned();
        asked.spawn(async move { find_master(&at, &endpoint, &master).await });
    }
    let no_master = |why: String| BridgeError::NoMaster { address: settings.address.to_string(), why };
    let (mut tried, mut failed) = (Vec::new(), None::<(Rank, BridgeError)>);
    while let Some(answer) = asked.join_next().await {
        let (rank, error) = match answer {
            Ok(Ok(Some(endpoint))) if tried.contains(&endpoint) => continue,
            Ok(Ok(Some(endpoint))) => {
                let at = Settings { address: settings.address.of_server(endpoint.clone()), ..settings.clone() };
                tried.push(endpoint.clone());
                match wire::open_server(&at, &endpoint, push).await {
                    Ok(opened) if opened.server.is_replica => {
                        (Rank::Master, no_master(format!("they name {}, which is a replica", at.address)))
                    }
                    Ok(opened) => return Ok(opened),
                    Err(error) => (Rank::Master, error),
                }
            }
            Ok(Ok(None)) => (Rank::Sentinel, no_master(format!("they know none that is called `{master}`"))),
            Ok(Err(error @ (BridgeError::Unreachable { .. } | BridgeError::TimedOut { .. }))) => (Rank::Silent, error),
            Ok(Err(error)) => (Rank::Sentinel, error),
            Err(error) => (Rank::Silent, no_master(error.to_string())),
        };
        if failed.as_ref().is_none_or(|(known, _)| *known < rank) {
            failed = Some((rank, error));
        }
    }
    Err(failed.map_or_else(|| no_master("there is none to ask".to_owned()), |(_, error)| error))
}

/// Asks one sentinel where a master is; `None` if it knows of none with that name.
async fn find_master(settings: &Settings, endpoint: &Endpoint, master: &str) -> Result<Option<Endpoint>, BridgeError> {
    // Sentinels of every age speak the older protocol, and it needs no greeting.
    let login = RedisConnectionInfo::default().set_skip_set_lib_name();
    let mut wire = wire::connect(settings, endpoint, &login, None).await?;
    let place = Place { address: &settings.address, is_connecting: true, limit: settings.operation_timeout };
    let mut ask = cmd("SENTINEL");
    ask.arg("get-master-addr-by-name").arg(master);
    let answer: Value = ask.query_async(&mut wire).await.map_err(|error: RedisError| place.error(&error))?;
    if answer == Value::Nil {
        return Ok(None);
    }
    let mut parts = list(answer).unwrap_or_default().into_iter().map(text);
    let host = parts.next().flatten().filter(|host| is_host(host));
    let port = parts.next().flatten().and_then(|port| port.parse().ok()).filter(|port| *port != 0);
    let endpoint = host.zip(port).map(|(host, port)| Endpoint::Tcp(host, port));
    endpoint.map(Some).ok_or_else(|| place.protocol("a sentinel gave no address of a master"))
}
