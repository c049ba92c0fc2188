//! Who has a task: one at a time, with a number that only grows, also when the server forgets.

use std::time::{Duration, Instant};

use mycelium::redis::codec::RedisDocument;
use mycelium::redis::{ClaimAnswer, ClaimAsk, LeadAnswer, Renewal};

use crate::documents::{apply, fetch, hash, version};
use crate::server::{Server, eventually};
use crate::single::SingleClaims as _;
use crate::support::{Run, Sandbox};

const LEASE: Duration = Duration::from_secs(60);

fn ask(id: &str, agent: &str, fence: u64) -> ClaimAsk {
    ClaimAsk {
        hash: hash(id),
        agent: agent.to_owned(),
        node: "node-a".to_owned(),
        fence,
        lease: LEASE,
        takes_popped: false,
    }
}

fn won(fence: u64) -> ClaimAnswer {
    ClaimAnswer::Won { fence, was: None }
}

#[test]
fn one_agent_has_a_task() {
    let Some(server) = Server::start("one_agent_has_a_task") else { return };
    let link = server.link();
    assert_eq!(link.claim(&ask("a", "coder", 4)), Ok(won(5)), "greater than the number in the file");
    assert_eq!(link.claim(&ask("a", "coder", 4)), Ok(ClaimAnswer::Kept { fence: 5 }), "asked twice");
    let lost = link.claim(&ask("a", "tester", 4)).expect("an answer");
    assert!(
        matches!(&lost, ClaimAnswer::Lost { holder, fence: 5, left } if holder == "coder" && *left > LEASE / 2),
        "{lost:?}"
    );
    assert_eq!(link.unclaim("tasks:a", "tester", 5), Ok(false));
    assert_eq!(link.unclaim("tasks:a", "coder", 4), Ok(false));
    assert_eq!(link.unclaim("tasks:a", "coder", 5), Ok(true));
    assert_eq!(link.claim(&ask("a", "tester", 0)), Ok(won(6)));
    // A claim alone is no version of the document.
    assert_eq!(fetch(&link, "tasks:a"), RedisDocument::default());
    let threads: Vec<_> = (0..8)
        .map(|at| {
            let settings = server.settings();
            std::thread::spawn(move || {
                let link = mycelium::redis::Link::connect(&settings, LEASE).expect("a connection");
                matches!(link.claim(&ask("crowd", &format!("agent-{at}"), 0)), Ok(ClaimAnswer::Won { .. }))
            })
        })
        .collect();
    assert_eq!(threads.into_iter().filter_map(|thread| thread.join().ok()).filter(|won| *won).count(), 1);
}

#[test]
fn a_lease_that_is_over_is_free_and_one_that_is_renewed_is_not() {
    let Some(server) = Server::start("a_lease_that_is_over_is_free_and_one_that_is_renewed_is_not") else { return };
    let link = server.link();
    let short = ClaimAsk { lease: Duration::from_millis(30), ..ask("a", "coder", 0) };
    assert_eq!(link.claim(&short), Ok(won(1)));
    assert_eq!(link.claim(&ClaimAsk { hash: hash("b"), ..short.clone() }), Ok(won(1)));
    assert_eq!(link.renew(&ClaimAsk { fence: 1, ..ask("b", "coder", 1) }), Ok(Renewal::Renewed));
    std::thread::sleep(Duration::from_millis(40));
    assert_eq!(link.claim(&ask("a", "tester", 0)), Ok(ClaimAnswer::Won { fence: 2, was: Some("coder".to_owned()) }));
    assert!(matches!(link.claim(&ask("b", "tester", 0)), Ok(ClaimAnswer::Lost { .. })));
    let late = link.renew(&ClaimAsk { fence: 1, ..short }).expect("an answer");
    assert!(matches!(&late, Renewal::Lost { holder, fence: 2, .. } if holder == "tester"), "{late:?}");
    link.unclaim("tasks:b", "coder", 1).expect("done");
    assert_eq!(
        link.renew(&ask("b", "coder", 1)),
        Ok(Renewal::Lost { holder: String::new(), fence: 1, left: Duration::ZERO }),
        "given back"
    );
}

#[test]
fn what_the_file_says_counts_where_the_server_knows_no_better() {
    let Some(server) = Server::start("what_the_file_says_counts_where_the_server_knows_no_better") else { return };
    let link = server.link();
    let key = hash("a");
    let run = |fence: &'static str, by: &'static str| {
        let seen = fetch(&link, &key);
        let shown = [("status", "running"), ("claimed_by", by), ("fence", fence), ("lease", "90s")];
        apply(&link, &key, &version("a", &seen, &format!("{by} {fence}\n"), &shown))
    };
    run("3", "coder");
    let lost = link.claim(&ask("a", "tester", 3)).expect("an answer");
    let ClaimAnswer::Lost { holder, fence: 3, left } = &lost else { panic!("{lost:?}") };
    assert!(holder == "coder" && *left > Duration::from_secs(80) && *left <= Duration::from_secs(90), "{lost:?}");
    run("2", "tester");
    assert!(
        matches!(link.claim(&ask("a", "x", 3)), Ok(ClaimAnswer::Lost { holder, .. }) if holder == "coder"),
        "an older claim"
    );
    let free = version("a", &fetch(&link, &key), "free\n", &[("status", "pending"), ("fence", "3")]);
    apply(&link, &key, &free);
    assert_eq!(link.claim(&ask("a", "tester", 3)), Ok(won(4)), "given back in the file");
    let stale = version("a", &fetch(&link, &key), "stale\n", &[("status", "pending"), ("fence", "3"), ("x", "y")]);
    apply(&link, &key, &stale);
    assert!(matches!(link.claim(&ask("a", "x", 3)), Ok(ClaimAnswer::Lost { fence: 4, .. })), "the file came too late");
    apply(&link, &key, &version("a", &fetch(&link, &key), "end\n", &[("status", "completed"), ("fence", "4")]));
    assert_eq!(link.claim(&ask("a", "x", 4)), Ok(ClaimAnswer::Ended("completed".to_owned())));
}

#[test]
fn a_server_that_lost_its_data_waits_for_those_who_have_tasks() {
    let Some(mut server) = Server::start("a_server_that_lost_its_data_waits_for_those_who_have_tasks") else { return };
    let quiet = Duration::from_millis(250);
    let link = server.link();
    let first = link.enter_space("", "space-1", quiet, "").expect("an answer");
    assert_eq!(
        (first.id.as_str(), first.opens_in, first.is_new, first.has_changed),
        ("space-1", Duration::ZERO, true, false)
    );
    let again = link.enter_space("space-1", "space-2", quiet, "").expect("an answer");
    assert_eq!(
        (again.id.as_str(), again.opens_in, again.is_new, again.has_changed),
        ("space-1", Duration::ZERO, false, false)
    );
    assert_eq!(link.claim(&ask("a", "coder", 0)), Ok(won(1)));
    let before = link.server().identity.clone();
    server.restart();
    let link = server.link();
    assert_ne!(link.server().identity, before);
    let space = link.enter_space("space-1", "space-3", quiet, "").expect("an answer");
    assert!(space.is_new && space.has_changed && space.id == "space-3" && space.opens_in > Duration::ZERO, "{space:?}");
    assert!(matches!(link.claim(&ask("a", "thief", 1)), Ok(ClaimAnswer::Settling { .. })));
    assert_eq!(link.renew(&ask("a", "coder", 1)), Ok(Renewal::Renewed), "told anew");
    assert_eq!(link.claim(&ask("a", "coder", 1)), Ok(ClaimAnswer::Kept { fence: 1 }), "the holder need not wait");
    assert!(matches!(link.claim(&ask("a", "thief", 1)), Ok(ClaimAnswer::Lost { .. })));
    eventually("it opens", || link.claim(&ask("b", "thief", 0)) == Ok(won(1)));
    // A clone that was away longer finds another set than it knew.
    let late = link.enter_space("space-1", "space-4", quiet, "").expect("an answer");
    assert!(!late.is_new && late.has_changed && late.opens_in > Duration::ZERO, "{late:?}");
    assert!(matches!(link.claim(&ask("c", "thief", 0)), Ok(ClaimAnswer::Settling { .. })));
}

#[test]
fn a_claim_counts_in_the_data_and_for_the_branch_that_it_is_about() {
    let Some(server) = Server::start("a_claim_counts_in_the_data_and_for_the_branch_that_it_is_about") else { return };
    let (link, quiet) = (server.link(), Duration::ZERO);
    let space = link.enter_space("", "space-1", quiet, "main").expect("an answer");
    assert_eq!(space.branch, "main");
    assert_eq!(link.claim_in(&ask("a", "coder", 0), "space-1", "main"), Ok(won(1)));
    assert_eq!(link.claim_in(&ask("b", "coder", 0), "", ""), Ok(won(1)), "of somebody who knows nothing");
    for (known, branch) in [("space-0", "main"), ("space-1", "dev"), ("", "dev")] {
        let answer = link.claim_in(&ask("c", "coder", 0), known, branch);
        assert_eq!(answer, Ok(ClaimAnswer::Settling { left: LEASE }), "{known} {branch}");
    }
    assert_eq!(link.claim_in(&ask("c", "coder", 0), "space-1", "main"), Ok(won(1)), "nothing was decided before");
    server.cli(&["HSET", "mycelium:space", "branch", "dev"]);
    assert_eq!(link.claim_in(&ask("d", "coder", 0), "space-1", "main"), Ok(ClaimAnswer::Settling { left: LEASE }));
    assert_eq!(link.claim_in(&ask("d", "coder", 0), "space-1", "dev"), Ok(won(1)));
    // Nor is anything said of what others have there, or have done, or what an agent of the same name has.
    server.cli(&["HSET", "tasks:e", "status", "completed"]);
    for (id, agent) in [("a", "coder"), ("a", "thief"), ("e", "coder")] {
        let answer = link.claim_in(&ask(id, agent, 0), "space-1", "main");
        assert_eq!(answer, Ok(ClaimAnswer::Settling { left: LEASE }), "{id} {agent}");
    }
}

/// Who does something, an operation in two forms that can follow each other, and whose leases it renews.
type Row = (&'static str, [&'static [&'static str]; 2], [bool; 3]);

#[test]
fn each_operation_of_the_holder_renews_the_lease_on_the_server() {
    let Some(server) = Server::start("each_operation_of_the_holder_renews_the_lease_on_the_server") else { return };
    let sandbox = Sandbox::new();
    let run = |agent: &str, arguments: &[&str]| {
        let mut command = sandbox.mycelium_command(arguments);
        Run::of(command.env("REDIS_URL", server.url()).env("MYCELIUM_AGENT", agent)).ok()
    };
    let ends = || {
        ["task-1", "task-2", "other"].map(|task| {
            let until = server.cli(&["HGET", &format!("mycelium:doc:{{tasks:{task}}}"), "until"]);
            until.parse::<u64>().expect("a lease")
        })
    };
    for (task, agent) in [("task-1", "ann"), ("task-2", "ann"), ("other", "ben")] {
        run("ann", &["task", "create", "--type", "x", "--id", task, "--step", "one"]);
        run(agent, &["task", "claim", task, "--require-mode", "redis"]);
    }
    // On a busy machine an operation may not wait for the server: the next one renews.
    let (all_of_ann, one, none) = ([true, true, false], [true, false, false], [false, false, true]);
    let rows: [Row; 8] = [
        ("ann", [&["task", "note", "task-1", "at it"]; 2], all_of_ann),
        (
            "ann",
            [&["task", "update", "task-1", "--progress", "0.5"], &["task", "update", "task-1", "--progress", "0.6"]],
            all_of_ann,
        ),
        ("ann", [&["task", "tick", "task-1", "1"], &["task", "tick", "task-1", "1", "--open"]], all_of_ann),
        (
            "ann",
            [&["agent", "set", "ann", "--status", "busy"], &["agent", "set", "ann", "--status", "idle"]],
            all_of_ann,
        ),
        ("ann", [&["event", "publish", "team:news", "hello"]; 2], all_of_ann),
        ("ann", [&["task", "renew", "task-1"]; 2], one),
        ("ann", [&["task", "note", "other", "what others do"]; 2], all_of_ann),
        ("ben", [&["task", "note", "task-1", "renews nothing here"]; 2], none),
    ];
    for (agent, [first, again], renews) in rows {
        let before = ends();
        let mut tries = [first, again].into_iter().cycle();
        eventually(&format!("{first:?} renews {renews:?}"), || {
            run(agent, tries.next().expect("for ever"));
            let after = ends();
            let renewed = [0, 1, 2].map(|at| after[at] > before[at]);
            assert!(renewed.iter().zip(renews).all(|(renewed, may)| may || !renewed), "{first:?}: {renewed:?}");
            renewed == renews
        });
    }
    // What is finished is renewed no more.
    run("ann", &["task", "complete", "task-2"]);
    run("ann", &["bridge", "push"]);
    assert_eq!(ends()[1], 0);
    run("ann", &["task", "note", "task-1", "and on"]);
    assert_eq!(ends()[1], 0);
}

#[test]
fn one_node_leads_and_gives_the_lead_back_also_to_a_server_that_hangs() {
    let test = "one_node_leads_and_gives_the_lead_back_also_to_a_server_that_hangs";
    let Some(mut server) = Server::start(test) else { return };
    let link = server.link();
    let (lead, last) = (link.keys().own("recorder"), link.keys().own("last_recorder"));
    let keys = [lead.as_str(), last.as_str()];
    let short = Duration::from_millis(60);
    assert_eq!(link.lead(keys, "a", short, LEASE), Ok(LeadAnswer::Taken));
    assert_eq!(link.lead(keys, "b", short, LEASE), Ok(LeadAnswer::Other));
    assert_eq!(link.lead(keys, "a", short, LEASE), Ok(LeadAnswer::Kept));
    eventually("it ends", || link.lead(keys, "b", LEASE, LEASE) == Ok(LeadAnswer::Inherited));
    assert_eq!(link.end_lead(keys, "a"), Ok(false));
    assert_eq!(link.lead(keys, "a", LEASE, LEASE), Ok(LeadAnswer::Other));
    server.stop();
    let began = Instant::now();
    assert!(link.end_lead(keys, "b").is_err_and(|error| error.is_unknown()));
    assert!(began.elapsed() < server.settings().operation_timeout, "nobody waits for it");
    drop(link);
    server.go_on();
    let link = server.link();
    eventually("it is given back", || link.lead(keys, "a", LEASE, LEASE) == Ok(LeadAnswer::Taken));
}
