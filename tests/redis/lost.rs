//! Servers that are away, hang, die, are full, starting, or only copies: every call ends in time and says why.

use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use mycelium::redis::codec::RedisDocument;
use mycelium::redis::{BridgeError, Link};

use crate::documents::{apply, fetch, version};
use crate::server::{PATIENCE, Server, eventually, free_port, settings};
use mycelium::problem::Problem;

const SHORT: Duration = Duration::from_millis(200);
/// What a busy machine may add.
const SLACK: Duration = Duration::from_millis(1_500);

#[test]
fn a_dead_port_is_known_at_once_and_a_silent_one_in_time() {
    let dead = settings(&format!("redis://127.0.0.1:{}", free_port()));
    let start = Instant::now();
    let error = Link::connect(&dead, PATIENCE).expect_err("nobody is there");
    assert!(matches!(error, BridgeError::Unreachable { .. }), "{error:?}");
    assert!(start.elapsed() < SLACK && error.is_lost() && !error.is_unknown());
    let error = Link::connect(&settings("redis://no-such-host.invalid"), PATIENCE).expect_err("no host");
    assert!(matches!(error, BridgeError::Unreachable { .. }), "{error:?}");
    let error = Link::connect(&settings("redis+unix:///nowhere/at/all"), PATIENCE).expect_err("no socket");
    assert!(matches!(error, BridgeError::Unreachable { .. }), "{error:?}");

    // It accepts, and never says a word.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let at = settings(&format!("redis://127.0.0.1:{}", silent.local_addr().expect("an address").port()));
    let start = Instant::now();
    let error = Link::connect(&at, SHORT).expect_err("it is silent");
    let took = start.elapsed();
    assert!(matches!(error, BridgeError::TimedOut { is_connecting: true, .. }), "{error:?}");
    assert!(took >= SHORT && took < SHORT + SLACK, "{took:?}");
    assert!(error.is_lost() && !error.is_unknown());
    // The way there swallows everything.
    let start = Instant::now();
    let error = Link::connect(&settings("redis://192.0.2.1"), SHORT).expect_err("nobody is there");
    assert!(start.elapsed() < SHORT + SLACK && error.is_lost(), "{error:?}");

    // It speaks something else.
    let thread = std::thread::spawn(move || {
        use std::io::{Read, Write};
        for stream in silent.incoming().take(2).flatten() {
            let mut stream: TcpStream = stream;
            let _ = stream.read(&mut [0; 64]);
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    let error = Link::connect(&at, PATIENCE).expect_err("no server of ours");
    assert!(!error.is_unknown() || matches!(error, BridgeError::Protocol { .. }), "{error:?}");
    drop(TcpStream::connect(("127.0.0.1", 1)));
    let _ = Link::connect(&at, SHORT);
    thread.join().expect("it ends");
}

#[test]
fn a_hung_server_keeps_nobody() {
    let Some(mut server) = Server::start("a_hung_server_keeps_nobody") else { return };
    let mut short = server.settings();
    short.operation_timeout = SHORT;
    let link = Link::connect(&short, PATIENCE).expect("a connection");
    server.stop();
    let start = Instant::now();
    let error = Link::connect(&server.settings(), SHORT).expect_err("it hangs");
    assert!(matches!(error, BridgeError::TimedOut { is_connecting: true, .. }), "{error:?}");
    assert!(start.elapsed() < SHORT + SLACK);
    let start = Instant::now();
    let error = link.delete(&["tasks:a".to_owned()]).expect_err("it hangs");
    assert!(matches!(error, BridgeError::TimedOut { is_connecting: false, .. }), "{error:?}");
    assert!(error.is_lost() && error.is_unknown() && error.hint().is_some());
    assert!(start.elapsed() < SHORT + SLACK);
    let start = Instant::now();
    let error = Link::listen(&server.settings(), SHORT, &["*".to_owned()], |_| {}).expect_err("it hangs");
    assert!(start.elapsed() < SHORT + SLACK && error.is_lost());
    server.go_on();
    server.link().space().expect("it lives");
}

#[test]
fn a_server_killed_in_mid_call_leaves_the_outcome_unknown() {
    let Some(mut server) = Server::start("a_server_killed_in_mid_call_leaves_the_outcome_unknown") else { return };
    let link = server.link();
    server.stop();
    let (start, caller) = (Instant::now(), std::thread::spawn(move || (link.delete(&["tasks:a".to_owned()]), link)));
    std::thread::sleep(Duration::from_millis(50));
    server.kill();
    let (result, link) = caller.join().expect("it ends");
    let error = result.expect_err("it was killed");
    assert!(matches!(error, BridgeError::Closed { .. }), "{error:?}");
    assert!(error.is_lost() && error.is_unknown() && start.elapsed() < SLACK);
    let start = Instant::now();
    assert!(link.space().expect_err("it is dead").is_lost());
    assert!(start.elapsed() < SLACK, "at once");
    server.restart();
    assert!(link.space().expect_err("the caller makes it anew").is_lost());
    server.link().space().expect("it lives");
}

#[test]
fn a_full_server_loses_nothing_and_says_so() {
    let Some(server) = Server::start("a_full_server_loses_nothing_and_says_so") else { return };
    let link = server.link();
    apply(&link, "tasks:a", &version("a", &RedisDocument::default(), "one\n", &[("status", "pending")]));
    let before = fetch(&link, "tasks:a");
    server.cli(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    server.cli(&["CONFIG", "SET", "maxmemory", "1mb"]);
    let out = version("a", &before, "two\n", &[("status", "running")]);
    let error = link.apply(&[("tasks:a".to_owned(), out.clone())]).expect_err("it is full");
    assert!(matches!(error, BridgeError::Full { .. }), "{error:?}");
    assert!(!error.is_lost() && error.hint().is_some());
    assert_eq!(fetch(&link, "tasks:a"), before, "reading goes on, and nothing was lost");
    server.cli(&["CONFIG", "SET", "maxmemory", "0"]);
    apply(&link, "tasks:a", &out);
    assert_eq!(fetch(&link, "tasks:a").record, Some(out.record));
}

#[test]
fn a_copy_takes_no_writes() {
    let test = "a_copy_takes_no_writes";
    let Some(master) = Server::with(test, &["--repl-diskless-sync-delay", "0"]) else { return };
    let port = master.port().to_string();
    let Some(copy) = Server::with(test, &["--replicaof", "127.0.0.1", &port]) else { return };
    eventually("it follows", || copy.cli(&["INFO", "replication"]).contains("master_link_status:up"));
    let link = copy.link();
    assert!(link.server().is_replica);
    let out = version("a", &RedisDocument::default(), "one\n", &[("status", "pending")]);
    let error = link.apply(&[("tasks:a".to_owned(), out)]).expect_err("a copy");
    assert!(matches!(error, BridgeError::ReadOnly { .. }), "{error:?}");
    assert!(error.is_lost() && !error.is_unknown() && error.hint().is_some());
    assert_eq!(link.server().identity.split('/').next(), master.link().server().identity.split('/').next());
}

/// Answers everything but the greeting with an error, for one connection.
fn says(error: &'static str) -> u16 {
    use std::io::{Read, Write};
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        let Ok((mut stream, _)) = listener.accept() else { return };
        let mut bytes = [0; 4096];
        while let Ok(count @ 1..) = stream.read(&mut bytes) {
            let asked = String::from_utf8_lossy(&bytes[..count]).into_owned();
            for command in asked.split('*').skip(1) {
                let answer = if command.contains("HELLO") { "%1\r\n+proto\r\n:3\r\n" } else { error };
                let _ = stream.write_all(answer.as_bytes());
            }
        }
    });
    port
}

#[test]
fn whatever_a_server_says_is_understood_and_shows_no_password() {
    let kind = |error: &BridgeError| format!("{error:?}").split(' ').next().unwrap_or_default().to_owned();
    for (said, expected, is_lost) in [
        ("-LOADING Redis is loading the dataset in memory\r\n", "Loading", false),
        ("-MASTERDOWN Link with MASTER is down\r\n", "Loading", false),
        ("-NOAUTH Authentication required.\r\n", "Authentication", true),
        ("-WRONGPASS invalid username-password pair\r\n", "Authentication", true),
        ("-NOPERM User u has no permissions to run the 'ping' command s3cret\r\n", "NotPermitted", false),
        ("-READONLY You can't write against a read only replica.\r\n", "ReadOnly", true),
        ("-OOM command not allowed when used memory > 'maxmemory'.\r\n", "Full", false),
        ("-MOVED 866 127.0.0.1:7001\r\n", "Cluster", true),
        ("-CROSSSLOT Keys in request don't hash to the same slot\r\n", "Cluster", true),
        ("-ERR what is s3cret\u{1b}[31m\r\n", "Protocol", false),
        ("-MISCONF s3cret\r\n", "Protocol", false),
        ("s3cret\r\n", "Protocol", true),
    ] {
        let port = says(said);
        let error = Link::connect(&settings(&format!("redis://u:s3cret@127.0.0.1:{port}")), PATIENCE).expect_err(said);
        assert_eq!(kind(&error), expected, "{said}: {error:?}");
        assert_eq!(error.is_lost(), is_lost, "{error:?}");
        let shown = format!("{error} {error:?} {:?}", error.hint());
        assert!(!shown.contains("s3cret") && !shown.contains('\u{1b}'), "{shown}");
        assert!(error.to_string().contains(&format!("redis://u@127.0.0.1:{port}/0")), "{error}");
        assert!(error.to_string().starts_with("the "), "{error}");
    }
}
