//! Whose word counts, as a table.

use super::*;
use crate::services::Project;
use crate::services::bridge::test_project::project;

/// The server that a project may use.
fn target(project: &Project) -> Result<Box<RedisTarget>, Error> {
    project.bridge().redis().target()
}

fn described(configured: &Result<Box<RedisTarget>, Error>) -> String {
    match configured {
        Err(Error::NoServer) => "nothing".to_owned(),
        Err(Error::UntrustedServer { address }) => format!("untrusted {address}"),
        Err(Error::UnagreedServer { address, why }) => format!("{address} {why}"),
        Err(other) => format!("broken {other}"),
        Ok(target) => target.mirror.address.clone(),
    }
}

#[test]
fn whose_word_counts() {
    let url = ("coordination.redis.url", "redis://me:geheim@env:1");
    let mode = |mode| ("coordination.mode", mode);
    let theirs = r#"{"coordination": {"redis": {"url": "redis://evil:6379"}}}"#;
    let their_mode = r#"{"coordination": {"mode": "redis"}}"#;
    let own = "redis://127.0.0.1:6379/0";
    for (config, flags, expected) in [
        ("", &[][..], "nothing"),
        ("", &[mode("markdown"), url], "nothing"),
        ("", &[mode("taskqueue"), url], "nothing"),
        ("", &[url], "redis://me@env:1/0"),
        ("", &[mode("redis"), url], "redis://me@env:1/0"),
        ("", &[mode("redis")], own),
        (theirs, &[], "untrusted redis://evil:6379/0"),
        (theirs, &[mode("redis")], "untrusted redis://evil:6379/0"),
        (theirs, &[url], "redis://me@env:1/0"),
        (their_mode, &[], &format!("untrusted {own}")),
        (their_mode, &[url], "redis://me@env:1/0"),
        (their_mode, &[mode("auto")], "nothing"),
        (
            r#"{"coordination": {"redis": {"prefix": "other:", "db": 0}}, "bridge": {"channels": "*"}}"#,
            &[url],
            "redis://me@env:1/0 is not used: `coordination.redis.prefix`, `bridge.channels` comes from the repository, \
             and this clone has not agreed to it",
        ),
        (
            r#"{"coordination": {"redis": {"prefix": "other:"}}}"#,
            &[url, ("coordination.redis.prefix", "mine:")],
            "redis://me@env:1/0",
        ),
        (
            "",
            &[("coordination.redis.url", "me:geheim@h")],
            "broken `me@h` cannot be used: the address of the server does not begin with `redis://` or its like",
        ),
        (
            "",
            &[url, ("coordination.redis.ca", "/nowhere.pem")],
            "broken the certificates in `/nowhere.pem` cannot be read: no such file",
        ),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let wanted = target(&project(folder.path(), config, flags));
        assert_eq!(described(&wanted), expected, "{config} {flags:?}");
        assert!(!format!("{wanted:?}").contains("geheim"), "{wanted:?}");
    }
}

#[test]
fn a_server_is_remembered_with_its_branch_and_a_name_that_stays() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |url, more: &[(&str, &str)]| {
        let flags = [&[("coordination.redis.url", url)], more].concat();
        match target(&project(folder.path(), "", &flags)) {
            Ok(target) => target,
            other => panic!("{other:?}"),
        }
    };
    let first = at("redis://:geheim@a", &[]);
    let again = at("redis://a", &[]);
    assert_eq!((first.mirror.branch.as_str(), first.mirror.node.len()), ("main", 16));
    assert_eq!((&again.mirror.branch, &again.mirror.node), (&first.mirror.branch, &first.mirror.node));
    store::replace_text_in(folder.path(), ".git/HEAD", "ref: refs/heads/other\n").expect("written");
    let open = || project(folder.path(), "", &[]);
    store::replace_text_in(folder.path(), ".git/HEAD", "ref: refs/heads/other\n").expect("written");
    let elsewhere = at("redis://b", &[("bridge.branch", "third")]);
    assert_eq!((elsewhere.mirror.branch.as_str(), &elsewhere.mirror.node), ("third", &first.mirror.node));
    let text = open().store().local.bridge_text("enabled.json").expect("read").expect("there");
    assert!(!text.contains("geheim"), "{text}");
    // Run state alone makes nobody agree: it may have come with the repository.
    let forged =
        r#"{"address": "redis://evil:6379/0", "branch": "main", "node": "n", "is_given": true, "token": "../x"}"#;
    open().store().local.set_bridge_text("enabled.json", forged).expect("written");
    assert_eq!(described(&target(&open())), "untrusted redis://evil:6379/0");
}

#[test]
fn to_know_what_is_wanted_costs_next_to_nothing() {
    const TIMES: u32 = 200;
    let folder = tempfile::tempdir().expect("a folder");
    let cost = |flags: &[(&str, &str)]| {
        let project = project(folder.path(), "", flags);
        let _ = target(&project);
        let began = std::time::Instant::now();
        for _ in 0..TIMES {
            assert!(!matches!(target(&project), Err(Error::BadServer { .. })));
        }
        began.elapsed() / TIMES
    };
    let (nothing, named) = (cost(&[]), cost(&[("coordination.redis.url", "redis://h:1")]));
    // Generous: a build for tests, on a machine that does other things.
    assert!(nothing < Duration::from_micros(100) && named < Duration::from_millis(2), "{nothing:?} {named:?}");
}

#[test]
fn a_repository_replaces_no_password_of_an_address() {
    let config = r#"{"coordination": {"redis": {"password": "theirs"}}}"#;
    for (url, expected) in [("redis://:own@h", "redis://:own@h"), ("redis://h", "redis://:theirs@h")] {
        let folder = tempfile::tempdir().expect("a folder");
        let project = project(folder.path(), config, &[("coordination.redis.url", url)]);
        let Ok(of) = target(&project) else { panic!("{url}") };
        assert!(Ok(of.settings.address) == Address::parse(expected, None, 0), "{url}");
    }
}
