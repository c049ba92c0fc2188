//! Calls of the tools, and what becomes of them under every fault of a server.

use std::fs;
use std::time::{Duration, Instant};

use mycelium::taskqueue::{Client, ItemStatus, NewItem, Program, TaskQueueError, Update};

use crate::server::{PATIENCE, Server};
use crate::stand_in::{Faults, Fork, Point, When};
use crate::support::script::write_script;

const SHORT: Duration = Duration::from_millis(600);

fn item(name: &str) -> NewItem {
    let description = format!("**{name}**\r\n\u{0}\u{2028}\u{1f600} ```json\n{{}}\n```");
    NewItem { title: format!("train [{name}]"), description, rule_recommendations: format!("mycelium:v1 task={name}") }
}

fn done(details: &str) -> Update {
    Update { status: Some(ItemStatus::Done), completed_details: Some(details.to_owned()), ..Update::default() }
}

const fn before(call: u32) -> Point {
    Point { call, when: When::Before }
}

const fn after(call: u32) -> Point {
    Point { call, when: When::After }
}

#[test]
fn what_is_written_is_read_again_byte_for_byte() {
    let server = Server::real_or_stand_in("round trip");
    let mut client = server.client();
    let project = client.create_project("a space\nmycelium:v1 space=s gen=1", PATIENCE).expect("a project");
    let ids = client.add(&project, &[item("a"), item("b")], PATIENCE).expect("two tasks");
    assert_eq!(ids, ["task-1", "task-2"]);
    let updated = client.update(&project, &ids[0], &done("{\"loss\":0.1}"), PATIENCE).expect("an update");
    assert_eq!((updated.status, updated.completed_details.as_str()), (ItemStatus::Done, "{\"loss\":0.1}"));
    client.delete(&project, &ids[1], PATIENCE).expect("a deletion");
    let read = client.project(&project, PATIENCE).expect("the project");
    assert_eq!(read.tasks, [updated]);
    assert_eq!(read.tasks[0].description, item("a").description);
    assert_eq!(read.tasks[0].rule_recommendations.as_deref(), Some("mycelium:v1 task=a"));
    assert_eq!(client.projects(PATIENCE).expect("projects")[0].initial_prompt, read.initial_prompt);
    assert!(!read.completed);
}

#[test]
fn a_refusal_leaves_the_connection_in_use() {
    let server = Server::real_or_stand_in("refusals");
    let mut client = server.client();
    let refused = client.project("proj-9", PATIENCE).expect_err("there is none");
    assert!(refused.is_refusal(), "{refused}");
    let project = client.create_project("p", PATIENCE).expect("a project");
    let empty = NewItem { title: String::new(), ..item("a") };
    assert!(client.add(&project, &[empty], PATIENCE).expect_err("no title").is_refusal());
    assert!(!client.is_lost());
    client.add(&project, &[item("a")], PATIENCE).expect("it goes on");
}

#[test]
fn a_server_ends_with_its_client_and_leaves_no_lock() {
    let server = Server::real_or_stand_in("ending");
    let mut client = server.client();
    client.create_project("p", PATIENCE).expect("a project");
    let began = Instant::now();
    drop(client);
    assert!(began.elapsed() < Duration::from_secs(3), "it ends when its input ends");
    assert!(!server.file().with_extension("json.lock").exists());
    assert!(server.text().contains("proj-1"));
}

#[test]
fn noise_floods_and_forks_do_not_matter() {
    let new = vec!["2025-11-25".to_owned(), "2024-11-05".to_owned()];
    let faults = [
        Faults { noise: true, ..Faults::default() },
        Faults { stderr_flood: 300_000, ..Faults::default() },
        Faults { protocols: new, ..Faults::default() },
        Faults { fork: Some(Fork::Translated), ..Faults::default() },
        Faults { fork: Some(Fork::Wrapped), ..Faults::default() },
        Faults { fork: Some(Fork::Strict), ..Faults::default() },
        Faults { start_delay: SHORT, call_delay: Duration::from_millis(50), ..Faults::default() },
    ];
    for faults in faults {
        let server = Server::stand_in(&faults);
        let mut client = server.connect().unwrap_or_else(|error| panic!("{faults:?}: {error}"));
        let project = client.create_project("p", PATIENCE).expect("a project");
        client.add(&project, &[item("a")], PATIENCE).expect("a task");
        let begun = Update { status: Some(ItemStatus::InProgress), ..Update::default() };
        assert_eq!(client.update(&project, "task-1", &begun, PATIENCE).expect("begun").status, ItemStatus::InProgress);
        let item = client
            .update(&project, "task-1", &done("x"), PATIENCE)
            .unwrap_or_else(|error| panic!("{faults:?}: {error}"));
        assert_eq!(item.completed_details, "x");
        assert!(client.project("proj-9", PATIENCE).expect_err("there is none").is_refusal(), "{faults:?}");
    }
}

#[test]
fn a_fork_that_takes_one_step_at_a_time_refuses_two() {
    let server = Server::stand_in(&Faults { fork: Some(Fork::Strict), ..Faults::default() });
    let mut client = server.client();
    let project = client.create_project("p", PATIENCE).expect("a project");
    client.add(&project, &[item("a")], PATIENCE).expect("a task");
    assert!(client.update(&project, "task-1", &done("x"), PATIENCE).expect_err("two steps").is_refusal());
}

/// Faults under which a call has no answer, and whether it was done.
#[test]
fn a_call_without_an_answer_ends_the_server_and_is_not_repeated() {
    let cases = [
        (Faults { dies: Some(before(2)), ..Faults::default() }, false),
        (Faults { dies: Some(after(2)), ..Faults::default() }, true),
        (Faults { hangs: Some(before(2)), ..Faults::default() }, false),
        (Faults { hangs: Some(after(2)), ..Faults::default() }, true),
        (Faults { drops_answer: Some(after(2)), ..Faults::default() }, true),
    ];
    for (faults, is_done) in cases {
        let server = Server::stand_in(&faults);
        let mut client = server.client();
        let began = Instant::now();
        let error = client.create_project("p", SHORT).expect_err("no answer");
        assert!(began.elapsed() < PATIENCE, "{faults:?}");
        assert!(matches!(error, TaskQueueError::Ended { .. } | TaskQueueError::TimedOut { .. }), "{faults:?}: {error}");
        assert!(error.to_string().contains("`create_project`"), "{error}");
        assert!(client.is_lost() && !error.is_refusal());
        // It is used no more: an answer that comes late would be taken for another one's.
        assert!(matches!(client.projects(PATIENCE), Err(TaskQueueError::Ended { .. })));
        let began = Instant::now();
        drop(client);
        assert!(began.elapsed() < Duration::from_secs(5), "{faults:?}");
        assert_eq!(server.file().exists() && server.text().contains("proj-1"), is_done, "{faults:?}");
    }
}

#[test]
fn a_server_that_waits_for_a_lock_is_given_up() {
    let server = Server::real_or_stand_in("a lock that a killed server left");
    fs::write(server.file().with_extension("json.lock"), "").expect("a lock");
    let mut client = Client::start(&server.program, PATIENCE).expect("it shakes hands");
    assert!(matches!(client.projects(SHORT), Err(TaskQueueError::TimedOut { .. })));
    let began = Instant::now();
    drop(client);
    assert!(began.elapsed() < Duration::from_secs(3), "a server that hangs is ended");
    fs::remove_file(server.file().with_extension("json.lock")).expect("the lock is nobody's");
    server.client();
}

#[test]
fn a_torn_or_foreign_file_is_a_refusal_and_stays_as_it_is() {
    for text in ["", "{\"projects\": [", "{}", "null", "\u{feff}{\"projects\": []}"] {
        let server = Server::real_or_stand_in("an unreadable file");
        fs::write(server.file(), text).expect("a file");
        let mut client = Client::start(&server.program, PATIENCE).expect("it shakes hands");
        assert!(client.create_project("p", PATIENCE).expect_err("unreadable").is_refusal(), "{text:?}");
        assert_eq!(server.text(), text);
    }
}

#[test]
fn what_is_no_server_is_said_to_be_none() {
    let started = |script: &str| {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("program");
        write_script(&path, script);
        let program = Program { words: vec![path.into()], environment: Vec::new(), folder: folder.path().to_owned() };
        Client::start(&program, SHORT * 3).expect_err("no server")
    };
    assert!(matches!(started("exit 3"), TaskQueueError::Ended { .. }));
    assert!(
        matches!(started("echo 'no module named x' >&2; exit 1"), TaskQueueError::Ended { stderr, .. } if stderr.contains("module named x"))
    );
    assert!(matches!(started("cat >/dev/null"), TaskQueueError::TimedOut { .. }));
    assert!(matches!(started("sleep 100"), TaskQueueError::TimedOut { .. }));
    assert!(matches!(started("cat"), TaskQueueError::TimedOut { .. }), "an echo is no answer");
    let other =
        r#"read line; echo '{"jsonrpc":"2.0","id":1,"result":{"serverInfo":{"name":"files"}}}'; cat >/dev/null"#;
    assert!(matches!(started(other), TaskQueueError::Foreign { why, .. } if why.contains("`files`")));
    assert!(matches!(
        started("head -c 70000000 /dev/zero; cat >/dev/null"),
        TaskQueueError::Senseless { .. } | TaskQueueError::TimedOut { .. }
    ));
    let missing = Program { words: vec!["/nowhere/taskqueue-mcp".into()], environment: Vec::new(), folder: "/".into() };
    assert!(matches!(Client::start(&missing, SHORT), Err(TaskQueueError::NotStarted { .. })));
    let none = Program { words: Vec::new(), ..missing };
    assert!(matches!(Client::start(&none, SHORT), Err(TaskQueueError::NotStarted { .. })));
}

#[test]
fn an_initialize_without_an_answer_is_bounded() {
    for faults in
        [Faults { never_initializes: true, ..Faults::default() }, Faults { exits_at_once: true, ..Faults::default() }]
    {
        let server = Server::stand_in(&faults);
        let began = Instant::now();
        assert!(Client::start(&server.program, SHORT).is_err());
        assert!(began.elapsed() < Duration::from_secs(10), "{faults:?}");
    }
}

/// An id that was given to two clients, a lock left behind, half a file: what a bridge must see when it reads again.
#[test]
fn the_faults_of_a_shared_file_are_those_of_the_real_one() {
    let server = Server::stand_in(&Faults { issues_twice: Some(3), ..Faults::default() });
    let mut client = server.client();
    let project = client.create_project("p", PATIENCE).expect("a project");
    assert_eq!(client.add(&project, &[item("a")], PATIENCE).expect("an answer"), ["task-1"]);
    assert_eq!(client.project(&project, PATIENCE).expect("the project").tasks[0].title, "another client's task");

    let server = Server::stand_in(&Faults { leaves_lock: Some(2), ..Faults::default() });
    let mut client = server.client();
    client.create_project("p", PATIENCE).expect("a project");
    assert!(matches!(client.projects(SHORT), Err(TaskQueueError::TimedOut { .. })));

    let server = Server::stand_in(&Faults { tears_file: Some(2), ..Faults::default() });
    let mut client = server.client();
    assert!(matches!(client.create_project("p", SHORT), Err(TaskQueueError::Ended { .. })));
    drop(client);
    assert!(serde_json::from_str::<serde_json::Value>(&server.text()).is_err());
    assert!(server.file().with_extension("json.lock").exists());

    let server = Server::stand_in(&Faults { blocks_on_done: true, ..Faults::default() });
    let mut client = server.client();
    let project = client.create_project("p", PATIENCE).expect("a project");
    client.add(&project, &[item("a")], PATIENCE).expect("a task");
    assert!(matches!(client.update(&project, "task-1", &done("x"), SHORT), Err(TaskQueueError::TimedOut { .. })));
}

/// A server that reads nothing must not hold up who writes to it.
#[test]
fn a_request_that_nobody_reads_times_out() {
    let server = Server::stand_in(&Faults { hangs: Some(before(2)), ..Faults::default() });
    let mut client = server.client();
    let _ = client.create_project("p", SHORT);
    let server = Server::stand_in(&Faults { hangs: Some(after(1)), ..Faults::default() });
    let mut client = Client::start(&server.program, PATIENCE).expect("a server");
    let large = NewItem { description: "x".repeat(4 << 20), ..item("a") };
    let began = Instant::now();
    assert!(matches!(client.add("proj-1", &[large], SHORT), Err(TaskQueueError::TimedOut { .. })));
    assert!(began.elapsed() < PATIENCE);
}
