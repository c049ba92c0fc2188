//! Which tasks run on which ends, as tables; and what is ready of tasks that state more than dependencies.

use super::*;
use crate::core::snapshot::fixture::snapshot;
use crate::core::snapshot::{Outlook, Wait};
use crate::core::time::Timestamp;

/// A task that has ended in some way, by one letter.
fn ended(id: &str, end: char) -> (String, String) {
    let keys = match end {
        'c' => "status: completed",
        'f' => "status: failed",
        // Failed, with attempts left.
        'r' => "status: failed\nretry: 3\nattempt: 2",
        'x' => "status: failed\nretry: 3\nattempt: 3",
        's' => "status: completed\nskipped: its condition is false",
        'u' => "status: completed\nskipped: failure of task-9",
        'a' => "status: completed\nreview: required",
        'p' => "status: pending",
        other => panic!("unknown end {other}"),
    };
    (format!("task-{id}.md"), format!("id: task-{id}\n{keys}"))
}

fn of(files: &[(String, String)]) -> Snapshot {
    let files: Vec<_> = files.iter().map(|(path, keys)| (path.as_str(), keys.as_str())).collect();
    snapshot(&files)
}

/// How a task stands that depends on others with these ends: `ready`, `skip: REASON`, or what it waits for.
fn stands(when: &str, ends: &str) -> String {
    let mut files: Vec<_> = ends.chars().enumerate().map(|(n, end)| ended(&n.to_string(), end)).collect();
    let on: Vec<String> = (0..ends.len()).map(|n| format!("task-{n}")).collect();
    let keys = format!("id: task-me\nstatus: pending\ndepends_on: [{}]\nwhen: {when}", on.join(", "));
    files.push(("task-me.md".to_owned(), keys));
    let snapshot = of(&files);
    let task = snapshot.find(None, "task-me").expect("there").task().expect("a task");
    let blockers = snapshot.blockers(task);
    assert_eq!(snapshot.ready(task), blockers.is_empty(), "{when} {ends}");
    assert_eq!(snapshot.queue().outlook(task) == Outlook::Ready, blockers.is_empty(), "{when} {ends}");
    match (blockers.is_empty(), snapshot.decide_condition(task)) {
        (true, Some(ConditionDecision::Run)) => "ready".to_owned(),
        (false, Some(ConditionDecision::Skip(reason))) => format!("skip: {}", reason.text()),
        (false, None) => blockers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        other => panic!("{when} {ends}: {other:?} {blockers:?}"),
    }
}

#[test]
fn each_condition_runs_on_its_ends() {
    for (when, ends, expected) in [
        ("success", "", "ready"),
        ("success", "cc", "ready"),
        ("success", "cs", "skip: task-1 was skipped"),
        ("success", "cf", "skip: failure of task-1"),
        ("success", "sx", "skip: failure of task-1"),
        ("success", "cu", "skip: failure of task-1"),
        ("success", "cr", "task-1 (failed, attempts left)"),
        ("success", "cp", "task-1 (pending)"),
        ("success", "ca", "task-1 (not approved)"),
        ("failure", "c", "skip: nothing before it failed"),
        ("failure", "s", "skip: nothing before it failed"),
        ("failure", "cf", "ready"),
        ("failure", "u", "ready"),
        ("failure", "r", "task-0 (failed, attempts left)"),
        ("failure", "fp", "task-1 (pending)"),
        ("any", "cs", "ready"),
        ("any", "cu", "ready"),
        ("any", "ss", "skip: task-0 was skipped"),
        ("any", "su", "skip: failure of task-1"),
        ("any", "cf", "skip: failure of task-1"),
        ("any", "cp", "task-1 (pending)"),
        ("always", "cfsux", "ready"),
        ("always", "r", "task-0 (failed, attempts left)"),
        ("always", "a", "task-0 (not approved)"),
    ] {
        assert_eq!(stands(when, ends), expected, "{when} {ends}");
    }
}

fn blockers(snapshot: &Snapshot, id: &str) -> Vec<String> {
    let task = snapshot.find(None, id).expect("there").task().expect("a task");
    snapshot.blockers(task).iter().map(ToString::to_string).collect()
}

fn result(id: &str, more: &str, json: &str) -> (String, String) {
    (format!("task-{id}.md"), format!("id: task-{id}\nstatus: completed\n{more}\nresult: {json}"))
}

#[test]
fn an_expression_reads_results_and_inputs() {
    let mut files = vec![
        result("a", "step: evaluate", "{accuracy: 0.96}"),
        result("b", "depends_on: [task-a]", "{n: 1}"),
        ("workflow-w.md".to_owned(), "id: w\nstatus: running\nmetadata: {inputs: {limit: 0.95}}\ntasks: []".to_owned()),
    ];
    for (id, on, when) in [
        ("true", "task-a", "steps.evaluate.result.accuracy >= inputs.limit"),
        ("false", "task-a", "steps.evaluate.result.accuracy < inputs.limit"),
        ("far", "task-b", "steps.evaluate.result.accuracy > 0.9 and steps['task-b'].result.n == 1"),
        ("unknown", "task-a", "steps.evaluate.result.loss < 1"),
        ("number", "task-a", "steps.evaluate.result.accuracy"),
        ("stranger", "task-b", "steps.train.result.x"),
    ] {
        let keys =
            format!("id: task-{id}\nstatus: pending\nworkflow: w\ndepends_on: [{on}]\nwhen: \"{{{{ {when} }}}}\"");
        files.push((format!("task-{id}.md"), keys));
    }
    let snapshot = of(&files);
    let ready: Vec<_> = snapshot.ready_tasks().into_iter().map(|task| task.id.as_str()).collect();
    assert_eq!(ready, ["task-far", "task-true"]);
    assert_eq!(blockers(&snapshot, "task-false"), ["its condition (false)"]);
    for (id, why) in [
        ("task-unknown", "`steps.evaluate.result.loss` has no value"),
        ("task-number", "it is neither true nor false: 0.96"),
        ("task-stranger", "`steps.train.result.x` has no value"),
    ] {
        assert_eq!(blockers(&snapshot, id), ["its condition (cannot be evaluated)"]);
        let task = snapshot.find(None, id).expect("there").task().expect("a task");
        let Some(ConditionDecision::Unknown(fault)) = snapshot.decide_condition(task) else { panic!("{id}") };
        assert_eq!(fault.why, why);
    }
}

#[test]
fn a_moment_a_pause_and_a_cancel_keep_a_task_back() {
    let workflow = |keys: &str| format!("id: w\ntasks: []\n{keys}");
    let task = |more: &str| format!("id: task-t\nstatus: pending\n{more}");
    let at = |text: &str| text.parse::<Timestamp>().expect("a time");
    for (workflow_keys, keys, expected) in [
        ("status: running", "workflow: w", ""),
        ("status: running\npaused: true", "workflow: w", "its workflow w (paused)"),
        ("status: running\npaused: false", "workflow: w", ""),
        // What is neither true nor false pauses.
        ("status: running\npaused: maybe", "workflow: w", "its workflow w (paused)"),
        ("status: completed\npaused: true", "workflow: w", ""),
        ("status: failed\nerror: cancelled by ann", "workflow: w", "its workflow w (cancelled)"),
        ("status: failed\nerror: out of memory", "workflow: w", ""),
        ("status: running\npaused: true", "workflow: other", ""),
        ("status: running", "not_before: 2025-10-17T12:00:00Z", ""),
        ("status: running", "not_before: 2025-10-17T12:00:01Z", "2025-10-17T12:00:01Z"),
        ("status: running", "for_each: [1, 2]", "its items (a fan-out is given to no agent)"),
    ] {
        let files = [("workflow-w.md".to_owned(), workflow(workflow_keys)), ("task-t.md".to_owned(), task(keys))];
        let snapshot = of(&files).at(at("2025-10-17T12:00:00Z"));
        assert_eq!(blockers(&snapshot, "task-t").join(", "), expected, "{workflow_keys} {keys}");
        assert_eq!(snapshot.ready_tasks().is_empty(), !expected.is_empty());
    }
    let files = [("task-t.md".to_owned(), task("not_before: 2025-10-17"))];
    let without_clock = of(&files);
    let blocked = without_clock.find(None, "task-t").expect("there").task().expect("a task");
    assert_eq!(without_clock.blockers(blocked)[0].why, Wait::Until(at("2025-10-17")));
}

#[test]
fn a_condition_that_cannot_be_read_blocks_with_its_place() {
    for (line, finding) in [
        (
            "when: sucess",
            "task-t.md:5:7: error[MYC110]: `when`: unknown condition `sucess`; known: success, failure, any, always, {{ EXPRESSION }}",
        ),
        (
            "when: \"{{ 1 + }}\"",
            "task-t.md:5:7: error[MYC110]: `when`: `1 +`: unexpected end of input, expected expression",
        ),
        ("when: {{ steps.a }}", ""),
        ("when: [a]", "task-t.md:5:7: error[MYC110]: `when` must be one text, not a list or map"),
        ("When: failure", "task-t.md:5:7: error[MYC103]: `When` is not read: the key is `when`"),
        (
            "not_before: soon",
            "task-t.md:5:13: error[MYC103]: `not_before`: `soon` is not a time such as 2025-10-17T00:00:00Z",
        ),
        ("for_each: all", "task-t.md:5:11: error[MYC110]: `for_each` is neither a list nor an expression"),
    ] {
        let files = [("task-t.md".to_owned(), format!("id: task-t\nstatus: pending\n{line}"))];
        let snapshot = of(&files);
        let entry = snapshot.find(None, "task-t").expect("there");
        let found: Vec<String> = entry.findings.iter().map(ToString::to_string).collect();
        if finding.is_empty() {
            // A map as a key: no YAML that is accepted.
            assert!(entry.task().is_none() && !found.is_empty(), "{line}: {found:?}");
        } else {
            assert_eq!(found, [finding], "{line}");
        }
        assert!(snapshot.ready_tasks().is_empty(), "{line}");
    }
    for line in
        ["retry: 0", "retry: {attempts: 3}", "retry: {max_attempts: 3, factor: 0.5}", "timeout: long", "retry: [3]"]
    {
        let snapshot = of(&[("task-t.md".to_owned(), format!("id: task-t\nstatus: pending\n{line}"))]);
        assert_eq!(
            snapshot.get(&crate::core::name::DocPath::new("task-t.md").expect("valid")).map(|e| e.findings.len()),
            Some(1),
            "{line}"
        );
        // How often and how long says nothing about whether.
        assert_eq!(snapshot.ready_tasks().len(), 1, "{line}");
    }
}
