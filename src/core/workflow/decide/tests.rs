//! Random workflows with random outcomes: each ends, in whatever order results arrive, as a naive reference says.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Map, json};

use super::*;
use crate::core::document::Document;
use crate::core::entity::claim::{HolderFields, take};
use crate::core::entity::{TaskEnd, task};
use crate::core::name::AgentName;
use crate::core::workflow::{WorkflowDefinition, plan_run, read_definition, steps_of};

/// A small generator, the same on every machine (splitmix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(limit).expect("small")).expect("small")
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Success,
    Failure,
    /// It does not end before its timeout.
    Hangs,
}

#[derive(Debug, Clone)]
struct Step {
    needs: Vec<usize>,
    /// `expr` compares the result of the first need.
    when: &'static str,
    attempts: u64,
    items: Option<usize>,
    has_timeout: bool,
}

/// A workflow with what comes of each attempt.
struct Case {
    seed: u64,
    steps: Vec<Step>,
}

impl Case {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let count = 2 + random.below(9);
        let steps = (0..count).map(|at| {
            let mut needs: Vec<usize> = (0..at).filter(|_| random.below(3) == 0).collect();
            if needs.is_empty() && at > 0 && random.below(3) > 0 {
                needs.push(random.below(at));
            }
            let words = ["success", "success", "failure", "any", "always", "expr"];
            let when = if needs.is_empty() { "success" } else { words[random.below(words.len())] };
            let items = (random.below(5) == 0).then(|| random.below(4));
            let attempts = 1 + u64::try_from(random.below(3)).expect("small");
            Step { needs, when, attempts, items, has_timeout: random.below(3) == 0 }
        });
        let steps = steps.collect();
        Self { seed, steps }
    }

    /// What comes of an attempt: the same in every run.
    fn outcome(&self, step: usize, item: u64, attempt: u64) -> Outcome {
        let mut random = Random(self.seed ^ (u64::try_from(step).expect("small") << 32) ^ (item << 16) ^ attempt);
        match random.below(6) {
            0 | 1 => Outcome::Failure,
            2 if self.steps[step].has_timeout => Outcome::Hangs,
            _ => Outcome::Success,
        }
    }

    fn number(&self, step: usize) -> u64 {
        Random(self.seed.wrapping_add(u64::try_from(step).expect("small"))).next() % 10
    }

    fn yaml(&self) -> String {
        let mut text = "inputs:\n  limit: { type: integer, default: 5 }\nsteps:\n".to_owned();
        for (at, step) in self.steps.iter().enumerate() {
            let needs: Vec<String> = step.needs.iter().map(|need| format!("s{need}")).collect();
            let when = match step.when {
                // The result of a fan-out is a list.
                "expr" if self.steps[step.needs[0]].items.is_some() => {
                    format!("\"{{{{ steps.s{}.result | length >= 0 }}}}\"", step.needs[0])
                }
                "expr" => format!("\"{{{{ steps.s{}.result.n > inputs.limit }}}}\"", step.needs[0]),
                word => word.to_owned(),
            };
            let _ = write!(text, "  s{at}: {{ type: t, needs: [{}], when: {when}", needs.join(", "));
            let _ = write!(text, ", retry: {{ max_attempts: {}, backoff: 30s }}", step.attempts);
            if step.has_timeout {
                text.push_str(", timeout: 1h");
            }
            if let Some(items) = step.items {
                let list: Vec<String> = (0..items).map(|n| n.to_string()).collect();
                let _ = write!(
                    text,
                    ", for_each: [{}], max_parallel: 2, payload: {{ n: \"{{{{ item }}}}\" }}",
                    list.join(", ")
                );
            }
            text.push_str(" }\n");
        }
        text
    }

    /// How every step ends, by the definition of the conditions alone.
    fn expected(&self) -> Vec<TaskEnd> {
        let mut ends: Vec<TaskEnd> = Vec::new();
        for (at, step) in self.steps.iter().enumerate() {
            let needs: Vec<TaskEnd> = step.needs.iter().map(|need| ends[*need]).collect();
            let all_done = needs.iter().all(|end| *end == TaskEnd::Completed);
            let failure = needs.iter().any(|end| matches!(end, TaskEnd::Failed | TaskEnd::SkippedByFailure));
            let skip = if failure && step.when != "failure" { TaskEnd::SkippedByFailure } else { TaskEnd::Skipped };
            let runs = match step.when {
                "success" => all_done,
                "failure" => failure,
                "any" => !needs.contains(&TaskEnd::Failed) && needs.contains(&TaskEnd::Completed),
                "always" => true,
                _ if self.steps[step.needs[0]].items.is_some() => all_done,
                _ => all_done && self.number(step.needs[0]) > 5,
            };
            let succeeds =
                |item: u64| (1..=step.attempts).any(|attempt| self.outcome(at, item, attempt) == Outcome::Success);
            ends.push(match (runs, step.items) {
                (false, _) => skip,
                (true, None) if succeeds(0) => TaskEnd::Completed,
                (true, Some(items)) if (1..=u64::try_from(items).expect("small")).all(succeeds) => TaskEnd::Completed,
                (true, _) => TaskEnd::Failed,
            });
        }
        ends
    }

    /// Whether each failure has a step behind it that runs after failures and is completed.
    fn is_completed(&self, ends: &[TaskEnd]) -> bool {
        let handled_by = |handler: usize| {
            let mut found = BTreeSet::new();
            let mut next = self.steps[handler].needs.clone();
            while let Some(at) = next.pop() {
                if found.insert(at) && ends[at] == TaskEnd::SkippedByFailure {
                    next.extend(&self.steps[at].needs);
                }
            }
            found
        };
        let handlers =
            (0..ends.len()).filter(|at| self.steps[*at].when == "failure" && ends[*at] == TaskEnd::Completed);
        let handled: BTreeSet<usize> = handlers.flat_map(handled_by).collect();
        (0..ends.len()).filter(|at| ends[*at] == TaskEnd::Failed).all(|at| handled.contains(&at))
    }
}

fn beside_none(now: Timestamp) -> DriverMoment<'static> {
    static NONE: BTreeSet<DocId> = BTreeSet::new();
    DriverMoment { now, worked: &NONE }
}

fn moment(seconds: i64) -> Timestamp {
    Timestamp::from_unix_ms(1_700_000_000_000 + seconds * 1_000)
}

/// The documents of a new run.
fn begin(definition: &WorkflowDefinition) -> Snapshot {
    let id = DocId::new("workflow-w").expect("valid");
    let inputs = Map::from_iter([("limit".to_owned(), json!(5))]);
    let plan = plan_run(definition, &inputs, &id, moment(0)).expect("short ids");
    let mut snapshot = Snapshot::default();
    for planned in &plan.tasks {
        let document = planned.draft.render(Shape::Lean, None).expect("renders");
        let update = TaskUpdate { set: planned.keys.clone(), ..TaskUpdate::default() };
        let document = TaskChange::from(update).apply(&document).expect("takes its keys");
        snapshot.insert(DocPath::for_new(Kind::Task, &planned.draft.id), document);
    }
    let document = plan.workflow.render(Shape::Lean, None).expect("renders");
    let document = document.edit().set("engine", &Value::text(EMBEDDED)).expect("takes a key");
    snapshot.insert(DocPath::for_new(Kind::Workflow, &id), document);
    snapshot
}

fn change(snapshot: &mut Snapshot, id: &DocId, edit: impl Fn(&Document) -> Result<Document, Refusal>) {
    let path = snapshot.paths_of(Kind::Task, id.as_str()).first().cloned().expect("there");
    let after = edit(&snapshot.get(&path).expect("there").document).expect("allowed");
    snapshot.insert(path, after);
}

/// Runs a case to its end with one order of events; gives the ends by step, and that of the workflow.
fn run(case: &Case, definition: &WorkflowDefinition, order: u64) -> (BTreeMap<String, TaskEnd>, WorkflowStatus, usize) {
    let mut random = Random(order);
    let mut snapshot = begin(definition);
    let mut now = 0;
    let mut most_parallel = 0;
    for _ in 0..5_000 {
        let mut at = snapshot.clone().at(moment(now));
        let operations = settle(&at, beside_none(moment(now)));
        for operation in &operations {
            operation.apply(&mut at).expect("allowed");
        }
        assert_eq!(settle(&at, beside_none(moment(now))), [], "seed {}: nothing is left to decide", case.seed);
        let ready: Vec<DocId> = at.ready_tasks().into_iter().map(|task| task.id.clone()).collect();
        let works = |task: &&Task| task.status == TaskStatus::Running && task.claimed_by.is_some();
        let running: Vec<Task> = at.tasks().filter(works).cloned().collect();
        let items = running.iter().filter(|task| task.execution.fan_out.is_some()).count();
        most_parallel = most_parallel.max(items);
        snapshot = at;
        let ends = |task: &Task| {
            let name = task.execution.step.as_deref().expect("a step");
            let step: usize = name[1..].parse().expect("a number");
            (step, case.outcome(step, task.execution.item.unwrap_or(0), task.attempt.unwrap_or(0)))
        };
        let finishable: Vec<&Task> = running.iter().filter(|task| ends(task).1 != Outcome::Hangs).collect();
        if !ready.is_empty() && (finishable.is_empty() || random.below(2) == 0) {
            let hold = HolderFields {
                by: AgentName::new("ann").expect("valid"),
                fence: random.next() % 1_000,
                lease: Duration::from_secs(60),
                since: moment(now),
                is_after_expiry: false,
            };
            change(&mut snapshot, &ready[random.below(ready.len())], |document| take(document, &hold));
        } else if !finishable.is_empty() {
            let one = finishable[random.below(finishable.len())];
            let (step, outcome) = ends(one);
            let result = json!({ "n": case.number(step) });
            change(&mut snapshot, &one.id, |document| match outcome {
                Outcome::Success => task::complete(document, Some(&result)),
                _ => task::fail(document, Some(&json!("no luck"))),
            });
        } else if now > 1_000_000 || snapshot.workflows().all(|one| one.status != WorkflowStatus::Running) {
            break;
        } else {
            now += 40;
        }
    }
    let workflow = snapshot.workflows().next().expect("there");
    let by_name = |task: &Task| Some((task.execution.step.clone()?, task.end()?));
    let ends = steps_of(&snapshot, workflow).into_iter().filter_map(by_name).collect();
    (ends, workflow.status, most_parallel)
}

#[test]
fn every_workflow_ends_as_the_reference_says_in_every_order() {
    let (mut ran, mut completed) = (0, 0);
    for seed in 0..100 {
        let case = Case::new(seed);
        let reading = read_definition("random", &case.yaml());
        let Some(definition) = reading.definition else {
            let is_unreachable =
                |finding: &crate::core::diagnostic::Diagnostic| finding.message.contains("can never run");
            assert!(reading.findings.iter().all(is_unreachable), "{}\n{:?}", case.yaml(), reading.findings);
            continue;
        };
        ran += 1;
        let expected = case.expected();
        let names = expected.iter().enumerate().map(|(at, end)| (format!("s{at}"), *end));
        let names: BTreeMap<String, TaskEnd> = names.collect();
        let is_completed = case.is_completed(&expected);
        completed += usize::from(is_completed);
        let status = if is_completed { WorkflowStatus::Completed } else { WorkflowStatus::Failed };
        for order in 0..2 {
            let (ends, ended, _) = run(&case, &definition, seed * 31 + order);
            assert_eq!((&ends, ended), (&names, status), "seed {seed}, order {order}:\n{}", case.yaml());
        }
    }
    // The cases are of all kinds.
    assert!(ran > 60 && completed > 10 && completed < ran - 10, "{ran} ran, {completed} completed");
}

fn run_yaml(yaml: &str, act: impl Fn(&mut Snapshot)) -> Snapshot {
    let reading = read_definition("w", yaml);
    let definition = reading.definition.unwrap_or_else(|| panic!("{:?}", reading.findings));
    let mut snapshot = begin(&definition).at(moment(0));
    for _ in 0..10 {
        for operation in settle(&snapshot, beside_none(moment(0))) {
            operation.apply(&mut snapshot).expect("allowed");
        }
        act(&mut snapshot);
    }
    snapshot
}

/// Starts and completes everything that is ready, with its payload as the result.
fn work(snapshot: &mut Snapshot) {
    let ready: Vec<DocId> = snapshot.ready_tasks().into_iter().map(|task| task.id.clone()).collect();
    for id in ready {
        let payload = snapshot.named_task(&id).and_then(Entry::task).and_then(|task| task.payload.clone());
        change(snapshot, &id, |document| task::complete(&task::start(document)?, payload.as_ref()));
    }
}

#[test]
fn results_go_on_to_later_payloads_and_to_the_end() {
    let yaml = "inputs: { limit: { type: integer, default: 5 } }\nsteps:\n  a: { type: t, payload: { path: x, n: \"{{ inputs.limit }}\" } }\n  b: { type: t, needs: a, for_each: [7, 8, 9], max_parallel: 2, payload: { v: \"{{ item }}\", from: \"{{ steps.a.result.path }}-{{ index }}\" } }\n  c: { type: t, needs: b, payload: { all: \"{{ steps.b.result }}\" } }\n";
    let after = run_yaml(yaml, work);
    let workflow = after.workflows().next().expect("there");
    assert_eq!(workflow.status, WorkflowStatus::Completed);
    let all = json!([{"v": 7, "from": "x-1"}, {"v": 8, "from": "x-2"}, {"v": 9, "from": "x-3"}]);
    assert_eq!(workflow.result, Some(json!({ "all": all })));
    let item = after.named_task(&DocId::new("task-w-b.2").expect("valid")).and_then(Entry::task).expect("made");
    assert_eq!((item.execution.item, item.title.as_deref()), (Some(2), Some("t (2/3)")));
}

#[test]
fn what_cannot_be_filled_or_is_too_much_fails_its_step() {
    for (step, error) in [
        (
            "b: { type: t, needs: a, payload: { x: [1, \"{{ steps.a.result.gone }}\"] } }",
            "b failed: payload.x[1] cannot be filled: `steps.a.result.gone` has no value",
        ),
        (
            "b: { type: t, needs: a, for_each: \"{{ steps.a.result.gone }}\" }",
            "b failed: for_each `steps.a.result.gone`: `steps.a.result.gone` has no value",
        ),
        ("b: { type: t, needs: a, for_each: \"{{ steps.a.result.path }}\" }", "b failed: for_each gives no list"),
        (
            "b: { type: t, needs: a, for_each: \"{{ range(1001) }}\" }",
            "b failed: for_each has 1001 items; at most 1000 are taken",
        ),
    ] {
        let yaml = format!(
            "inputs: {{ limit: {{ type: integer }} }}\nsteps:\n  a: {{ type: t, payload: {{ path: x }} }}\n  {step}\n"
        );
        let after = run_yaml(&yaml, work);
        let workflow = after.workflows().next().expect("there");
        assert_eq!(workflow.error, Some(json!(error)), "{step}");
    }
    let empty = run_yaml("inputs: { limit: { type: integer } }\nsteps:\n  a: { type: t, for_each: [] }\n", work);
    assert_eq!(empty.workflows().next().and_then(|one| one.result.clone()), Some(json!([])));
}

#[test]
fn a_paused_workflow_decides_nothing() {
    let yaml =
        "inputs: { limit: { type: integer } }\nsteps:\n  a: { type: t }\n  b: { type: t, needs: a, when: failure }\n";
    let definition = read_definition("w", yaml).definition.expect("sound");
    let mut snapshot = begin(&definition).at(moment(0));
    let path = DocPath::new("workflow-w.md").expect("valid");
    let paused = snapshot.get(&path).expect("there").document.edit().set("paused", &Value::plain("true")).expect("set");
    let running = snapshot.get(&path).expect("there").document.clone();
    work(&mut snapshot);
    snapshot.insert(path.clone(), paused);
    assert_eq!(settle(&snapshot, beside_none(moment(0))), []);
    snapshot.insert(path, running);
    let operations = settle(&snapshot, beside_none(moment(0)));
    let verbs: Vec<String> = operations.iter().map(|one| one.requests()[0].verb()).collect();
    assert_eq!(verbs, ["task.skip", "workflow.complete"]);
    // Everybody who decides the same gives it the same id.
    let ids = |operations: &[DriverOperation]| operations.iter().map(|one| one.id.clone()).collect::<Vec<_>>();
    assert_eq!(ids(&operations), ids(&settle(&snapshot, beside_none(moment(5)))));
}
