//! What the server tells by itself.

use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use mycelium::redis::codec::{Keys, RedisDocument};
use mycelium::redis::{Link, Message, News, Settings};

use crate::documents::{apply, version};
use crate::server::{PATIENCE, Server};

fn listen(settings: &Settings, patterns: &[&str]) -> (Link, Receiver<News>) {
    let (told, news) = channel();
    let patterns: Vec<_> = patterns.iter().map(|pattern| (*pattern).to_owned()).collect();
    let link = Link::listen(settings, PATIENCE, &patterns, move |news| drop(told.send(news))).expect("a connection");
    (link, news)
}

/// Waits for news that fit.
fn until(news: &Receiver<News>, what: &str, fits: impl Fn(&News) -> bool) -> News {
    let start = Instant::now();
    loop {
        let left = PATIENCE.checked_sub(start.elapsed()).unwrap_or_else(|| panic!("never: {what}"));
        match news.recv_timeout(left) {
            Ok(news) if fits(&news) => return news,
            Ok(_) => {}
            Err(why) => panic!("never: {what}: {why}"),
        }
    }
}

fn changed(key: &str) -> impl Fn(&News) -> bool + '_ {
    move |news| matches!(news, News::Changed(keys) if keys.iter().any(|one| one == key))
}

#[test]
fn every_change_is_told_and_a_flush_and_the_end() {
    let Some(mut server) = Server::start("every_change_is_told_and_a_flush_and_the_end") else { return };
    let (link, news) = listen(&server.settings(), &["*"]);
    assert!(link.server().tracks && link.lacks().is_empty(), "{:?}", link.lacks());
    for key in ["tasks:a", "agents:status:coder", "workflows:w"] {
        server.cli(&["HSET", key, "status", "pending"]);
        until(&news, key, changed(key));
    }
    server.cli(&["PEXPIRE", "tasks:a", "20"]);
    until(&news, "the ttl", changed("tasks:a"));
    until(&news, "the end of it", changed("tasks:a"));
    let other = server.link();
    apply(&other, "tasks:b", &version("b", &RedisDocument::default(), "x\n", &[("status", "pending")]));
    until(&news, "the record", changed("mycelium:doc:{tasks:b}"));
    server.cli(&["SET", "unrelated", "1"]);
    server.cli(&["FLUSHALL"]);
    until(&news, "a flush", |news| {
        assert!(!changed("unrelated")(news));
        *news == News::Everything
    });
    server.kill();
    until(&news, "the end", |news| matches!(news, News::Lost(_)));
    let error = link.space().expect_err("it is dead");
    assert!(error.is_lost() && error.is_unknown(), "{error:?}");
    server.restart();
    let (_again, news) = listen(&server.settings(), &[]);
    server.cli(&["HSET", "tasks:c", "status", "pending"]);
    until(&news, "a change after a restart", changed("tasks:c"));
}

#[test]
fn what_is_published_is_heard_and_kept() {
    let Some(server) = Server::start("what_is_published_is_heard_and_kept") else { return };
    let mut settings = server.settings();
    settings.keys = Keys::new("team:");
    let (link, news) = listen(&settings, &["agents:*", "tasks:events"]);
    assert_eq!(link.stream_end(), Ok("0-0".to_owned()));
    let message = |channel: &str, payload: &[u8]| Message { channel: channel.to_owned(), payload: payload.to_vec() };
    let sent = [message("agents:events", b"one"), message("other", b"two"), message("tasks:events", &[0, 255, 10])];
    link.publish(&sent).expect("done");
    link.publish(&[]).expect("nothing to do");
    server.cli(&["PUBLISH", "team:agents:x", "by another"]);
    server.cli(&["PUBLISH", "agents:x", "without the prefix"]);
    let mut heard = Vec::new();
    while heard.len() < 3 {
        if let News::Message { channel, payload } =
            until(&news, "a message", |news| matches!(news, News::Message { .. }))
        {
            heard.push(Message { channel, payload });
        }
    }
    assert_eq!(heard, [sent[0].clone(), sent[2].clone(), message("agents:x", b"by another")]);
    assert_eq!(news.recv_timeout(Duration::from_millis(20)), Err(RecvTimeoutError::Timeout));
    let kept = link.stream_after("0-0", 2).expect("messages");
    assert_eq!(kept.iter().map(|(_, message)| message.clone()).collect::<Vec<_>>(), sent[..2]);
    let rest = link.stream_after(&kept[1].0, 10).expect("messages");
    assert_eq!(rest.iter().map(|(_, message)| message.clone()).collect::<Vec<_>>(), sent[2..]);
    assert_eq!(link.stream_end().as_ref(), Ok(&rest[0].0));
    assert_eq!(server.cli(&["XLEN", "team:mycelium:events"]), "3");
    server.cli(&["XADD", "team:mycelium:events", "*", "something", "else"]);
    assert!(link.stream_after(&rest[0].0, 10).expect("messages").is_empty(), "not one of ours");
}
