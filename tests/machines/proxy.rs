//! A way to the server that can be slow, stalled, or cut in one direction or both: a thread for each connection and direction.
#![allow(dead_code, reason = "each test uses its part")]

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

/// What becomes of what is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Way {
    /// It arrives.
    Open,
    /// It waits until the way is open again; new connections wait as well.
    Stalled,
    /// Nothing that the server says arrives.
    Deaf,
    /// Every connection is closed, and no new one is made.
    Cut,
}

#[derive(Debug)]
struct Shared {
    way: AtomicU8,
    delay_ms: AtomicU64,
}

impl Shared {
    fn way(&self) -> Way {
        match self.way.load(Ordering::SeqCst) {
            0 => Way::Open,
            1 => Way::Stalled,
            2 => Way::Deaf,
            _ => Way::Cut,
        }
    }
}

/// A proxy on a port of its own.
#[derive(Debug)]
pub(crate) struct Proxy {
    port: u16,
    shared: Arc<Shared>,
}

impl Proxy {
    /// Starts one before a server.
    pub(crate) fn before(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let own = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared { way: AtomicU8::new(0), delay_ms: AtomicU64::new(0) });
        let state = Arc::clone(&shared);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if state.way() == Way::Cut {
                    continue;
                }
                let Ok(server) = TcpStream::connect(("127.0.0.1", port)) else { continue };
                let _ = (client.set_nodelay(true), server.set_nodelay(true));
                let (Ok(to_client), Ok(to_server)) = (client.try_clone(), server.try_clone()) else { continue };
                let (up, down) = (Arc::clone(&state), Arc::clone(&state));
                std::thread::spawn(move || forward(client, to_server, &up, false));
                std::thread::spawn(move || forward(server, to_client, &down, true));
            }
        });
        Self { port: own, shared }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    pub(crate) fn set(&self, way: Way) {
        self.shared.way.store(way as u8, Ordering::SeqCst);
    }

    /// How long everything takes in each direction.
    pub(crate) fn delay(&self, delay: Duration) {
        self.shared.delay_ms.store(u64::try_from(delay.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

fn forward(mut from: TcpStream, mut to: TcpStream, shared: &Shared, is_answer: bool) {
    let _ = from.set_read_timeout(Some(Duration::from_millis(20)));
    let mut bytes = [0; 16 * 1024];
    loop {
        if shared.way() == Way::Cut {
            break;
        }
        let count = match from.read(&mut bytes) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {
                continue;
            }
            Err(_) => break,
        };
        std::thread::sleep(Duration::from_millis(shared.delay_ms.load(Ordering::SeqCst)));
        while shared.way() == Way::Stalled || is_answer && shared.way() == Way::Deaf {
            std::thread::sleep(Duration::from_millis(5));
        }
        if shared.way() == Way::Cut || to.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}
