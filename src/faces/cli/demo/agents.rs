//! The demo's play: who does what. Each agent works as a real one would, through the command line or by editing files as text.

use std::thread;
use std::time::Duration;

use super::stage::{FOLDER, Stage};
use crate::api::view::ErrorReport;

/// Time an agent takes between two saves; longer than the watcher waits for quiet.
const THINK: Duration = Duration::from_millis(350);

const DATA: &str = "data-engineer";
const AI: &str = "ai-engineer";
const PERFORMANCE: &str = "performance-engineer";

fn file(name: &str) -> String {
    format!("{FOLDER}/{name}.md")
}

/// Makes three tasks that wait for each other, and the workflow around them.
pub(super) fn plan(stage: &Stage) -> Result<(), ErrorReport> {
    stage.note(DATA, "plans three tasks and a workflow with `mycelium task create`")?;
    let steps = ["--step", "Load dataset", "--step", "Train", "--step", "Save checkpoint"];
    stage.as_agent(
        DATA,
        &[
            "task",
            "create",
            "--id",
            "task-prepare",
            "--type",
            "prepare-dataset",
            "--title",
            "Prepare the dataset",
            "--assigned-to",
            DATA,
            "--priority",
            "high",
            "--payload",
            "{\"dataset\": \"alice-voice\"}",
            "--step",
            "Download",
            "--step",
            "Clean",
        ],
    )?;
    let train = [
        "task",
        "create",
        "--id",
        "task-train",
        "--type",
        "train-model",
        "--title",
        "Train the voice model",
        "--assigned-to",
        AI,
        "--depends-on",
        "task-prepare",
        "--payload",
        "{\"epochs\": 3}",
    ];
    stage.as_agent(DATA, &[&train[..], &steps[..]].concat())?;
    stage.as_agent(
        DATA,
        &[
            "workflow",
            "create",
            "--id",
            "workflow-voice",
            "--type",
            "model-training",
            "--title",
            "Alice's voice",
            "--task",
            "task-prepare",
            "--task",
            "task-train",
            "--task",
            "task-evaluate",
        ],
    )?;
    Ok(())
}

/// Lets the three work side by side.
pub(super) fn work(stage: &Stage) -> Result<(), ErrorReport> {
    thread::scope(|scope| {
        let agents = [
            scope.spawn(|| data_engineer(stage)),
            scope.spawn(|| ai_engineer(stage)),
            scope.spawn(|| performance_engineer(stage)),
        ];
        agents.into_iter().try_for_each(|agent| agent.join().expect("an agent of the demo does not panic"))
    })
}

/// Works with the command line alone.
fn data_engineer(stage: &Stage) -> Result<(), ErrorReport> {
    let run = |arguments: &[&str]| stage.as_agent(DATA, arguments).map(|_| thread::sleep(THINK));
    stage.note(DATA, "starts task-prepare on the command line")?;
    run(&["agent", "set", DATA, "--status", "busy", "--active-task", "task-prepare"])?;
    run(&["task", "update", "task-prepare", "--status", "running"])?;
    run(&["task", "tick", "task-prepare", "1"])?;
    run(&["task", "tick", "task-prepare", "2"])?;
    stage.note(DATA, "completes task-prepare")?;
    run(&["task", "complete", "task-prepare", "--result", "{\"samples\": 12000}"])?;
    run(&["agent", "set", DATA, "--status", "idle", "--no-active-task"])
}

/// Edits files as text, with no command at all.
fn ai_engineer(stage: &Stage) -> Result<(), ErrorReport> {
    let train = file("task-train");
    stage.write(&file("agent-ai-engineer"), "---\nagent: ai-engineer\nstatus: idle\n---\n\n# Agent: ai-engineer\n")?;
    stage.wait_for(&file("task-prepare"), "status: completed")?;
    stage.note(AI, "sees task-prepare completed and edits task-train.md: status, first steps")?;
    stage.edit(&train, "status: pending", "status: running\nclaimed_by: ai-engineer")?;
    thread::sleep(THINK);
    stage.edit(&train, "- [ ] Load dataset", "- [x] Load dataset")?;
    thread::sleep(THINK);
    stage.edit(&train, "- [ ] Train", "- [x] Train")?;
    stage.note(AI, "writes a note into task-train.md and completes it")?;
    thread::sleep(THINK);
    stage.edit(&train, "- [ ] Save checkpoint", "- [x] Save checkpoint")?;
    stage.edit(&train, "status: running", "status: completed")?;
    let text = stage.read(&train)?;
    stage.write(&train, &format!("{}\n\n- loss is flat after epoch 2\n", text.trim_end()))?;
    thread::sleep(THINK);
    Ok(())
}

/// Writes its own task as a file, then goes on with the command line.
fn performance_engineer(stage: &Stage) -> Result<(), ErrorReport> {
    stage.note(PERFORMANCE, "writes task-evaluate.md with an editor")?;
    stage.write(&file("task-evaluate"), EVALUATE)?;
    thread::sleep(THINK);
    stage.wait_for(&file("task-train"), "status: completed")?;
    stage.note(PERFORMANCE, "runs task-evaluate on the command line; it fails, is tried again, and passes")?;
    let run = |arguments: &[&str]| stage.as_agent(PERFORMANCE, arguments).map(|_| thread::sleep(THINK));
    run(&["task", "update", "task-evaluate", "--status", "running"])?;
    run(&["task", "fail", "task-evaluate", "--error", "out of memory"])?;
    run(&["task", "retry", "task-evaluate"])?;
    run(&["task", "update", "task-evaluate", "--status", "running", "--set", "batch_size=8"])?;
    run(&["task", "complete", "task-evaluate", "--result", "{\"accuracy\": 0.96}"])?;
    run(&["workflow", "complete", "workflow-voice", "--result", "{\"accuracy\": 0.96}"])
}

const EVALUATE: &str = "\
---
id: task-evaluate
status: pending
type: evaluate-model
assigned_to: performance-engineer
created: 2025-10-17T00:00:00Z
depends_on: [task-train]
---

# Evaluate the voice model

Compare with the model of last week.
";
