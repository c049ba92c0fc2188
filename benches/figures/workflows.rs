//! Workflows of three steps, driven in one process: what a transition costs while 10 and while 1,000 of them run. A transition
//! is a claim, the end of the step, and what follows from it; each is durable and committed.

use std::time::Duration;

use mycelium::lease::{LeaseRequest, Override};
use mycelium::name::{AgentName, DocId};
use mycelium::operation::{Request, TaskChange};
use mycelium::services::{Actor, Opening, Project, Which};
use serde_json::json;

use crate::bench::{Bench, Tasks, Verdict, disk, each_second, median, ms, repository, timed, whole};
use crate::support::Sandbox;

/// Workflows that run at once.
const FEW: usize = 10;
/// What a transition may cost among many, as a share of what it costs among few.
const GROWTH_MAX: f64 = 1.5;
const STEPS: [&str; 3] = ["prepare", "train", "report"];
const DEFINITION: &str = "steps:\n  prepare: { type: prepare }\n  train: { type: train, needs: prepare }\n  report: { type: report, needs: train }\n";

/// A repository in which so many workflows run.
struct Running {
    project: Project,
    started: Duration,
    /// Where the next transition is: which workflow, and which step of it.
    next: (usize, usize),
    count: usize,
    _sandbox: Sandbox,
}

impl Running {
    fn new(sandbox: Sandbox, count: usize) -> Self {
        let opening = Opening { root: Some(sandbox.root().to_owned()), ..Opening::default() };
        let project = Project::open(opening).unwrap();
        sandbox.write(".mycelium/workflows/chain.yaml", DEFINITION);
        let (definition, _) = project.workflows().definition("chain").unwrap();
        let ((), started) = timed(|| {
            for number in 0..count {
                let id = DocId::new(format!("wf-{number:04}")).unwrap();
                let workflows = project.workflows();
                let plan = workflows.plan(&definition, &[], Some(id)).unwrap();
                assert!(workflows.run(&plan).unwrap().committed.is_some());
            }
        });
        Self { project, started, next: (0, 0), count, _sandbox: sandbox }
    }

    /// One transition: the first workflow to its end, then the next one.
    fn advance(&mut self) -> Duration {
        let (workflow, step) = self.next;
        assert!(workflow < self.count, "all have ended");
        self.next = if step + 1 == STEPS.len() { (workflow + 1, 0) } else { (workflow, step + 1) };
        let task = format!("task-wf-{workflow:04}-{}", STEPS[step]);
        let by = AgentName::new("worker").unwrap();
        let (actor, operations) = (Actor::agent(&by), self.project.operations());
        let ask = LeaseRequest { by, lease: Duration::from_secs(60), over: Override::None };
        let ((), took) = timed(|| {
            let claimed = operations.claim(&actor, Which::Task(&task), &ask).unwrap();
            assert_eq!(claimed.fence, 1);
            let complete = TaskChange::Complete { result: Some(json!({ "step": step })) };
            assert!(operations.run_one(&actor, Request::task(&task, complete)).unwrap().committed.is_some());
            let report = self.project.workflows().drive().unwrap();
            assert_eq!(report.ended.len(), usize::from(step + 1 == STEPS.len()), "{report:?}");
        });
        took
    }
}

pub(crate) fn run(bench: &Bench) {
    let many = bench.pick(1_000, 200, 12);
    let (few_disk, many_disk) = (disk(), disk());
    let none = Tasks::flat(0);
    let mut few = Running::new(repository(few_disk.path(), none), FEW);
    let mut all = Running::new(repository(many_disk.path(), none), many);
    // In turns, so that whatever else the machine does meets both.
    let pairs: Vec<(f64, f64)> = (0..FEW * STEPS.len()).map(|_| (ms(few.advance()), ms(all.advance()))).collect();
    let (one, other) = (median(pairs.iter().map(|pair| pair.0)), median(pairs.iter().map(|pair| pair.1)));
    let left = many * STEPS.len() - pairs.len();
    let rest: Duration = (0..left).map(|_| all.advance()).sum();
    let made = format!("{} per s", whole(each_second(many, all.started)));
    bench.show("workflow-run", &made);
    let cost = format!("{one:.1} ms among 10, {other:.1} ms among {}: {:.2} ×", whole(many_as(many)), other / one);
    bench.tell("workflow-transition", &cost, "at most 1.5 ×", Verdict::of(other <= GROWTH_MAX * one));
    bench.show("workflow-transitions", &format!("{} per s", whole(each_second(left, rest))));
}

#[allow(clippy::cast_precision_loss, reason = "counts are small")]
fn many_as(count: usize) -> f64 {
    count as f64
}
