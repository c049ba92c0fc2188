//! The connection itself: to one server, to a cluster, or to the master that sentinels name.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Once};
use std::task::Poll;
use std::time::Duration;

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{Route, RoutingInfo, SingleNodeRoutingInfo, SlotAddr};
use redis::sentinel::{SentinelClientBuilder, SentinelServerType};
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ProtocolVersion, PushInfo, RedisError, RedisFuture,
    RedisResult, TlsCertificates, TlsMode, Value,
};
use tokio::runtime::Runtime;

use super::address::{Place, Settings};

/// How often a command is sent to another node of a cluster when the first says that it is not the one, or is gone.
const CLUSTER_RETRIES: u32 = 2;

/// Takes what the server says without being asked.
pub(super) type Push = Arc<dyn Fn(PushInfo) + Send + Sync>;

/// What drives the connection. Its threads may still wait for a name to be looked up: it does not wait for them.
pub(super) struct Ground(Option<Runtime>);

impl Ground {
    pub(super) fn new(runtime: Runtime) -> Self {
        Self(Some(runtime))
    }

    /// Waits for it; `None` after so long.
    pub(super) fn run<T>(&self, limit: Duration, work: impl Future<Output = T>) -> Option<T> {
        let runtime = self.0.as_ref()?;
        runtime.block_on(async { tokio::time::timeout(limit, work).await.ok() })
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

#[derive(Clone)]
pub(super) enum Wire {
    One(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl ConnectionLike for Wire {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::One(wire) => wire.req_packed_command(cmd),
            Self::Cluster(wire) => wire.req_packed_command(cmd),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a redis::Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::One(wire) => wire.req_packed_commands(pipeline, offset, count),
            Self::Cluster(wire) => wire.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::One(wire) => wire.get_db(),
            Self::Cluster(wire) => wire.get_db(),
        }
    }
}

impl Wire {
    /// Makes a connection.
    pub(super) async fn open(settings: &Settings, wait: Duration, push: Option<Push>) -> RedisResult<Self> {
        let address = &settings.address;
        let mut config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(wait))
            .set_response_timeout(Some(settings.operation_timeout));
        let sender = push.clone().map(|push| {
            move |news: PushInfo| {
                push(news);
                Ok::<(), ()>(())
            }
        });
        if let Some(sender) = sender.clone() {
            config = config.set_push_sender(sender);
        }
        if address.is_encrypted() {
            trust();
        }
        match address.place() {
            Place::One(host, port) => one(settings, address.host(host, *port), &config).await,
            Place::Socket(path) => one(settings, ConnectionAddr::Unix(path.into()), &config).await,
            Place::Cluster(nodes) => {
                let nodes = nodes.iter().map(|(host, port)| address.info(address.host(host, *port)));
                let nodes: Vec<_> = nodes.collect::<RedisResult<_>>()?;
                let mut client = ClusterClient::builder(nodes)
                    .use_protocol(ProtocolVersion::RESP3)
                    .retries(CLUSTER_RETRIES)
                    .connection_timeout(wait)
                    .response_timeout(settings.operation_timeout);
                if address.is_encrypted() {
                    client = client.tls(TlsMode::Secure).certs(certificates(settings));
                }
                if let Some(sender) = sender {
                    client = client.push_sender(sender);
                }
                Ok(Self::Cluster(client.build()?.get_async_connection().await?))
            }
            Place::Sentinel(nodes, master) => {
                let nodes = nodes.iter().map(|(host, port)| address.host(host, *port));
                let mut client = SentinelClientBuilder::new(nodes, master, SentinelServerType::Master)?
                    .set_client_to_redis_protocol(ProtocolVersion::RESP3);
                let login = address.login();
                client = client.set_client_to_redis_db(login.db());
                if let Some(user) = login.username() {
                    client = client.set_client_to_redis_username(user);
                }
                if let Some(password) = login.password() {
                    client = client.set_client_to_redis_password(password);
                }
                if address.is_encrypted() {
                    client = client
                        .set_client_to_redis_tls_mode(TlsMode::Secure)
                        .set_client_to_redis_certificates(certificates(settings))
                        .set_client_to_sentinel_certificates(certificates(settings));
                }
                Ok(Self::One(client.build()?.get_async_connection_with_config(&config).await?))
            }
        }
    }

    /// Asks one server: in a cluster always the same, the master of the first slot.
    pub(super) async fn ask(&mut self, command: Cmd) -> RedisResult<Value> {
        self.ask_at(command, 0).await
    }

    /// Asks the server that has a slot.
    pub(super) async fn ask_at(&mut self, command: Cmd, slot: u16) -> RedisResult<Value> {
        match self {
            Self::One(wire) => wire.send_packed_command(&command).await.and_then(Value::extract_error),
            Self::Cluster(wire) => {
                let route = SingleNodeRoutingInfo::SpecificNode(Route::new(slot, SlotAddr::Master));
                wire.route_command(command, RoutingInfo::SingleNode(route)).await.and_then(Value::extract_error)
            }
        }
    }

    /// A slot of each server that is to be asked if all are to be.
    pub(super) async fn masters(&mut self) -> RedisResult<Vec<u16>> {
        if matches!(self, Self::One(_)) {
            return Ok(vec![0]);
        }
        let mut command = redis::cmd("CLUSTER");
        command.arg("SLOTS");
        let ranges: Vec<Vec<Value>> = redis::from_redis_value(self.ask(command).await?).map_err(RedisError::from)?;
        let (mut seen, mut slots) = (Vec::new(), Vec::new());
        for range in ranges {
            if let [Value::Int(first), _, master, ..] = range.as_slice()
                && !seen.contains(master)
            {
                seen.push(master.clone());
                slots.push(u16::try_from(*first).unwrap_or_default());
            }
        }
        Ok(slots)
    }
}

async fn one(settings: &Settings, at: ConnectionAddr, config: &AsyncConnectionConfig) -> RedisResult<Wire> {
    let info = settings.address.info(at)?;
    let client = if settings.address.is_encrypted() {
        Client::build_with_tls(info, certificates(settings))?
    } else {
        Client::open(info)?
    };
    Ok(Wire::One(client.get_multiplexed_async_connection_with_config(config).await?))
}

fn certificates(settings: &Settings) -> TlsCertificates {
    TlsCertificates { client_tls: None, root_cert: settings.ca.clone() }
}

/// Names who does the cryptography; without it the first encrypted connection would panic.
fn trust() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // An error means that somebody has already named one.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}

/// Something that runs beside others.
pub(super) type Beside<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// Runs all of them at the same time; the results in the same order.
pub(super) async fn all<T>(mut work: Vec<Beside<'_, T>>) -> Vec<T> {
    let mut done: Vec<Option<T>> = work.iter().map(|_| None).collect();
    poll_fn(|context| {
        for (one, done) in work.iter_mut().zip(&mut done) {
            if done.is_none()
                && let Poll::Ready(result) = one.as_mut().poll(context)
            {
                *done = Some(result);
            }
        }
        if done.iter().all(Option::is_some) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    done.into_iter().flatten().collect()
}
