//! Everything that a server is asked for while a scene is played: its `MONITOR`, as names of keys, fields, channels and messages.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::thread::JoinHandle;

use crate::names::{Names, plain};
use crate::server::Server;

/// What ends the listening.
const LAST: &str = "golden:last";

/// A connection that hears of every command.
pub(crate) struct Monitor(JoinHandle<Vec<String>>);

impl Monitor {
    /// Listens from now on.
    pub(crate) fn start(port: u16) -> Self {
        let mut wire = TcpStream::connect(("127.0.0.1", port)).unwrap();
        wire.write_all(b"MONITOR\r\n").unwrap();
        let mut lines = BufReader::new(wire).lines();
        assert_eq!(lines.next().unwrap().unwrap(), "+OK");
        Self(std::thread::spawn(move || lines.map_while(Result::ok).take_while(|line| !line.contains(LAST)).collect()))
    }

    /// Notes what was heard.
    pub(crate) fn end(self, server: &Server, names: &mut Names) {
        server.cli(&["EXISTS", LAST]);
        for line in self.0.join().unwrap() {
            note(&words(&line), names);
        }
    }
}

/// The words of a line: `+1700000000.1 [0 127.0.0.1:1] "HSET" "key" ...`.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = line.split_once("] \"").map_or("", |(_, rest)| rest).chars();
    let mut word = String::new();
    while let Some(c) = rest.next() {
        match c {
            '\\' => word.extend(rest.next().map(|c| if c == 'n' { '\n' } else { c })),
            '"' => {
                words.push(std::mem::take(&mut word));
                let _ = (rest.next(), rest.next());
            }
            c => word.push(c),
        }
    }
    words
}

fn note(words: &[String], names: &mut Names) {
    let Some((command, args)) = words.split_first() else { return };
    let command = command.to_ascii_uppercase();
    match command.as_str() {
        "PUBLISH" => {
            names.add("wire: channels", &plain(&args[0]));
            return names.json("wire: messages", "message", &args[1]);
        }
        "SUBSCRIBE" | "PSUBSCRIBE" => return args.iter().for_each(|name| names.add("wire: channels", &plain(name))),
        "XADD" => {
            let values = args.iter().skip_while(|arg| *arg != "*").skip(2).step_by(2);
            values.for_each(|value| names.json("wire: messages", "message", value));
        }
        _ => {}
    }
    let (keys, fields) = keys_and_fields(&command, args);
    for key in keys {
        names.add("wire: keys", &plain(key));
    }
    for field in fields {
        names.add("wire: fields", &format!("{} {}", plain(&args[0]), plain(field)));
    }
}

/// The keys that a command names, and the fields of the first one.
fn keys_and_fields<'a>(command: &str, args: &'a [String]) -> (Vec<&'a String>, Vec<&'a String>) {
    let first = || args.iter().take(1).collect();
    let behind = |word: &str| args.iter().skip_while(|arg| arg.to_ascii_uppercase() != word).skip(1).take(1).collect();
    match command {
        "HSET" => (first(), args[1..].iter().step_by(2).collect()),
        "HGET" | "HMGET" | "HDEL" | "HEXISTS" => (first(), args[1..].iter().collect()),
        "XADD" => (first(), args.iter().skip_while(|arg| *arg != "*").skip(1).step_by(2).collect()),
        "EVAL" | "EVALSHA" => (args[2..].iter().take(args[1].parse().unwrap()).collect(), Vec::new()),
        "SCAN" => (behind("MATCH"), Vec::new()),
        "XREAD" => (behind("STREAMS"), Vec::new()),
        "DEL" | "EXISTS" | "GET" | "HGETALL" | "HLEN" | "LLEN" | "LPUSH" | "LRANGE" | "LREM" | "PERSIST"
        | "PEXPIRE" | "PTTL" | "RPOP" | "RPUSH" | "SADD" | "SET" | "SMEMBERS" | "SREM" | "TYPE" | "XINFO" | "XLEN"
        | "XRANGE" | "XREVRANGE" => (first(), Vec::new()),
        "ACL" | "CLIENT" | "COMMAND" | "CONFIG" | "FLUSHALL" | "HELLO" | "INFO" | "PING" | "SCRIPT" | "TIME" => {
            (Vec::new(), Vec::new())
        }
        other => panic!("tests/golden/monitor.rs does not know which keys `{other}` names: {args:?}"),
    }
}
