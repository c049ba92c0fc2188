//! A server that says more than can be meant costs no memory: the connection ends, with a reason.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use mycelium::redis::{ANSWER_BYTES_MAX, Link, Settings};
use tokio_rustls::rustls::{ServerConnection, StreamOwned};

use crate::secure::Certificates;
use crate::sentinel::{fake_sentinel, names};
use crate::server::settings;
use crate::support::{Run, Sandbox};

/// More than that is in buffers on the way: those of two sockets grow while the machine is busy.
const ON_THE_WAY: u64 = 64 * 1024 * 1024;
/// Longer than it takes to read as much as is allowed.
const LONG: Duration = Duration::from_secs(20);

/// A server that answers whatever it is asked with `begin` and then `more` without an end, over TLS where there are certificates;
/// its port, and how many bytes it got rid of.
fn hostile(begin: &'static str, more: &'static str, certificates: Option<&Certificates>) -> (u16, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let tls = certificates.map(Certificates::for_a_server);
    let sent = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&sent);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let (counter, tls) = (Arc::clone(&counter), tls.clone());
            std::thread::spawn(move || {
                let _ = stream.set_write_timeout(Some(Duration::from_secs(10)));
                match tls {
                    None => flood(stream, begin, more, &counter),
                    Some(tls) => {
                        let tls = ServerConnection::new(tls).expect("a connection");
                        flood(StreamOwned::new(tls, stream), begin, more, &counter);
                    }
                }
            });
        }
    });
    (port, sent)
}

fn flood(mut stream: impl Read + Write, begin: &str, more: &str, sent: &AtomicU64) {
    let _ = stream.read(&mut [0; 1024]);
    let block = more.repeat(64 * 1024 / more.len());
    let mut next = begin.as_bytes();
    while let Ok(count) = stream.write(next) {
        if count == 0 || sent.fetch_add(count as u64, Ordering::SeqCst) > 1 << 30 {
            return;
        }
        next = block.as_bytes();
    }
}

/// The ways to a server that says too much, each as its address.
type Way = fn(u16) -> String;
const PLAIN: [Way; 3] = [
    |port| format!("redis://127.0.0.1:{port}"),
    |sentinel| format!("redis+sentinel://127.0.0.1:{sentinel}/main"),
    |master| format!("redis+sentinel://127.0.0.1:{}/main", fake_sentinel(names(master))),
];
const ENCRYPTED: [Way; 2] =
    [|port| format!("rediss://127.0.0.1:{port}"), |sentinel| format!("rediss+sentinel://127.0.0.1:{sentinel}/main")];

#[test]
fn a_server_that_says_too_much_costs_no_memory() {
    let certificates = Certificates::make("a_server_that_says_too_much_costs_no_memory, over TLS");
    for (what, begin, more, is_known_at_once) in [
        ("a text of 2 GB", "$2147483647\r\n", "x", true),
        ("a list of 1,000,000,000", "*1000000000\r\n", ":1\r\n", true),
        ("a map of 500,000,000", "%500000000\r\n", "+a\r\n", true),
        ("lists in lists", "*1\r\n", "*1\r\n", true),
        ("a line without an end", "+", "x", false),
        ("an error without an end", "-ERR ", "x", false),
    ] {
        let plain = PLAIN.map(|way| (way, None));
        let encrypted = certificates.iter().flat_map(|some| ENCRYPTED.map(|way| (way, Some(some))));
        for (way, certificates) in plain.into_iter().chain(encrypted) {
            let (port, sent) = hostile(begin, more, certificates);
            let at = Settings { ca: certificates.map(Certificates::ca), ..settings(&way(port)) };
            let what = format!("{what} at {}", at.address);
            let error = Link::connect(&Settings { connection_timeout: LONG, ..at }, LONG).expect_err(&what);
            assert!(error.to_string().contains("an answer has"), "{what}: {error}");
            let sent = sent.load(Ordering::SeqCst);
            let most = if is_known_at_once { ON_THE_WAY } else { ANSWER_BYTES_MAX + ON_THE_WAY };
            assert!(sent <= most, "{what}: it got rid of {sent} bytes");
        }
    }
}

#[test]
fn commands_work_beside_a_server_that_says_too_much() {
    let sandbox = Sandbox::new();
    let (port, _) = hostile("$2147483647\r\n", "x", None);
    let url = format!("redis://127.0.0.1:{port}");
    let run = |arguments: &[&str]| Run::of(sandbox.mycelium_command(arguments).env("REDIS_URL", &url));
    run(&["task", "create", "--type", "x", "--id", "task-1"]).ok();
    run(&["task", "claim", "task-1", "--as", "ann"]).ok();
    let status = run(&["bridge", "detect"]).ok();
    assert!(status.contains("an answer has 2147483"), "{status}");
    // Endless news: each is small, and there is no answer among them.
    let (port, _) = hostile(">3\r\n", "$1\r\na\r\n$1\r\na\r\n$1\r\na\r\n>3\r\n", None);
    let url = format!("redis://127.0.0.1:{port}");
    let run = Run::of(sandbox.mycelium_command(&["task", "complete", "task-1", "--as", "ann"]).env("REDIS_URL", &url));
    run.ok();
}
