//! A crowd works through many tasks in several clones while the server is killed, emptied and stopped: nobody works on what
//! somebody else has, and nothing that was acknowledged is lost.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use mycelium::entity::task;
use mycelium::lease::{LeaseRequest, Override};
use mycelium::name::Kind;
use mycelium::services::{Opening, Passing, Project, RemoteClaims, Which};

use crate::fleet::{Dice, Fleet, LONG, SOON, until};
use crate::server::Server;
use crate::support::{FOLDER, number, sized};
use mycelium::problem::{ErrorClass, Problem};

const CLONES: usize = 4;
const WORKERS: usize = 8;
/// For how long whoever claims has a task without a word, in seconds; as long nobody gets one after the server lost its data.
/// It must be longer than a clone takes to tell the server who has what: more on a busy machine, or with many tasks.
fn lease() -> usize {
    number("MYCELIUM_LEASE", 5)
}

fn span() -> Duration {
    Duration::from_secs(lease() as u64)
}

/// What a worker says: `claimed task-7 3`, `completed task-7 3`, `refused task-7 3`.
#[derive(Debug, Clone)]
struct Said {
    worker: usize,
    what: String,
    task: String,
    fence: u64,
    at: Instant,
}

fn start(fleet: &Fleet, worker: usize, tasks: usize) -> Child {
    let clone = worker % CLONES;
    let mut command = fleet.clone(clone).command(std::env::current_exe().unwrap());
    command.env_remove("GIT_AUTHOR_DATE").env_remove("GIT_COMMITTER_DATE");
    command.args(["--exact", "--ignored", "--nocapture", "crowd::inside"]).env("REDIS_URL", &fleet.urls[clone]);
    command.env("MYCELIUM_AGENT", format!("worker-{worker}")).env("TASKS", tasks.to_string());
    command.env("MYCELIUM_LEASE", lease().to_string());
    command.stdout(Stdio::piped()).spawn().unwrap()
}

#[test]
#[ignore = "run by `a_crowd_claims_each_task_once_while_the_server_dies_and_comes_back`"]
fn inside() {
    let tasks: usize = number("TASKS", 0);
    let project = Project::open(Opening::default()).unwrap().acting(|by| by.with_claims(RemoteClaims::Required));
    let by = project.agent().cloned().unwrap();
    let ask = LeaseRequest { by, lease: span(), over: Override::None };
    loop {
        let claimed = match project.operations().claim(project.actor(), Which::Next { kind: None }, &ask) {
            Ok(claimed) => claimed,
            Err(error) => {
                if is_all_done(&project, tasks) {
                    return;
                }
                if !matches!(error.class(), ErrorClass::Busy | ErrorClass::Conflict)
                    && !error.to_string().contains("ready")
                {
                    println!("\nodd {error}");
                }
                std::thread::sleep(Duration::from_millis(20));
                continue;
            }
        };
        let (id, fence) = (claimed.outcome.path.stem().to_owned(), claimed.fence);
        println!("\nclaimed {id} {fence}");
        let passing = Passing { fence: Some(fence), ..Passing::default() };
        loop {
            let edit = |document: &_| task::complete(document, None);
            match project.operations().change(project.actor(), Kind::Task, &id, "task.complete", &passing, &edit) {
                Ok(_) => println!("\ncompleted {id} {fence}"),
                Err(error) if error.class() == ErrorClass::Busy => {
                    std::thread::sleep(Duration::from_millis(20));
                    continue;
                }
                Err(error) => println!("\nrefused {id} {fence} {error}"),
            }
            break;
        }
    }
}

fn is_all_done(project: &Project, tasks: usize) -> bool {
    let folder = project.root().join(FOLDER);
    let done = (0..tasks).filter(|number| {
        let text = std::fs::read_to_string(folder.join(format!("task-{number:04}.md")));
        text.is_ok_and(|text| text.contains("\nstatus: completed"))
    });
    done.count() == tasks
}

/// Something happens to the server; it is well again afterwards.
fn harm(server: &mut Server, dice: &mut Dice) -> &'static str {
    match dice.below(5) {
        0 | 1 => {
            server.kill();
            std::thread::sleep(Duration::from_millis(dice.below(700)));
            server.restart();
            "killed and empty"
        }
        2 => {
            server.stop();
            std::thread::sleep(Duration::from_millis(100 + dice.below(900)));
            server.go_on();
            "stopped"
        }
        3 => {
            server.cli(&["FLUSHALL"]);
            "flushed"
        }
        _ => {
            server.cli(&["CLIENT", "KILL", "TYPE", "normal"]);
            "without connections"
        }
    }
}

#[test]
fn a_crowd_claims_each_task_once_while_the_server_dies_and_comes_back() {
    let name = "a_crowd_claims_each_task_once_while_the_server_dies_and_comes_back";
    let Some(mut server) = Server::start(name) else { return };
    let (tasks, seed) = (sized("MYCELIUM_TASKS", 60, 1_000), number("MYCELIUM_MACHINES_SEED", 1) as u64);
    let lease = lease().to_string();
    let lease = format!("{lease}s");
    let settings = [("claim.lease", lease.as_str())];
    let fleet = Fleet::with(&vec![server.url(); CLONES], &settings);
    make(&fleet, tasks);
    fleet.until_one(&server, LONG);
    let began = Instant::now();
    let (tell, heard) = std::sync::mpsc::channel();
    let mut children: Vec<Child> = (0..WORKERS).map(|worker| start(&fleet, worker, tasks)).collect();
    for (worker, child) in children.iter_mut().enumerate() {
        let (stdout, tell) = (child.stdout.take().unwrap(), tell.clone());
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let _ = tell.send((worker, Instant::now(), line));
            }
        });
    }
    drop(tell);
    let mut dice = Dice(seed);
    let mut harms: BTreeMap<&str, usize> = BTreeMap::new();
    let mut healed = Instant::now();
    while children.iter_mut().any(|child| child.try_wait().unwrap().is_none()) {
        assert!(began.elapsed() < Duration::from_secs(1_800), "they do not end: {}", fleet.difference(&server));
        if began.elapsed() < Duration::from_secs(tasks as u64 / 8) {
            *harms.entry(harm(&mut server, &mut dice)).or_default() += 1;
            healed = Instant::now();
        }
        std::thread::sleep(Duration::from_millis(500 + dice.below(3_000)));
    }
    let worked = began.elapsed();
    let took = fleet.until_one(&server, SOON.saturating_sub(healed.elapsed()).max(Duration::from_secs(1)));
    let said: Vec<Said> = heard.iter().filter_map(|(worker, at, line)| read(worker, at, &line)).collect();
    judge(&fleet, &said, tasks);
    println!("{tasks} tasks in {} s with {harms:?}; the same {} ms later", worked.as_secs(), took.as_millis());
    assert!(harms.values().sum::<usize>() >= 3, "{harms:?}");
    fleet.settles_in_git();
    fleet.until_one(&server, LONG);
}

fn make(fleet: &Fleet, tasks: usize) {
    let lines = (0..tasks).map(|number| format!(r#"{{"op": "task.create", "id": "task-{number:04}", "type": "x"}}"#));
    fleet.clone(0).write("lines", &lines.collect::<Vec<_>>().join("\n"));
    fleet.run(0, &["batch", "lines"]).ok();
    std::fs::remove_file(fleet.clone(0).path("lines")).unwrap();
    until("all have them", LONG, || fleet.documents(CLONES - 1).len() == tasks);
}

fn read(worker: usize, at: Instant, line: &str) -> Option<Said> {
    let mut words = line.split(' ');
    let (what, task) = (words.next()?, words.next()?);
    if what == "odd" || what == "refused" {
        println!("worker {worker}: {line}");
    }
    let is_ours = ["claimed", "completed", "refused"].contains(&what);
    let fence = words.next().filter(|_| is_ours)?.parse().ok()?;
    Some(Said { worker, what: what.to_owned(), task: task.to_owned(), fence, at })
}

/// Every task was claimed once per fence and by nobody while somebody else had it, and every completion stands.
fn judge(fleet: &Fleet, said: &[Said], tasks: usize) {
    let of = |what: &str| said.iter().filter(|said| said.what == what).cloned().collect::<Vec<Said>>();
    let (claims, completions) = (of("claimed"), of("completed"));
    let fences: BTreeSet<(&str, u64)> = claims.iter().map(|said| (said.task.as_str(), said.fence)).collect();
    let twice =
        |one: &Said| claims.iter().filter(|other| other.task == one.task && other.fence == one.fence).count() > 1;
    let doubled: Vec<&Said> = claims.iter().filter(|said| twice(said)).collect();
    assert_eq!(fences.len(), claims.len(), "two claims with one fence: {doubled:?}");
    for (index, claim) in claims.iter().enumerate() {
        for later in claims[index + 1..].iter().filter(|later| later.task == claim.task) {
            let has_given_up = later.at > claim.at + span();
            assert!(has_given_up, "claimed twice: {claim:?} {later:?}");
        }
    }
    let done: BTreeSet<&str> = completions.iter().map(|said| said.task.as_str()).collect();
    assert_eq!((done.len(), completions.len()), (tasks, tasks), "each is completed once");
    let documents = fleet.documents(0);
    for completion in &completions {
        let text = &documents[&format!("{}.md", completion.task)];
        let by = format!("claimed_by: worker-{}", completion.worker);
        let is_so = text.contains("status: completed") && text.contains(&format!("fence: {}\n", completion.fence));
        assert!(is_so && text.contains(&by), "{completion:?} is lost:\n{text}");
    }
}
