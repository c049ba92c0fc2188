//! Many operations in one call, as a pipeline gives them: real documents, created and changed, durable and committed.

use mycelium::entity::task::TaskUpdate;
use mycelium::entity::{Priority, TaskDraft, TaskStatus};
use mycelium::name::DocId;
use mycelium::operation::{DocumentChange, New, Request, Taken, TaskChange};
use mycelium::services::{Opening, Outcome, Project, Together};

use crate::bench::{Bench, Tasks, Verdict, disk, each_second, live, median, repository, timed, whole};
use crate::support::Sandbox;

/// Fewest durable writes in a second.
const WRITES_MIN: f64 = 3_000.0;
/// Operations of one call.
const STEPS: usize = 1_000;

pub(crate) fn run(bench: &Bench) {
    let count = bench.pick(STEPS, STEPS, 20);
    let rounds = bench.pick(7, 3, 1);
    let disk = disk();
    let written = rates(&repository(&disk.path().join("written"), Tasks::flat(count)), count, rounds, "false");
    let committed = rates(&repository(&disk.path().join("committed"), Tasks::flat(count)), count, rounds, "true");
    for (rates, suffix) in [(written, ""), (committed, "-committed")] {
        for (rate, what) in rates.into_iter().zip(["pipeline-updates", "pipeline-creates"]) {
            let words = format!("{} per s ({count} in one call)", whole(rate));
            bench.tell(&format!("{what}{suffix}"), &words, "3,000 per s", Verdict::of(rate >= WRITES_MIN));
        }
    }
}

/// Status updates and creations in a second, the median of some rounds of each.
fn rates(sandbox: &Sandbox, count: usize, rounds: usize, commit: &str) -> [f64; 2] {
    let flags = vec![("commit.auto".to_owned(), commit.to_owned())];
    let opening = Opening { root: Some(sandbox.root().to_owned()), flags, ..Opening::default() };
    let project = Project::open(opening).unwrap();
    let rate = |steps: Vec<Request<'_>>| {
        let (results, took) = timed(|| project.operations().batch(project.actor(), &steps, Together::Each).unwrap());
        let done: Vec<Outcome> = results.into_iter().map(Result::unwrap).collect();
        assert!(done.iter().all(|outcome| outcome.operation.is_some()), "each is a change");
        assert!(commit == "false" || done.iter().all(|outcome| outcome.committed.is_some()), "each is committed");
        each_second(count, took)
    };
    let updates = (0..2 * rounds).map(|round| {
        let next = if round % 2 == 0 { TaskStatus::Running } else { TaskStatus::Pending };
        rate((0..count).map(|number| step(&live(number), next)).collect())
    });
    let updates = median(updates);
    let creates = (0..rounds).map(|round| {
        rate((0..count).map(|number| create(&project, format!("task-new-{round}-{number:06}"))).collect())
    });
    [updates, median(creates)]
}

fn step(id: &str, status: TaskStatus) -> Request<'static> {
    let update = TaskUpdate { status: Some(status), ..TaskUpdate::default() };
    let back = status == TaskStatus::Pending;
    let change = if back { TaskChange::Release } else { update.into() };
    Request::task(id, change)
}

fn create(project: &Project, id: String) -> Request<'static> {
    let new = TaskDraft {
        id: DocId::new(id).unwrap(),
        kind: "train-model".to_owned(),
        title: Some("Train the model".to_owned()),
        description: None,
        assigned_to: None,
        depends_on: Vec::new(),
        priority: Priority::High,
        workflow: None,
        payload: Some(serde_json::json!({ "epochs": 3 })),
        steps: vec!["Load the data".to_owned(), "Train".to_owned()],
        created: project.now(),
    };
    DocumentChange::Create { new: New::Task(new), taken: Taken::LookUp }.into()
}
