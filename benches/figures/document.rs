//! The reference document's own benchmarks of its markdown mode, done the same way: 20 agents at once on local files.

use std::fs;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use mycelium::document::Document;
use mycelium::entity::agent::{self, AgentUpdate};
use mycelium::entity::task::{self, TaskUpdate};
use mycelium::entity::{AgentStatus, Priority, TaskDraft, TaskStatus};
use mycelium::name::{AgentName, DocId, DocPath, Kind, OperationId};
use mycelium::services::{New, Opening, Passing, Project, Taken};
use mycelium::store::{Action, Operation};
use mycelium::time::Timestamp;

use crate::bench::{Bench, Tasks, disk, each_second, median, ms, quantile, repository, task, timed, whole};
use crate::support::{FOLDER, Sandbox};

/// Agents at once.
const AGENTS: usize = 20;
/// Tasks that lie there.
const TASKS: usize = 100;
/// What an agent does for a task, apart from telling of it.
const WORK: Duration = Duration::from_millis(250);

pub(crate) fn run(bench: &Bench) {
    operations(bench);
    files(bench);
    overhead(bench);
    sizes(bench);
}

fn open(sandbox: &Sandbox, name: &str, commit: &str) -> Project {
    let flags = vec![("commit.auto".to_owned(), commit.to_owned())];
    let agent = Some(AgentName::new(name).unwrap());
    Project::open(Opening { root: Some(sandbox.root().to_owned()), agent, flags }).unwrap()
}

fn name(number: usize) -> String {
    format!("agent-{number:02}")
}

fn new_task(project: &Project, id: String) -> New {
    New::Task(TaskDraft {
        id: DocId::new(id).unwrap(),
        kind: "train-model".to_owned(),
        title: Some("Train the model".to_owned()),
        description: None,
        assigned_to: project.agent().cloned(),
        depends_on: Vec::new(),
        priority: Priority::High,
        workflow: None,
        payload: Some(serde_json::json!({ "epochs": 3 })),
        steps: Vec::new(),
        created: project.now(),
    })
}

/// Makes an agent's document.
fn store_first(project: &Project, name: &str) {
    let new = AgentUpdate::at(project.now()).into_new(AgentName::new(name).unwrap());
    project.operations().create(project.actor(), &New::Agent(new), Taken::FileName).unwrap();
}

/// Changes an agent's status.
fn store(project: &Project, name: &str, number: usize) {
    let status = if number.is_multiple_of(2) { AgentStatus::Busy } else { AgentStatus::Idle };
    let metadata = Some(serde_json::json!({ "round": number }));
    let update = AgentUpdate { status: Some(status), metadata, ..AgentUpdate::at(project.now()) };
    project
        .operations()
        .change(project.actor(), Kind::Agent, name, "set", &Passing::default(), &|document| {
            agent::set(document, &update)
        })
        .unwrap();
}

/// Store, get and create by 20 agents at once: durable, then durable and committed.
fn operations(bench: &Bench) {
    let count: usize = bench.pick(40, 10, 1);
    for (suffix, commit) in [("", "false"), ("-committed", "true")] {
        let disk = disk();
        let sandbox = repository(disk.path(), Tasks::flat(bench.pick(TASKS, TASKS, 5)));
        (0..AGENTS).for_each(|number| store_first(&open(&sandbox, &name(number), commit), &name(number)));
        let count = if commit == "true" { count.div_ceil(4) } else { count };
        at_once(bench, &format!("document-store{suffix}"), &sandbox, commit, count, &|project, agent, number| {
            store(project, &name(agent), number);
        });
        if suffix.is_empty() {
            at_once(bench, "document-get", &sandbox, commit, 10 * count, &|project, agent, _| {
                assert!(project.documents().find(Some(Kind::Agent), &name(agent)).unwrap().entity.is_some());
            });
        }
        at_once(bench, &format!("document-create{suffix}"), &sandbox, commit, count, &|project, _, _| {
            // As in the reference document's call, the id is made up.
            let id = project.new_id(Kind::Task).unwrap().to_string();
            project.operations().create(project.actor(), &new_task(project, id), Taken::FileName).unwrap();
        });
    }
}

/// What each agent does so many times while the others do it, too; each call is timed by itself.
fn at_once(
    bench: &Bench,
    id: &str,
    sandbox: &Sandbox,
    commit: &str,
    count: usize,
    work: &(dyn Fn(&Project, usize, usize) + Sync),
) {
    let start = &Barrier::new(AGENTS + 1);
    let (times, took) = thread::scope(|scope| {
        let agents = (0..AGENTS).map(|agent| {
            scope.spawn(move || {
                let project = open(sandbox, &name(agent), commit);
                start.wait();
                (0..count).map(|number| ms(timed(|| work(&project, agent, number)).1)).collect::<Vec<f64>>()
            })
        });
        let agents: Vec<_> = agents.collect();
        start.wait();
        let began = Instant::now();
        let times: Vec<f64> = agents.into_iter().flat_map(|agent| agent.join().unwrap()).collect();
        (times, began.elapsed())
    });
    let at = |share| quantile(times.iter().copied(), share);
    let rate = whole(each_second(AGENTS * count, took));
    let words = format!("{:.1} ms, {:.1} ms, {:.1} ms; {rate} per s", at(0.5), at(0.95), at(0.99));
    bench.show(id, &words);
}

/// One file written, read, parsed, committed, by one agent alone.
fn files(bench: &Bench) {
    let rounds = bench.pick(100, 30, 2);
    let disk = disk();
    let sandbox = repository(disk.path(), Tasks::flat(bench.pick(TASKS, TASKS, 5)));
    let project = open(&sandbox, &name(0), "true");
    let path = DocPath::new("task-one.md").unwrap();
    let text = |number: usize| format!("{}\n{number}\n", task("task-one", "pending"));
    let write = |number: usize| {
        let operation = Operation {
            id: OperationId::new(format!("op-{number}")).unwrap(),
            agent: None,
            verb: "bench".to_owned(),
            at: Timestamp::from_unix_ms(1_760_659_200_000),
            base: None,
            branch: None,
        };
        let decide = &mut |_: &[Option<Vec<u8>>]| {
            Ok::<_, std::convert::Infallible>(vec![Action::Write(text(number).into_bytes())])
        };
        let (_, took) = timed(|| project.store().log.apply(&operation, std::slice::from_ref(&path), decide).unwrap());
        let (_, commits) = timed(|| project.commits().commit_now(mycelium::services::Edits::None).unwrap());
        (ms(took), ms(commits))
    };
    let written: Vec<(f64, f64)> = (0..rounds).map(write).collect();
    let read = || drop(project.store().folder.read(&path).unwrap().unwrap());
    let bytes = project.store().folder.read(&path).unwrap().unwrap().bytes;
    let parse = || assert_eq!(Document::parse(bytes.as_slice()).fields().len(), 6);
    let each = |work: &dyn Fn()| median((0..rounds).map(|_| ms(timed(work).1)));
    bench.show("document-write-file", &format!("{:.2} ms (durable)", median(written.iter().map(|times| times.0))));
    bench.show("document-commit", &format!("{:.1} ms (durable)", median(written.iter().map(|times| times.1))));
    bench.show("document-read-file", &format!("{:.3} ms", each(&read)));
    bench.show("document-parse", &format!("{:.3} ms", each(&parse)));
}

/// How much longer agents take for their work because they tell of it: begun, done, each a durable commit.
fn overhead(bench: &Bench) {
    let tasks = bench.pick(8, 3, 1);
    let disk = disk();
    let sandbox = repository(disk.path(), Tasks::flat(0));
    let maker = open(&sandbox, "maker", "true");
    for number in 0..AGENTS * tasks {
        let New::Task(mut new) = new_task(&maker, format!("task-{number:05}")) else { unreachable!() };
        new.assigned_to = AgentName::new(name(number / tasks)).ok();
        maker.operations().create(maker.actor(), &New::Task(new), Taken::FileName).unwrap();
    }
    let began = Instant::now();
    thread::scope(|scope| {
        for agent in 0..AGENTS {
            let sandbox = &sandbox;
            scope.spawn(move || {
                let project = open(sandbox, &name(agent), "true");
                for number in 0..tasks {
                    let id = format!("task-{:05}", agent * tasks + number);
                    let running = TaskUpdate { status: Some(TaskStatus::Running), ..TaskUpdate::default() };
                    project
                        .operations()
                        .change(project.actor(), Kind::Task, &id, "update", &Passing::default(), &|document| {
                            task::update(document, &running)
                        })
                        .unwrap();
                    thread::sleep(WORK);
                    project
                        .operations()
                        .change(project.actor(), Kind::Task, &id, "complete", &Passing::default(), &|document| {
                            task::complete(document, None)
                        })
                        .unwrap();
                }
            });
        }
    });
    let work = WORK * u32::try_from(tasks).unwrap();
    let share = 100.0 * (began.elapsed().as_secs_f64() / work.as_secs_f64() - 1.0);
    bench.show("document-overhead", &format!("{share:.0} % ({AGENTS} agents, {} ms of work a task)", WORK.as_millis()));
}

/// What an agent's and a task's file take.
fn sizes(bench: &Bench) {
    let disk = disk();
    let sandbox = repository(disk.path(), Tasks::flat(0));
    let project = open(&sandbox, &name(0), "true");
    store_first(&project, &name(0));
    project.operations().create(project.actor(), &new_task(&project, "task-1".to_owned()), Taken::FileName).unwrap();
    let size = |file: &str| fs::metadata(sandbox.path(&format!("{FOLDER}/{file}"))).unwrap().len();
    bench.show("document-disk-agent", &format!("{} bytes", size("agent-agent-00.md")));
    bench.show("document-disk-task", &format!("{} bytes", size("task-1.md")));
}
