//! Ways to a server and rights there: addresses, passwords, users with few rights, sockets; a cluster, which is none.

use std::time::Duration;

use mycelium::redis::codec::{Keys, RedisDocument};
use mycelium::redis::{
    Address, AddressError, Applied, BridgeError, ClaimAnswer, ClaimAsk, Link, Message, QueueRound, Settings,
};

use crate::documents::{apply, version};
use crate::server::{PATIENCE, Server, eventually, settings};
use crate::single::SingleClaims as _;
use crate::support::{Run, Sandbox};
use mycelium::problem::Problem;

#[test]
fn an_address_is_read_and_shown_without_its_password() {
    for (url, shown) in [
        ("redis://localhost", "redis://localhost:6379/0"),
        ("valkey://h:1/3", "redis://h:1/3"),
        ("rediss://user:s3cret@h", "rediss://user@h:6379/0"),
        ("valkeys://:s3cret@h", "rediss://h:6379/0"),
        ("redis://user:s3cret%40@[::1]:7000/2?protocol=resp3", "redis://user@[::1]:7000/2"),
        ("redis://user:s3/c@r?e#t@h:1", "redis://user@h:1/0"),
        ("redis+unix:///run/redis.sock", "redis+unix:///run/redis.sock"),
        ("unix:///run/redis.sock?db=2", "redis+unix:///run/redis.sock?db=2"),
        ("redis+sentinel://h1,h2:5/main/1", "redis+sentinel://h1:26379,h2:5/main/1"),
    ] {
        let address = Address::parse(url, None, 0).expect(url);
        assert_eq!(address.to_string(), shown);
        assert_eq!(format!("{address:?}"), format!("Address({shown})"));
    }
    assert_eq!(Address::parse("redis://h", Some("s3cret"), 4).expect("an address").to_string(), "redis://h:6379/4");
    for (url, error) in [
        ("s3cret", AddressError::Scheme),
        ("http://s3cret@h", AddressError::Scheme),
        ("redis://", AddressError::Host),
        ("redis://u:s3cret@", AddressError::Host),
        ("redis://h:s3cret", AddressError::Port),
        ("redis://h:0", AddressError::Port),
        ("redis://h/s3cret", AddressError::Database),
        ("redis://u:s3cret%4@h", AddressError::Encoding),
        ("redis://h1,h2", AddressError::Several),
        ("redis+unix://sock", AddressError::Socket),
        ("redis+cluster://u:s3cret@h1:7000,h2:7001", AddressError::Cluster),
        ("rediss+cluster://h", AddressError::Cluster),
        ("valkey+cluster://h/1", AddressError::Cluster),
        ("valkeys+cluster://", AddressError::Cluster),
        ("redis+sentinel://h", AddressError::Master),
        ("rediss://h/#insecure", AddressError::Options),
        ("redis://h?password=s3cret", AddressError::Options),
    ] {
        assert_eq!(Address::parse(url, None, 0), Err(error), "{url}");
        assert!(!format!("{error} {error:?} {}", error.hint()).contains("s3cret"));
    }
}

#[test]
fn a_server_says_what_it_is() {
    let Some(server) = Server::start("a_server_says_what_it_is") else { return };
    let link = server.link();
    let about = link.server();
    let (name, version) = about.name.split_once(' ').expect("a name and a version");
    assert!(["Redis", "Valkey"].contains(&name) && version.split('.').count() == 3, "{about:?}");
    assert!(!about.is_replica && about.memory_bytes > Some(0) && about.identity.len() > 40);
    assert_eq!(server.link().server().identity, about.identity);
    println!("{}", about.name);
}

#[test]
fn a_password_is_needed_and_never_shown() {
    let test = "a_password_is_needed_and_never_shown";
    let Some(server) = Server::with(test, &["--requirepass", "s3cret-pass"]) else { return };
    let url = |login: &str| format!("redis://{login}127.0.0.1:{}", server.port());
    for login in ["", ":wr0ng-pass@", "nobody:wr0ng-pass@"] {
        let error = Link::connect(&settings(&url(login)), PATIENCE).expect_err("it is needed");
        assert!(matches!(error, BridgeError::Authentication { .. }), "{error:?}");
        let shown = format!("{error} {error:?} {:?}", error.hint());
        assert!(!shown.contains("wr0ng") && shown.contains("127.0.0.1"), "{shown}");
        assert!(error.is_lost() && !error.is_unknown());
    }
    let mut right = settings(&url(":s3cret-pass@"));
    let link = Link::connect(&right, PATIENCE).expect("the password is right");
    assert!(!format!("{link:?} {right:?}").contains("s3cret"));
    right.address = Address::parse(&url(":wr0ng-pass@"), Some("s3cret-pass"), 0).expect("an address");
    Link::connect(&right, PATIENCE).expect("the password beside the address wins");
    // What the server says back may hold anything.
    let error = link.stream_after("s3cret-pass", 1).expect_err("no id");
    assert!(matches!(error, BridgeError::Protocol { .. }), "{error:?}");
    let hidden = link.scan("s3cret-pass*").map_err(|error| error.to_string());
    assert_eq!(hidden, Ok(Vec::new()));
    let dead = settings("redis://user:s3cret-pass@127.0.0.1:1");
    let error = Link::connect(&dead, PATIENCE).expect_err("nobody is there");
    assert!(!format!("{error} {error:?}").contains("s3cret"));
    assert!(error.to_string().contains("redis://user@127.0.0.1:1/0"));
}

/// The rights that the bridge needs.
const RIGHTS: &[&str] = &[
    "~agents:status:*",
    "~tasks:*",
    "~workflows:*",
    "~mycelium:*",
    "resetchannels",
    "&agents:events",
    "&tasks:events",
    "-@all",
    "+@connection",
    "+@read",
    "+@write",
    "+@scripting",
    "+@pubsub",
    "+@transaction",
    "+@stream",
    "-@dangerous",
    "+info|replication",
    "+time",
    "-function",
    "-flushall",
    "-flushdb",
    "-swapdb",
];

#[test]
fn few_rights_are_enough_and_what_is_lacking_is_told() {
    let Some(server) = Server::start("few_rights_are_enough_and_what_is_lacking_is_told") else { return };
    let user = |name: &str, more: &[&str]| {
        let args = [&["ACL", "SETUSER", name, "on", ">s3cret"], RIGHTS, more].concat();
        assert_eq!(server.cli(&args), "OK");
        settings(&format!("redis://{name}:s3cret@127.0.0.1:{}", server.port()))
    };
    let bridge = user("bridge", &[]);
    let (told, news) = std::sync::mpsc::channel();
    let patterns = ["agents:events".to_owned(), "*".to_owned()];
    let link = Link::listen(&bridge, PATIENCE, &patterns, move |news| drop(told.send(news))).expect("a connection");
    assert_eq!(link.lacks(), ["PSUBSCRIBE *"]);
    assert!(link.server().tracks && !link.server().identity.is_empty() && link.server().memory_bytes.is_none());
    assert_eq!(
        apply(&link, "tasks:a", &version("a", &RedisDocument::default(), "x\n", &[("status", "pending")])),
        Applied::Written
    );
    news.recv_timeout(PATIENCE).expect("a change is told");
    let ask = ClaimAsk {
        hash: "tasks:a".to_owned(),
        agent: "coder".to_owned(),
        node: "n".to_owned(),
        fence: 0,
        lease: PATIENCE,
        takes_popped: false,
    };
    assert!(matches!(link.claim(&ask), Ok(ClaimAnswer::Won { .. })));
    link.enter_space("", "space", Duration::ZERO, "").expect("permitted");
    let lead = ["mycelium:recorder", "mycelium:last_recorder"];
    link.lead(lead, "n", PATIENCE, PATIENCE).expect("permitted");
    assert_eq!(link.end_lead(lead, "n"), Ok(true));
    let queue = QueueRound {
        queue: "tasks:queue:high".to_owned(),
        lease: PATIENCE,
        tasks: "tasks:".to_owned(),
        ready: vec!["a".to_owned()],
    };
    link.queue(&queue).expect("permitted");
    assert_eq!(link.scan("tasks:*").expect("permitted").len(), 2);
    let message = |channel: &str| Message { channel: channel.to_owned(), payload: b"x".to_vec() };
    link.publish(&[message("agents:events")]).expect("permitted");
    link.stream_end().expect("permitted");
    for error in [
        link.publish(&[message("other")]).expect_err("not permitted"),
        link.delete(&["other".to_owned()]).expect_err("not permitted"),
        link.look(&["other".to_owned()]).expect_err("not permitted"),
    ] {
        assert!(matches!(error, BridgeError::NotPermitted { .. }), "{error:?}");
        assert!(!error.is_lost() && error.hint().is_some() && !format!("{error:?}").contains("s3cret"));
    }
    let error = Link::connect(&user("timeless", &["-time"]), PATIENCE).expect_err("the clock is needed");
    assert!(matches!(&error, BridgeError::NotPermitted { what, .. } if what.contains("time")), "{error:?}");
    let less = user("less", &["-client|tracking", "-info"]);
    let link = Link::listen(&less, PATIENCE, &[], |_| {}).expect("a connection");
    assert_eq!(link.lacks(), ["INFO replication", "CLIENT TRACKING"]);
    assert!(!link.server().tracks);
}

#[test]
fn a_socket_leads_there_too() {
    let Some(server) = Server::with("a_socket_leads_there_too", &["--unixsocket", "DIR/redis.sock"]) else { return };
    let path = server.folder().join("redis.sock");
    let link = Link::connect(&settings(&format!("redis+unix://{}", path.display())), PATIENCE).expect("a connection");
    link.delete(&["tasks:a".to_owned()]).expect("done");
    let link = Link::connect(&settings(&format!("unix://{}?db=3", path.display())), PATIENCE).expect("a connection");
    link.lead(["mycelium:x"; 2], "n", PATIENCE, PATIENCE).expect("done");
    assert_eq!(server.cli(&["EXISTS", "mycelium:x"]), "0", "it is in another database");
}

#[test]
fn a_node_of_a_cluster_is_refused() {
    let test = "a_node_of_a_cluster_is_refused";
    let Some(server) = Server::with(test, &["--cluster-enabled", "yes", "--cluster-config-file", "nodes"]) else {
        return;
    };
    // With and without all slots, and with a prefix that puts all keys into one.
    for prefix in ["", "{team}:"] {
        let at = Settings { keys: Keys::new(prefix), ..server.settings() };
        let error = Link::connect(&at, PATIENCE).expect_err("it belongs to a cluster");
        assert!(matches!(error, BridgeError::Cluster { .. }), "{error:?}");
        assert!(error.is_lost() && !error.is_unknown());
        assert!(Link::listen(&at, PATIENCE, &[], |_| {}).is_err());
        server.cli(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]);
        eventually("it is a cluster", || server.cli(&["CLUSTER", "INFO"]).contains("cluster_state:ok"));
    }
    // Commands work with the files alone, and what to do is said.
    let sandbox = Sandbox::new();
    let run = |arguments: &[&str]| Run::of(sandbox.mycelium_command(arguments).env("REDIS_URL", server.url()));
    run(&["task", "create", "--type", "x", "--id", "task-1"]).ok();
    run(&["task", "claim", "task-1", "--as", "ann"]).ok();
    let said = run(&["bridge", "detect"]).ok();
    assert!(said.contains("belongs to a Redis Cluster, which is not supported"), "{said}");
    let refused = run(&["task", "list", "--require-mode", "redis"]);
    assert_eq!(refused.code, Some(75), "{refused:?}");
    assert!(refused.stderr.contains("name a server without cluster mode"), "{refused:?}");
}
