//! Sentinels: they name the master, and it is the master even while they fail over to another one.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use mycelium::redis::{BridgeError, Link, Settings};

use crate::secure::Certificates;
use crate::server::{PATIENCE, Server, eventually, settings};
use mycelium::problem::Problem;

/// A real sentinel that watches over a master called `main`.
fn sentinel(test: &str, port: u16, start: impl FnOnce(&str) -> Option<Server>) -> Option<(Server, tempfile::TempDir)> {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("sentinel.conf");
    std::fs::write(&file, format!("sentinel monitor main 127.0.0.1 {port} 1\n")).expect("a file");
    let sentinel = start(&file.display().to_string())?;
    println!("{test}: sentinel on {}", sentinel.port());
    Some((sentinel, folder))
}

/// A copy of a master, up to date.
fn replica_of(master: &Server, test: &str) -> Option<Server> {
    master.cli(&["CONFIG", "SET", "repl-diskless-sync-delay", "0"]);
    let replica = Server::with(test, &["--replicaof", "127.0.0.1", &master.port().to_string()])?;
    eventually("it follows", || replica.cli(&["INFO", "replication"]).contains("master_link_status:up"));
    Some(replica)
}

/// A sentinel that gives the same answer to whatever it is asked.
pub(crate) fn fake_sentinel(answer: String) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(answer.as_bytes());
            // Until the other side has read it.
            let _ = stream.read(&mut [0; 1024]);
        }
    });
    port
}

/// The answer that names a master on this machine.
pub(crate) fn names(port: u16) -> String {
    let port = port.to_string();
    format!("*2\r\n$9\r\n127.0.0.1\r\n${}\r\n{port}\r\n", port.len())
}

fn at(ports: &[u16]) -> Settings {
    let hosts: Vec<String> = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
    settings(&format!("redis+sentinel://{}/main", hosts.join(",")))
}

#[test]
fn sentinels_name_the_master_also_after_it_was_replaced() {
    let test = "sentinels_name_the_master_also_after_it_was_replaced";
    let Some(master) = Server::start(test) else { return };
    let Some(replica) = replica_of(&master, test) else { return };
    let started = sentinel(test, master.port(), |file| Server::with(test, &[file, "--sentinel"]));
    let Some((sentinel, _folder)) = started else { return };
    // One that hangs, and one that nobody starts, keep nobody waiting.
    let hung = TcpListener::bind("127.0.0.1:0").expect("a port");
    let at = at(&[hung.local_addr().expect("bound").port(), 1, sentinel.port()]);
    let link = Link::connect(&at, PATIENCE).expect("a connection");
    link.lead(["mycelium:x"; 2], "n", PATIENCE, PATIENCE).expect("done");
    assert_eq!(master.cli(&["GET", "mycelium:x"]), "n");
    let first = link.server().identity.clone();
    eventually("the sentinel agrees", || sentinel.cli(&["SENTINEL", "FAILOVER", "main"]) == "OK");
    // Until then it is the old one, none, or already the other.
    let mut now = None;
    eventually("the other one is the master", || {
        now = Link::connect(&at, PATIENCE).ok().filter(|link| link.server().identity != first);
        now.is_some()
    });
    let now = now.expect("a connection");
    now.lead(["mycelium:y"; 2], "n", PATIENCE, PATIENCE).expect("done");
    assert_eq!(replica.cli(&["GET", "mycelium:y"]), "n");
}

#[test]
fn what_a_sentinel_says_is_not_believed_blindly() {
    let test = "what_a_sentinel_says_is_not_believed_blindly";
    let Some(master) = Server::start(test) else { return };
    let Some(replica) = replica_of(&master, test) else { return };
    let behind = fake_sentinel(names(replica.port()));
    let error = Link::connect(&at(&[behind]), PATIENCE).expect_err("it is a copy");
    assert!(matches!(&error, BridgeError::NoMaster { why, .. } if why.contains("is a replica")), "{error:?}");
    assert!(error.is_lost() && !error.is_unknown() && error.hint().is_some());
    let right = fake_sentinel(names(master.port()));
    let link = Link::connect(&at(&[behind, right]), PATIENCE).expect("another one knows better");
    link.lead(["mycelium:x"; 2], "n", PATIENCE, PATIENCE).expect("done");
    assert_eq!(master.cli(&["GET", "mycelium:x"]), "n");
    for (answer, word) in [
        ("*-1\r\n", "they know none that is called `main`"),
        ("*2\r\n$9\r\n127.0.0.1\r\n$1\r\n0\r\n", "no address of a master"),
        ("*2\r\n$5\r\na b\x1b[\r\n$2\r\n80\r\n", "no address of a master"),
        ("*1\r\n$1\r\nh\r\n", "no address of a master"),
        ("+OK\r\n", "no address of a master"),
        ("-ERR unknown command 'SENTINEL'\r\n", "unknown command"),
        ("-NOAUTH Authentication required.\r\n", "does not accept the user"),
    ] {
        let port = fake_sentinel(answer.to_owned());
        let error = Link::connect(&at(&[port]), PATIENCE).expect_err(answer);
        assert!(error.to_string().contains(word), "{answer:?}: {error}");
    }
    // The sentinel that answers tells more than the one that does not.
    let error = Link::connect(&at(&[1, fake_sentinel("*-1\r\n".to_owned()), 2]), PATIENCE).expect_err("no master");
    assert!(matches!(error, BridgeError::NoMaster { .. }), "{error:?}");
    let error = Link::connect(&at(&[1, 2]), PATIENCE).expect_err("nobody is there");
    assert!(matches!(error, BridgeError::Unreachable { .. }), "{error:?}");
}

#[test]
fn a_password_and_encryption_are_those_of_the_master() {
    let test = "a_password_and_encryption_are_those_of_the_master";
    let Some(certificates) = Certificates::make(test) else { return };
    let Some((master, master_port)) = certificates.server(test, &["--requirepass", "s3cret-pass"]) else { return };
    let mut port = 0;
    let started = sentinel(test, master_port, |file| {
        let (server, tls_port) = certificates.server(test, &[file, "--sentinel", "--tls-replication", "yes"])?;
        port = tls_port;
        Some(server)
    });
    let Some((plain, _folder)) = started else { return };
    let at = |scheme: &str, login: &str, port: u16| Settings {
        ca: Some(certificates.ca()),
        ..settings(&format!("{scheme}://{login}127.0.0.1:{port}/main/2"))
    };
    let link = Link::connect(&at("rediss+sentinel", ":s3cret-pass@", port), PATIENCE).expect("a connection");
    link.lead(["mycelium:x"; 2], "n", PATIENCE, PATIENCE).expect("done");
    let own = settings(&format!("redis://:s3cret-pass@127.0.0.1:{}/2", master.port()));
    assert_eq!(Link::connect(&own, PATIENCE).expect("a connection").scan("*").expect("keys"), ["mycelium:x"]);
    let error = Link::connect(&at("rediss+sentinel", "", port), PATIENCE).expect_err("a password is needed");
    assert!(matches!(error, BridgeError::Authentication { .. }), "{error:?}");
    let untrusted = Settings { ca: None, ..at("rediss+sentinel", "", port) };
    let error = Link::connect(&untrusted, PATIENCE).expect_err("nobody knows who signed it");
    assert!(matches!(error, BridgeError::Tls { .. }), "{error:?}");
    // A sentinel in plain text, where it was said that all is encrypted, is not asked.
    let error = Link::connect(&at("rediss+sentinel", "", plain.port()), PATIENCE);
    assert!(matches!(error, Err(BridgeError::Tls { .. } | BridgeError::TimedOut { .. })), "{error:?}");
}
