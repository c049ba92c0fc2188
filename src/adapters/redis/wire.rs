//! The connection itself: to a server, or to the master that sentinels name. However it is made, its answers are bounded.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, PushInfo, RedisConnectionInfo, RedisError};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::runtime::Runtime;

use super::address::{Endpoint, Place as At, Settings};
use super::bounds::BoundedStream;
use super::error::{BridgeError, Place};
use super::server::{Greeting, Server, greet};
use super::{sentinel, tls};

/// Takes what the server says without being asked.
pub(super) type Push = Arc<dyn Fn(PushInfo) + Send + Sync>;

/// A connection to one server.
pub(super) type Wire = MultiplexedConnection;

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

/// A connection, and what is at its other end.
pub(super) struct Opened {
    pub(super) wire: Wire,
    pub(super) server: Server,
    /// What the user may not ask there: names of commands.
    pub(super) lacks: Vec<String>,
}

/// Makes a connection to the server of an address, or to the master that its sentinels name.
pub(super) async fn open(settings: &Settings, push: Option<&Push>) -> Result<Opened, BridgeError> {
    match settings.address.place() {
        At::Server(endpoint) => open_server(settings, endpoint, push).await,
        At::Sentinel(sentinels, master) => sentinel::open_master(settings, sentinels, master, push).await,
    }
}

/// Makes a connection to one server, with the login of its address, and asks what it is.
pub(super) async fn open_server(
    settings: &Settings,
    endpoint: &Endpoint,
    push: Option<&Push>,
) -> Result<Opened, BridgeError> {
    let start = Instant::now();
    let mut wire = connect(settings, endpoint, &settings.address.login(), push).await?;
    let greeting = greet(&mut wire).await;
    let Greeting { server, is_cluster, lacks } =
        greeting.map_err(|error| Place::connecting(&settings.address, start).error(&error))?;
    if is_cluster {
        return Err(BridgeError::Cluster { address: settings.address.to_string() });
    }
    Ok(Opened { wire, server, lacks })
}

/// Makes a connection to one server or sentinel.
pub(super) async fn connect(
    settings: &Settings,
    endpoint: &Endpoint,
    login: &RedisConnectionInfo,
    push: Option<&Push>,
) -> Result<Wire, BridgeError> {
    let start = Instant::now();
    let place = || Place::connecting(&settings.address, start);
    let failed = |error: std::io::Error| place().error(&RedisError::from(error));
    let mut config = AsyncConnectionConfig::new().set_response_timeout(Some(settings.operation_timeout));
    if let Some(push) = push.cloned() {
        config = config.set_push_sender(move |news: PushInfo| {
            push(news);
            Ok::<(), ()>(())
        });
    }
    let wire = match endpoint {
        Endpoint::Socket(path) => log_in(UnixStream::connect(path).await.map_err(failed)?, login, config).await,
        Endpoint::Tcp(host, port) => {
            let stream = TcpStream::connect((host.as_str(), *port)).await.map_err(failed)?;
            stream.set_nodelay(true).map_err(failed)?;
            if settings.address.is_encrypted() {
                let stream = tls::handshake(settings, host, stream, start).await?;
                log_in(stream, login, config).await
            } else {
                log_in(stream, login, config).await
            }
        }
    };
    wire.map_err(|error| place().error(&error))
}

/// Begins to talk over a stream. This is the only way to a connection, so that the answers of each are bounded.
async fn log_in(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    login: &RedisConnectionInfo,
    config: AsyncConnectionConfig,
) -> Result<Wire, RedisError> {
    let (wire, driver) = Wire::new_with_config(login, BoundedStream::new(stream), config).await?;
    tokio::spawn(driver);
    Ok(wire)
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
