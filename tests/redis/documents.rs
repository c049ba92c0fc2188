//! Documents on the server: a write only counts if nobody came between.

use std::time::Duration;

use mycelium::name::{AgentName, DocPath, OperationId};
use mycelium::reconcile::Gone;
use mycelium::redis::codec::{HashFields, RedisDocument, RedisRecord, RedisWrite};
use mycelium::redis::{Applied, Fetched, Link, Look};

use crate::server::Server;

pub(crate) fn hash(id: &str) -> String {
    format!("tasks:{id}")
}

pub(crate) fn fields(pairs: &[(&str, &str)]) -> HashFields {
    pairs.iter().map(|(field, value)| ((*field).to_owned(), (*value).to_owned())).collect()
}

/// The version of a task that follows what was looked at.
pub(crate) fn version(id: &str, seen: &RedisDocument, text: &str, shown: &[(&str, &str)]) -> RedisWrite {
    let expected = seen.record.as_ref().map_or(0, |record| record.revision);
    let shown = fields(shown);
    let record = RedisRecord {
        revision: expected + 1,
        text: Some(text.to_owned()),
        path: DocPath::new(format!("{id}.md")).expect("a path"),
        wrote: shown.clone(),
        by: Some(AgentName::new("coder").expect("a name")),
        operation: Some(OperationId::new("op-1").expect("an id")),
        node: "node-a".to_owned(),
        from: String::new(),
        gone: None,
    };
    RedisWrite { expected, seen: seen.sum.clone(), revision: expected + 1, record, shown: Some(shown), ttl: None }
}

pub(crate) fn fetch(link: &Link, hash: &str) -> RedisDocument {
    match link.fetch(&[hash.to_owned()]).expect("an answer").remove(0) {
        Fetched::Read(remote) => *remote,
        Fetched::Garbage(why) => panic!("{hash}: {why}"),
    }
}

pub(crate) fn garbage(link: &Link, hash: &str) -> String {
    match link.fetch(&[hash.to_owned()]).expect("an answer").remove(0) {
        Fetched::Read(remote) => panic!("{hash}: {remote:?}"),
        Fetched::Garbage(why) => why,
    }
}

fn look(link: &Link, hash: &str) -> Look {
    link.look(&[hash.to_owned()]).expect("an answer").remove(0)
}

pub(crate) fn apply(link: &Link, hash: &str, out: &RedisWrite) -> Applied {
    link.apply(&[(hash.to_owned(), out.clone())]).expect("an answer").remove(0)
}

#[test]
fn what_is_written_is_fetched_and_a_late_or_double_write_changes_nothing() {
    let Some(server) = Server::start("what_is_written_is_fetched_and_a_late_or_double_write_changes_nothing") else {
        return;
    };
    let (link, key) = (server.link(), hash("a"));
    assert_eq!(fetch(&link, &key), RedisDocument::default());
    assert_eq!(look(&link, &key), Look::default());
    let first =
        version("a", &RedisDocument::default(), "text ä\n", &[("status", "pending"), ("title", "A \"task\" ä\0")]);
    assert_eq!(apply(&link, &key, &first), Applied::Written);
    assert_eq!(apply(&link, &key, &first), Applied::Same, "sent twice");
    let one = fetch(&link, &key);
    assert_eq!(one.record.as_ref(), Some(&first.record));
    let sorted = |mut fields: HashFields| {
        fields.sort();
        fields
    };
    assert_eq!(one.shown.clone().map(sorted), first.shown.clone().map(sorted));
    assert!(!one.is_touched);
    let seen = look(&link, &key);
    assert_eq!((seen.revision, seen.is_shown, seen.is_touched, seen.gone), (1, true, false, false));
    assert_eq!((seen.digest.len(), &seen.sum), (40, &one.sum));
    assert_eq!(server.cli(&["HGET", "mycelium:doc:{tasks:a}", "digest"]), seen.digest);

    let second = version("a", &one, "two\n", &[("status", "running"), ("claimed_by", "coder"), ("fence", "3")]);
    assert_eq!(apply(&link, &key, &second), Applied::Written);
    assert_eq!(apply(&link, &key, &first), Applied::Conflict, "a late write");
    let two = fetch(&link, &key);
    assert_eq!(two.record.as_ref(), Some(&second.record));
    assert_eq!(server.cli(&["HGET", &key, "title"]), "(nil)", "fields of before are gone");
    // Somebody who looked before the second: same version expected, another text.
    let other = version("a", &one, "other\n", &[("status", "failed")]);
    assert_eq!(apply(&link, &key, &other), Applied::Conflict);
    // One that does not count upwards.
    let mut low = version("a", &two, "low\n", &[("status", "failed")]);
    low.revision = 2;
    assert_eq!(apply(&link, &key, &low), Applied::Conflict);
    assert_eq!(fetch(&link, &key), two, "no refused write left a trace");
    assert_eq!(server.cli(&["TTL", "mycelium:doc:{tasks:a}"]), "-1");
}

#[test]
fn a_foreign_hand_is_noticed_and_not_overwritten_unseen() {
    let Some(server) = Server::start("a_foreign_hand_is_noticed_and_not_overwritten_unseen") else { return };
    let (link, key) = (server.link(), hash("b"));
    let first = version("b", &RedisDocument::default(), "one\n", &[("status", "pending")]);
    apply(&link, &key, &first);
    let before = fetch(&link, &key);
    server.cli(&["HSET", &key, "status", "running"]);
    assert!(look(&link, &key).is_touched);
    let unseen = version("b", &before, "two\n", &[("status", "pending"), ("x", "1")]);
    assert_eq!(apply(&link, &key, &unseen), Applied::Conflict);
    assert_eq!(server.cli(&["HGET", &key, "status"]), "running");
    assert_eq!(apply(&link, &key, &first), Applied::Conflict, "the same text, but the hash is another");
    let touched = fetch(&link, &key);
    assert!(touched.is_touched);
    assert_eq!(touched.shown, Some(fields(&[("status", "running")])));
    let seen = version("b", &touched, "two\n", &[("status", "pending"), ("x", "1")]);
    assert_eq!(apply(&link, &key, &seen), Applied::Written);
    assert!(!look(&link, &key).is_touched);
    // Removed by another, or expired: shown again by the next version.
    server.cli(&["DEL", &key]);
    let gone = look(&link, &key);
    assert_eq!((gone.is_shown, gone.is_touched, gone.revision), (false, false, 2));
    let again = version("b", &fetch(&link, &key), "two\n", &[("status", "pending"), ("x", "1")]);
    assert_eq!(apply(&link, &key, &again), Applied::Written);
    // A hash that no mirror has told of.
    server.cli(&["HSET", "tasks:foreign", "status", "pending"]);
    let foreign = fetch(&link, "tasks:foreign");
    assert!(foreign.is_touched && foreign.record.is_none());
    let blind = version("foreign", &RedisDocument::default(), "x\n", &[("status", "failed")]);
    assert_eq!(apply(&link, "tasks:foreign", &blind), Applied::Conflict);
    let taken = version("foreign", &foreign, "x\n", &[("status", "failed")]);
    assert_eq!(apply(&link, "tasks:foreign", &taken), Applied::Written);
}

/// A server stores a hash with a long text in another way, and gives its fields in another order after a while.
#[test]
fn another_order_of_fields_is_no_foreign_hand() {
    let Some(server) = Server::start("another_order_of_fields_is_no_foreign_hand") else { return };
    let (link, long) = (server.link(), "long ".repeat(30));
    let mut reordered = 0;
    for number in 0..30 {
        let (id, other) = (format!("t-{number}"), format!("f{number}"));
        let shown =
            [("status", "pending"), ("title", &long), ("priority", "low"), (&other, "1"), ("id", &id), ("x", "")];
        let key = hash(&id);
        apply(&link, &key, &version(&id, &RedisDocument::default(), "one\n", &shown));
        let before = server.cli(&["HGETALL", &key]);
        (0..6).for_each(|_| drop(server.cli(&["HGET", &key, "status"])));
        reordered += usize::from(server.cli(&["HGETALL", &key]) != before);
        assert!(!look(&link, &key).is_touched, "{id}");
        let seen = fetch(&link, &key);
        // Written over where it is, some fields new and some gone: no more and no less than was said.
        let next =
            [("title", "short"), ("status", "running"), ("priority", "low"), ("y", "2"), ("id", &id), ("x", "3")];
        let ttl = (number % 2 == 0).then_some(Duration::from_secs(60));
        let next = RedisWrite { ttl, ..version(&id, &seen, "two\n", &next) };
        assert_eq!(apply(&link, &key, &next), Applied::Written);
        let there = fetch(&link, &key);
        assert!(!there.is_touched);
        let sorted = |mut fields: HashFields| {
            fields.sort();
            fields
        };
        assert_eq!(there.shown.map(sorted), next.shown.map(sorted));
        assert_eq!(server.cli(&["TTL", &key]) == "-1", ttl.is_none());
    }
    println!("{reordered} of 30 came in another order");

    // By hand, in another order; many fields, and names of which one is the beginning of another.
    let many: Vec<String> = (0..200).map(|number| format!("field-{}", number * 7_919 % 211)).collect();
    let mut many: Vec<(&str, &str)> = many.iter().map(|name| (name.as_str(), "1")).collect();
    many.extend([("f", "2"), ("Field", "3"), ("fi_eld", "4"), ("ä", "5")]);
    for (id, shown) in [("few", &many[195..]), ("many", &many[..])] {
        let key = hash(id);
        apply(&link, &key, &version(id, &RedisDocument::default(), "one\n", shown));
        let sum = look(&link, &key).sum;
        server.cli(&["DEL", &key]);
        for (name, text) in shown.iter().rev() {
            server.cli(&["HSET", &key, name, text]);
        }
        let again = look(&link, &key);
        assert!(!again.is_touched && again.sum == sum, "{id}");
        server.cli(&["HSET", &key, "f", "x"]);
        assert!(look(&link, &key).is_touched, "{id}");
    }
}

#[test]
fn what_is_gone_leaves_a_record_for_a_while() {
    let Some(server) = Server::start("what_is_gone_leaves_a_record_for_a_while") else { return };
    let (link, key) = (server.link(), hash("c"));
    apply(&link, &key, &version("c", &RedisDocument::default(), "one\n", &[("status", "completed")]));
    let mut end = version("c", &fetch(&link, &key), "", &[]);
    (end.shown, end.record.text, end.record.gone) = (None, None, Some(Gone::Archived));
    end.record.path = DocPath::new("archive/2025-10/c.md").expect("a path");
    assert_eq!(apply(&link, &key, &end), Applied::Written);
    assert_eq!(apply(&link, &key, &end), Applied::Same);
    let seen = look(&link, &key);
    assert_eq!((seen.revision, seen.is_shown, seen.gone, seen.digest.as_str()), (2, false, true, ""));
    let gone = fetch(&link, &key);
    assert_eq!((gone.shown.clone(), gone.record.as_ref()), (None, Some(&end.record)));
    let ttl: i64 = server.cli(&["TTL", "mycelium:doc:{tasks:c}"]).parse().expect("seconds");
    assert!((29 * 86_400..=30 * 86_400).contains(&ttl), "{ttl}");
    // It comes back.
    assert_eq!(apply(&link, &key, &version("c", &gone, "three\n", &[("status", "pending")])), Applied::Written);
    assert_eq!(server.cli(&["TTL", "mycelium:doc:{tasks:c}"]), "-1");
    assert_eq!(fetch(&link, &key).record.and_then(|record| record.text).as_deref(), Some("three\n"));
}

#[test]
fn a_hash_lives_as_long_as_is_said() {
    let Some(server) = Server::start("a_hash_lives_as_long_as_is_said") else { return };
    let (link, key) = (server.link(), "agents:status:coder".to_owned());
    let mut out = version("coder", &RedisDocument::default(), "x\n", &[("status", "active")]);
    out.ttl = Some(Duration::from_secs(300));
    let ttl = || server.cli(&["PTTL", &key]).parse::<i64>().expect("milliseconds");
    apply(&link, &key, &out);
    assert!((290_000..=300_000).contains(&ttl()));
    out.ttl = Some(Duration::from_secs(500));
    assert_eq!(apply(&link, &key, &out), Applied::Same);
    assert!((490_000..=500_000).contains(&ttl()), "made longer");
    link.expire(&[(key.clone(), Duration::from_secs(100)), ("tasks:none".to_owned(), Duration::from_secs(1))])
        .expect("done");
    assert!((90_000..=100_000).contains(&ttl()));
    link.expire(&[]).expect("nothing to do");
    link.delete(std::slice::from_ref(&key)).expect("done");
    assert_eq!(ttl(), -2);
}

#[test]
fn what_is_no_document_is_said_to_be_garbage() {
    let Some(server) = Server::start("what_is_no_document_is_said_to_be_garbage") else { return };
    let link = server.link();
    server.cli(&["SET", "tasks:text", "x"]);
    assert!(garbage(&link, "tasks:text").contains("holds a string"));
    let seen = look(&link, "tasks:text");
    assert!(seen.is_shown && seen.is_touched, "{seen:?}");
    let many: Vec<String> = (0..600).map(|at| at.to_string()).collect();
    let args: Vec<&str> = ["HSET", "tasks:many"].into_iter().chain(many.iter().map(String::as_str)).collect();
    server.cli(&args);
    assert!(garbage(&link, "tasks:many").contains("300 fields"));
    server.cli(&["HSET", "tasks:long", &"x".repeat(9_000), "1"]);
    assert!(garbage(&link, "tasks:long").contains("names of its fields are too long"));
    let large = "x".repeat(1024 * 1024);
    server.cli(&["HSET", "tasks:large", "title", &large]);
    assert!(garbage(&link, "tasks:large").contains("1048581 bytes"));
    server.cli(&["EVAL", "redis.call('HSET', KEYS[1], 'title', '\\255\\254')", "1", "tasks:binary"]);
    assert!(garbage(&link, "tasks:binary").contains("UTF-8"));
    server.cli(&["SET", "mycelium:doc:{tasks:taken}", "x"]);
    assert_eq!(fetch(&link, "tasks:taken"), RedisDocument::default(), "our own keys hold what is ours");
    server.cli(&[
        "HSET",
        "mycelium:doc:{tasks:odd}",
        "rev",
        "1",
        "text",
        "x",
        "path",
        "../../etc/passwd",
        "wrote",
        "[]",
    ]);
    let odd = fetch(&link, "tasks:odd");
    let (revision, why) = odd.unusable.clone().expect("nobody can use that");
    assert!(revision == 1 && why.contains("path") && odd.record.is_none(), "{why}");
    // It is replaced by whoever saw it, once.
    let mut over = version("odd", &odd, "x\n", &[("status", "pending")]);
    assert_eq!(apply(&link, "tasks:odd", &over), Applied::Conflict);
    (over.expected, over.revision, over.record.revision) = (1, 2, 2);
    assert_eq!(apply(&link, "tasks:odd", &over), Applied::Written);
    for rev in ["18446744073709551615", "4503599627370497", "1e9", "-3", "x", ""] {
        server.cli(&["HSET", "mycelium:doc:{tasks:odd}", "rev", rev]);
        let odd = fetch(&link, "tasks:odd");
        let (revision, why) = odd.unusable.clone().expect("nobody can use that");
        assert!(revision == 0 && why.contains("rev"), "{rev}: {why}");
        let over = version("odd", &odd, &format!("{rev}\n"), &[("status", "pending")]);
        assert_eq!(apply(&link, "tasks:odd", &over), Applied::Written, "{rev}");
        assert_eq!(fetch(&link, "tasks:odd").record.map(|record| record.revision), Some(1));
    }
    // HashFields of others, many and of any bytes, are in nobody's way.
    let more: Vec<&str> =
        ["HSET", "mycelium:doc:{tasks:odd}"].into_iter().chain(many.iter().map(String::as_str)).collect();
    server.cli(&more);
    server.cli(&["EVAL", "redis.call('HSET', KEYS[1], 'y', '\\255\\254')", "1", "mycelium:doc:{tasks:odd}"]);
    assert!(fetch(&link, "tasks:odd").record.is_some());
    // Beside garbage the others are read; and garbage that was seen can be written over.
    let answers = link.fetch(&["tasks:text".to_owned(), "tasks:none".to_owned()]).expect("an answer");
    assert!(matches!(&answers[1], Fetched::Read(remote) if **remote == RedisDocument::default()));
    let mut over = version("text", &RedisDocument::default(), "x\n", &[("status", "pending")]);
    assert_eq!(apply(&link, "tasks:text", &over), Applied::Conflict);
    over.seen = seen.sum;
    assert_eq!(apply(&link, "tasks:text", &over), Applied::Written);
    assert_eq!(
        apply(&link, "tasks:taken", &version("taken", &RedisDocument::default(), "x\n", &[("a", "b")])),
        Applied::Written
    );
    assert_eq!(fetch(&link, "tasks:taken").record.map(|record| record.revision), Some(1));
}

#[test]
fn many_documents_go_in_few_steps() {
    let Some(server) = Server::start("many_documents_go_in_few_steps") else { return };
    let link = server.link();
    let mut writes: Vec<_> = (0..250)
        .map(|at| {
            let id = format!("t{at}");
            (hash(&id), version(&id, &RedisDocument::default(), &format!("text {at}\n"), &[("status", "pending")]))
        })
        .collect();
    server.cli(&["HSET", "tasks:t7", "status", "running"]);
    let applied = link.apply(&writes).expect("done");
    let conflicts: Vec<_> = applied.iter().enumerate().filter(|(_, done)| **done != Applied::Written).collect();
    assert_eq!(conflicts, [(7, &Applied::Conflict)]);
    assert!(link.apply(&writes).expect("done").iter().enumerate().all(|(at, done)| at == 7 || *done == Applied::Same));
    writes.truncate(0);
    assert_eq!(link.apply(&writes), Ok(Vec::new()));
    let keys = link.scan("tasks:t*").expect("keys");
    assert_eq!(keys.len(), 250);
    let looks = link.look(&keys).expect("looks");
    assert_eq!(looks.iter().filter(|look| look.revision == 1 && !look.is_touched).count(), 249);
    assert_eq!(link.fetch(&keys).expect("all").len(), 250);
    assert_eq!(link.scan("mycelium:doc:*").expect("keys").len(), 249);
    assert!(link.scan("nothing:*").expect("keys").is_empty());
}

#[test]
fn threads_share_a_connection_and_scripts_come_back_after_they_were_forgotten() {
    let test = "threads_share_a_connection_and_scripts_come_back_after_they_were_forgotten";
    let Some(server) = Server::start(test) else { return };
    let link = server.link();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (link, server) = (&link, &server);
            scope.spawn(move || {
                for at in 0..50 {
                    let id = format!("{thread}-{at}");
                    let out = version(&id, &RedisDocument::default(), "x\n", &[("status", "pending")]);
                    assert_eq!(apply(link, &hash(&id), &out), Applied::Written);
                    if at % 20 == 7 {
                        server.cli(&["SCRIPT", "FLUSH"]);
                    }
                }
            });
        }
    });
    assert_eq!(link.scan("tasks:*").expect("keys").len(), 200);
}

#[test]
fn of_two_who_saw_the_same_one_writes() {
    let Some(server) = Server::start("of_two_who_saw_the_same_one_writes") else { return };
    let key = hash("race");
    for round in 0..20_u64 {
        let links = [server.link(), server.link()];
        let seen = fetch(&links[0], &key);
        let written = std::thread::scope(|scope| {
            let threads: Vec<_> = links
                .iter()
                .enumerate()
                .map(|(at, link)| {
                    let (seen, key) = (&seen, &key);
                    let text = format!("{round} {at}\n");
                    scope.spawn(move || apply(link, key, &version("race", seen, &text, &[("by", &text)])))
                })
                .collect();
            threads.into_iter().filter_map(|thread| thread.join().ok()).filter(|done| *done == Applied::Written).count()
        });
        assert_eq!(written, 1);
        assert_eq!(fetch(&links[0], &key).record.map(|record| record.revision), Some(round + 1));
    }
}

#[test]
fn large_documents_go_in_more_steps() {
    let Some(server) = Server::start("large_documents_go_in_more_steps") else { return };
    let link = server.link();
    let text = "x".repeat(700 * 1024);
    let of = |at: usize| {
        let id = format!("t{at:02}");
        (hash(&id), version(&id, &RedisDocument::default(), &format!("{text}{at}"), &[("status", "pending")]))
    };
    let writes: Vec<_> = (0..20).map(of).collect();
    assert!(link.apply(&writes).expect("done").iter().all(|done| *done == Applied::Written));
    let keys: Vec<_> = writes.iter().map(|(key, _)| key.clone()).collect();
    let fetched = link.fetch(&keys).expect("all");
    assert_eq!(fetched.len(), 20);
    for (fetched, (_, out)) in fetched.iter().zip(&writes) {
        assert!(matches!(fetched, Fetched::Read(remote) if remote.record.as_ref() == Some(&out.record)));
    }
}
