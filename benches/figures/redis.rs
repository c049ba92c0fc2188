//! The bridge beside a real server, and what the server does by itself in the same minutes (`redis-benchmark`): status updates
//! of 1 and of 100 agents until they are in the file and on the server, tasks made, events heard, a first mirror, batches.

use std::fmt::Write as _;
use std::process::{Child, Command, Stdio};
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use mycelium::entity::agent::{self, AgentUpdate};
use mycelium::entity::{AgentStatus, Priority, TaskDraft};
use mycelium::name::{AgentName, Channel, ChannelPattern, DocId, DocPath, Kind};
use mycelium::operation::{DocumentChange, New, Passing, Request, Taken};
use mycelium::redis::Link;
use mycelium::redis::codec::{RedisRecord, RedisWrite};
use mycelium::services::{Follower, Opening, Project, Together};
use serde_json::json;

use crate::bench::{Bench, Tasks, Verdict, disk, each_second, ms, quantile, repository, timed, whole};
use crate::server::Server;
use crate::support::Sandbox;

/// Agents at once, as in the reference document.
const AGENTS: usize = 100;
/// What the reference document says of Redis alone: status updates in a second.
const UPDATES_MIN: f64 = 234_000.0 / 60.0;
/// Share of `redis-benchmark`'s pipelined rate that a mirror is to reach.
const SHARE_MIN: f64 = 0.7;
/// Commands in one go.
const BATCH: usize = 100;
/// Longest wait for both sides to be alike.
const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) fn run(bench: &Bench) {
    let Some(server) = Server::start("redis") else { return println!("no redis-server: nothing measured") };
    let pipelined = alone(bench, &server);
    batches(bench, &server, pipelined);
    for agents in [1, AGENTS] {
        operations(bench, &server, agents);
    }
    events(bench, &server);
    first(bench, &server);
    memory(bench, &server);
}

/// A project in which a status counts as a sign of life does: nobody waits for the disk, and commits come later.
pub(crate) fn open(sandbox: &Sandbox, name: &str, url: &str) -> Project {
    let flags = [("markdown.durability", "off"), ("coordination.redis.url", url)];
    let flags = flags.map(|(key, value)| (key.to_owned(), value.to_owned())).to_vec();
    let agent = Some(AgentName::new(name).unwrap());
    Project::open(Opening { root: Some(sandbox.root().to_owned()), agent, flags }).unwrap()
}

fn name(number: usize) -> String {
    format!("agent-{number:03}")
}

/// What the server does for `redis-benchmark`. Gives the rate of hashes that it takes in batches.
fn alone(bench: &Bench, server: &Server) -> f64 {
    let count = bench.pick(200_000, 50_000, 200).to_string();
    let run = |more: &[&str], command: &[&str]| -> String {
        let mut program = Command::new("redis-benchmark");
        program.args(["-p", &server.port().to_string(), "-q", "-n", &count]).args(more).args(command);
        let told = program.output().unwrap();
        let told = String::from_utf8_lossy(&told.stdout).replace('\r', "\n");
        told.lines().rfind(|line| line.contains("requests per second")).unwrap_or_default().to_owned()
    };
    let rate = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let at = words.iter().position(|word| *word == "requests").unwrap_or(1);
        words[at - 1].parse::<f64>().unwrap_or(0.0)
    };
    let hset = [
        "HSET",
        "agents:status:bench",
        "status",
        "busy",
        "last_updated",
        "2025-10-17T00:00:00Z",
        "active_tasks",
        "[]",
        "metadata",
        "{\"round\":1}",
    ];
    let mut words = String::new();
    for (what, more) in [
        ("one by one", &["-c", "1"][..]),
        ("100 at once", &["-c", "100"]),
        ("in batches of 100", &["-c", "1", "-P", "100"]),
    ] {
        let _ = write!(words, "{}{what} {}", if words.is_empty() { "" } else { ", " }, whole(rate(&run(more, &hset))));
    }
    bench.show("redis-alone", &format!("{words} per s"));
    // What no compare-and-swap can be faster than: one field compared, the same four written.
    let swap = "if redis.call('HGET', KEYS[1], 'rev') == ARGV[2] then redis.call('HSET', KEYS[1], unpack(ARGV)) end";
    server.cli(&["HSET", hset[1], "rev", "1"]);
    let loaded = server.cli(&["SCRIPT", "LOAD", swap]);
    let swap: Vec<&str> = [&["EVALSHA", &loaded, "1", hset[1], "rev"][..], &["1"], &hset[2..]].concat();
    let swaps = rate(&run(&["-c", "1", "-P", "100"], &swap));
    bench.show("redis-alone-swap", &format!("{} per s", whole(swaps)));
    let publish = ["PUBLISH", "training:events", "{\"event\":\"saved\"}"];
    bench.show("redis-alone-publish", &format!("100 at once {} per s", whole(rate(&run(&["-c", "100"], &publish)))));
    rate(&run(&["-c", "1", "-P", "100"], &hset))
}

/// Documents in batches of 100, by compare-and-swap, beside as many plain hashes.
fn batches(bench: &Bench, server: &Server, pipelined: f64) {
    let count = bench.pick(50_000, 10_000, 200) / BATCH;
    let link: Link = server.link();
    let text =
        |round: usize| format!("---\nagent: a\nstatus: busy\nlast_updated: 2025-10-17T00:00:00Z\n---\n\n{round}\n");
    let write = |round: usize, number: usize| {
        let shown = [("status", "busy"), ("last_updated", "2025-10-17T00:00:00Z"), ("active_tasks", "[]")];
        let mut shown: Vec<(String, String)> = shown.map(|(key, value)| (key.to_owned(), value.to_owned())).to_vec();
        shown.push(("metadata".to_owned(), format!("{{\"round\":{round}}}")));
        let record = RedisRecord {
            revision: round as u64 + 1,
            text: Some(text(round)),
            path: DocPath::new(format!("agent-{}.md", name(number))).unwrap(),
            wrote: shown.clone(),
            by: None,
            operation: None,
            node: "bench".to_owned(),
            from: String::new(),
            gone: None,
        };
        let outgoing = RedisWrite {
            expected: round as u64,
            seen: String::new(),
            revision: round as u64 + 1,
            record,
            shown: Some(shown),
            ttl: Some(Duration::from_secs(300)),
        };
        (format!("agents:status:{}", name(number)), outgoing)
    };
    server.cli(&["FLUSHALL"]);
    let rounds: Vec<Vec<(String, RedisWrite)>> =
        (0..count).map(|round| (0..BATCH).map(|number| write(round, number)).collect()).collect();
    let began = Instant::now();
    for round in &rounds {
        link.apply(round).unwrap();
    }
    let rate = each_second(count * BATCH, began.elapsed());
    let share = rate / pipelined.max(1.0);
    let words = format!("{} per s, {share:.2} × redis-benchmark's {}", whole(rate), whole(pipelined));
    bench.tell("redis-batches", &words, "0.7 ×", Verdict::of(share >= SHARE_MIN));
    // What a mirror has to do once a first version is there: only what is shown differs.
    server.cli(&["FLUSHALL"]);
}

/// The operations of the reference document's table by so many agents at once, until file and server have all of them.
fn operations(bench: &Bench, server: &Server, agents: usize) {
    server.cli(&["FLUSHALL"]);
    let disk = disk();
    let sandbox = repository(disk.path(), Tasks::flat(1));
    let url = server.url();
    let first = open(&sandbox, "first", "");
    for number in 0..agents {
        let new = AgentUpdate::at(first.now()).into_new(AgentName::new(name(number)).unwrap());
        first.operations().create(first.actor(), &New::Agent(new), Taken::FileName).unwrap();
    }
    let watcher = Watching::start(&sandbox, &url);
    until(|| (0..agents).all(|number| server.cli(&["HGET", &key(number), "status"]) == "idle"));
    let count = (bench.pick(20_000, 4_000, 20) / agents.max(10)).max(1);
    let before = traffic(server);
    let metadata = json!({ "round": count - 1 }).to_string();
    let last = |number: usize| server.cli(&["HGET", &key(number), "metadata"]) == metadata;
    let told = at_once(&sandbox, &url, agents, count, &store, &|| (0..agents).all(last));
    let rate = each_second(agents * count, told.took);
    // What comes next does not pay for the commits of what was before.
    let rest = || until(|| sandbox.git(&["status", "--porcelain"]).is_empty());
    rest();
    let id = format!("redis-status-{agents}");
    let words = told.words(agents * count);
    if agents == AGENTS {
        bench.tell(&id, &words, "3,900 per s", Verdict::of(rate >= UPDATES_MIN));
        let bytes = traffic(server) - before;
        let mbit = bytes * 8.0 / 1e6 * (50_000.0 / 60.0) / f64::from(u32::try_from(agents * count).unwrap());
        bench.show("redis-bandwidth", &format!("{mbit:.2} Mbit/s for 50,000 a minute"));
        pipeline(bench, server, &open(&sandbox, "first", &url), agents);
        rest();
    } else {
        bench.show(&id, &words);
    }
    let told = at_once(&sandbox, &url, agents, 10 * count, &get, &|| true);
    bench.show(&format!("redis-get-{agents}"), &told.words(agents * 10 * count));
    let made = agents * count.div_ceil(4);
    let there = || server.cli(&["LLEN", "tasks:queue:high"]).parse::<usize>().unwrap_or(0) >= made;
    let told = at_once(&sandbox, &url, agents, count.div_ceil(4), &create, &there);
    bench.show(&format!("redis-create-{agents}"), &told.words(made));
    rest();
    let told = at_once(&sandbox, &url, agents, count.div_ceil(4), &publish, &|| true);
    bench.show(&format!("redis-publish-{agents}"), &told.words(made));
    drop(watcher);
}

/// A watcher in a process of its own, which mirrors and commits.
pub(crate) struct Watching(Child);

impl Watching {
    pub(crate) fn start(sandbox: &Sandbox, url: &str) -> Self {
        let mut command = sandbox.mycelium_command(&["watch", "--json"]);
        command.env("REDIS_URL", url).env("MYCELIUM_MARKDOWN_DURABILITY", "off");
        Self(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The statuses of all agents in one call, again and again, until the server has the last ones.
fn pipeline(bench: &Bench, server: &Server, project: &Project, agents: usize) {
    let rounds = bench.pick(200, 40, 2);
    let began = Instant::now();
    for round in 0..rounds {
        let step = |agent: usize| {
            let metadata = Some(json!({ "in_one_call": round }));
            let update = AgentUpdate { status: Some(AgentStatus::Busy), metadata, ..AgentUpdate::at(project.now()) };
            let name = AgentName::new(name(agent)).unwrap();
            Request::from(DocumentChange::SetAgent { name, update: Box::new(update) })
        };
        let steps: Vec<Request<'_>> = (0..agents).map(step).collect();
        assert!(project.operations().batch(project.actor(), &steps, Together::Each).unwrap().iter().all(Result::is_ok));
    }
    let metadata = json!({ "in_one_call": rounds - 1 }).to_string();
    until(|| (0..agents).all(|agent| server.cli(&["HGET", &key(agent), "metadata"]) == metadata));
    let rate = each_second(agents * rounds, began.elapsed());
    let words = format!("{} per s ({agents} in one call)", whole(rate));
    bench.tell("redis-pipeline", &words, "3,900 per s", Verdict::of(rate >= UPDATES_MIN));
}

fn key(number: usize) -> String {
    format!("agents:status:{}", name(number))
}

pub(crate) fn store(project: &Project, agent: usize, number: usize) {
    let status = if number.is_multiple_of(2) { AgentStatus::Busy } else { AgentStatus::Idle };
    let metadata = Some(json!({ "round": number }));
    let update = AgentUpdate { status: Some(status), metadata, ..AgentUpdate::at(project.now()) };
    project
        .operations()
        .change(project.actor(), Kind::Agent, &name(agent), "set", &Passing::default(), &|document| {
            agent::set(document, &update)
        })
        .unwrap();
}

fn get(project: &Project, agent: usize, _: usize) {
    assert!(project.documents().find(Some(Kind::Agent), &name(agent)).unwrap().entity.is_some());
}

fn create(project: &Project, _: usize, _: usize) {
    let new = TaskDraft {
        id: project.new_id(Kind::Task).unwrap(),
        kind: "train-model".to_owned(),
        title: None,
        description: None,
        assigned_to: None,
        depends_on: Vec::<DocId>::new(),
        priority: Priority::High,
        workflow: None,
        payload: Some(json!({ "epochs": 3 })),
        steps: Vec::new(),
        created: project.now(),
    };
    project.operations().create(project.actor(), &New::Task(new), Taken::FileName).unwrap();
}

fn publish(project: &Project, _: usize, number: usize) {
    let channel = Channel::new("training:events").unwrap();
    project.events().publish(project.actor(), channel, json!({ "event": "saved", "step": number })).unwrap();
}

/// How long calls took, and how long it was until all was there.
struct Told {
    times: Vec<f64>,
    took: Duration,
}

impl Told {
    fn words(&self, count: usize) -> String {
        let at = |share| quantile(self.times.iter().copied(), share);
        let rate = whole(each_second(count, self.took));
        format!("{:.2} ms, {:.2} ms, {:.2} ms; {rate} per s", at(0.5), at(0.95), at(0.99))
    }
}

/// What each agent does so many times while the others do it, too, until `is_there`.
fn at_once(
    sandbox: &Sandbox,
    url: &str,
    agents: usize,
    count: usize,
    work: &(dyn Fn(&Project, usize, usize) + Sync),
    is_there: &dyn Fn() -> bool,
) -> Told {
    let start = &Barrier::new(agents + 1);
    thread::scope(|scope| {
        let threads: Vec<_> = (0..agents)
            .map(|agent| {
                scope.spawn(move || {
                    let project = open(sandbox, &name(agent), url);
                    start.wait();
                    (0..count).map(|number| ms(timed(|| work(&project, agent, number)).1)).collect::<Vec<f64>>()
                })
            })
            .collect();
        start.wait();
        let began = Instant::now();
        let times = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        until(is_there);
        Told { times, took: began.elapsed() }
    })
}

/// From the call that publishes until a subscriber of another clone has the event.
fn events(bench: &Bench, server: &Server) {
    server.cli(&["FLUSHALL"]);
    let disks = [disk(), disk()];
    let sandboxes = [&disks[0], &disks[1]].map(|disk| repository(disk.path(), Tasks::flat(1)));
    let url = server.url();
    let here = open(&sandboxes[0], "here", &url);
    let there = open(&sandboxes[1], "there", &url);
    let watchers = sandboxes.each_ref().map(|sandbox| Watching::start(sandbox, &url));
    let mut heard = there.events().subscribe(vec![ChannelPattern::new("training:events").unwrap()], None).unwrap();
    thread::sleep(Duration::from_millis(500));
    let mut times = Vec::new();
    for number in 0..bench.pick(500, 100, 3) {
        let began = Instant::now();
        publish(&here, 0, number);
        // A notice that events may have been missed comes to every subscriber, as the clones meet.
        let mut steps = std::iter::repeat_with(|| heard.next(PATIENCE).unwrap().unwrap().body.get("step").cloned());
        assert_eq!(steps.find(Option::is_some).flatten(), Some(json!(number)));
        times.push(ms(began.elapsed()));
    }
    let at = |share| quantile(times.iter().copied(), share);
    bench.show("redis-subscribe", &format!("{:.2} ms, {:.2} ms, {:.2} ms", at(0.5), at(0.95), at(0.99)));
    drop(watchers);
}

/// A server that holds nothing, and a folder that is full.
fn first(bench: &Bench, server: &Server) {
    server.cli(&["FLUSHALL"]);
    let tasks = bench.pick(10_000, 2_000, 20);
    let disk = disk();
    let sandbox = repository(disk.path(), Tasks::flat(tasks));
    let project = open(&sandbox, "first", &server.url());
    let began = Instant::now();
    let follower = Follower::start(&project, |_| {}).unwrap();
    let is_there = || server.cli(&["DBSIZE"]).parse::<usize>().unwrap_or(0) >= 2 * tasks;
    until(is_there);
    bench.show(
        "redis-first",
        &format!(
            "{:.2} s for {} tasks",
            began.elapsed().as_secs_f64(),
            whole(f64::from(u32::try_from(tasks).unwrap()))
        ),
    );
    drop(follower);
}

/// What the server needs for what is mirrored.
fn memory(bench: &Bench, server: &Server) {
    let used = || info(server, "memory", "used_memory:");
    for (what, agents, tasks) in [("100 agents", 100, 0), ("1,000 tasks", 0, 1_000)] {
        server.cli(&["FLUSHALL"]);
        let (agents, tasks) = (bench.pick(agents, agents, 1), bench.pick(tasks, tasks, 1));
        let disk = disk();
        let sandbox = repository(disk.path(), Tasks::flat(1));
        let project = open(&sandbox, "first", "");
        let before = used();
        for number in 0..agents {
            let new = AgentUpdate::at(project.now()).into_new(AgentName::new(name(number)).unwrap());
            project.operations().create(project.actor(), &New::Agent(new), Taken::FileName).unwrap();
        }
        for number in 0..tasks {
            create(&project, 0, number);
        }
        let follower = Follower::start(&open(&sandbox, "first", &server.url()), |_| {}).unwrap();
        until(|| server.cli(&["DBSIZE"]).parse::<usize>().unwrap_or(0) >= 2 * (agents + tasks));
        let id = if tasks > agents { "redis-memory-tasks" } else { "redis-memory-agents" };
        bench.show(id, &format!("{} KB for {what}", whole((used() - before) / 1e3)));
        drop(follower);
    }
}

/// Bytes that went in and out of the server.
fn traffic(server: &Server) -> f64 {
    info(server, "stats", "total_net_input_bytes:") + info(server, "stats", "total_net_output_bytes:")
}

fn info(server: &Server, section: &str, line: &str) -> f64 {
    let told = server.cli(&["INFO", section]);
    told.lines().find_map(|one| one.trim().strip_prefix(line)?.trim().parse().ok()).unwrap_or(0.0)
}

fn until(is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "it takes too long");
        thread::sleep(Duration::from_millis(1));
    }
}
