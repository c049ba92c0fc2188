//! A workflow of fifty steps while its watcher and its workers are killed with -9 about every second: it ends as its definition says,
//! and no step runs twice under one fence.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::process::{Worker, sandbox};
use crate::support::{FOLDER, Sandbox, sized};

/// For one run, on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(120);
const CHAIN: usize = 10;
const ITEMS: usize = 20;

/// Two chains, one of which fails now and then, a branch with its join, a failure with its handler, and a fan-out: 47 tasks and
/// the fan-out's own, the report, and the check behind it.
fn definition() -> String {
    let mut text = "inputs: { items: { type: list } }\nsteps:\n  prepare: { type: work }\n".to_owned();
    for chain in ["smooth", "flaky"] {
        for number in 1..=CHAIN {
            let needs = if number == 1 { "prepare".to_owned() } else { format!("{chain}{}", number - 1) };
            let _ = writeln!(
                text,
                "  {chain}{number}: {{ type: work, needs: {needs}, retry: {{ max_attempts: 3, backoff: 200ms }} }}"
            );
        }
    }
    text.push_str(
        "  broken: { type: work, needs: prepare, retry: { max_attempts: 2, backoff: 100ms } }
  recover: { type: work, needs: broken, when: failure }
  small: { type: work, needs: prepare, when: \"{{ steps.prepare.result.size < 5 }}\" }
  large: { type: work, needs: prepare, when: \"{{ steps.prepare.result.size >= 5 }}\" }
  join: { type: work, needs: [small, large], when: any }
  fan: { type: work, needs: join, for_each: \"{{ inputs.items }}\", max_parallel: 4, retry: 3, payload: { item: \"{{ item }}\" } }
  report: { type: work, needs: [smooth10, flaky10, recover, fan], when: always }
  confirm: { type: work, needs: report }
",
    );
    text
}

/// Notes its beginning and its end. Fails as its step says; `flaky` in the first attempt of every third step, items in that of
/// every seventh.
const EXEC: &str = r#"
echo "begin $MYCELIUM_IDEMPOTENCY_KEY $MYCELIUM_FENCE" >> runs
sleep 0.0$(( $(date +%N | cut -c 9) ))
case $MYCELIUM_IDEMPOTENCY_KEY in
  */broken/*) exit 3 ;;
  */flaky[369]/1|*/fan.7/1|*/fan.14/1) echo 'not this time' >&2; exit 1 ;;
esac
echo "end $MYCELIUM_IDEMPOTENCY_KEY $MYCELIUM_FENCE" >> runs
echo '{"size": 7}'
"#;

/// What is killed and started again.
enum Process {
    Watcher(Child),
    Worker(&'static str, Worker),
}

impl Process {
    fn watcher(sandbox: &Sandbox) -> Self {
        let mut command = sandbox.mycelium_command(&["watch", "--quiet"]);
        Self::Watcher(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }

    fn worker(sandbox: &Sandbox, agent: &'static str) -> Self {
        Self::Worker(agent, Worker::start(sandbox, &["--agent", agent, "--concurrency", "2", "--exec", EXEC]))
    }

    fn kill(&mut self) {
        match self {
            Self::Watcher(child) => {
                let _ = child.kill();
                let _ = child.wait();
            }
            Self::Worker(_, worker) => {
                worker.signal("-KILL");
                worker.end();
            }
        }
    }

    fn again(&self, sandbox: &Sandbox) -> Self {
        match self {
            Self::Watcher(_) => Self::watcher(sandbox),
            Self::Worker(agent, _) => Self::worker(sandbox, agent),
        }
    }
}

/// A small generator (xorshift64*, Vigna 2016).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % limit
    }
}

fn workflow(sandbox: &Sandbox) -> Value {
    let text = sandbox.mycelium(&["workflow", "get", "wf-1", "--json"]).ok();
    serde_json::from_str::<Value>(&text).unwrap()["data"].clone()
}

fn tasks(sandbox: &Sandbox) -> BTreeMap<String, Value> {
    let text = sandbox.mycelium(&["task", "list", "--limit", "1000", "--json"]).ok();
    let list = serde_json::from_str::<Value>(&text).unwrap()["data"]["items"].as_array().unwrap().clone();
    let name = |task: &Value| task["id"].as_str().unwrap().trim_start_matches("task-wf-1-").to_owned();
    list.into_iter().map(|task| (name(&task), task)).collect()
}

/// Runs the workflow through the kills; gives how many there were.
fn storm(sandbox: &Sandbox, seed: u64) -> usize {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    sandbox.write(".mycelium/workflows/storm.yaml", &definition());
    let items: Vec<usize> = (1..=ITEMS).collect();
    let items = format!("items={}", serde_json::to_string(&items).unwrap());
    sandbox.mycelium(&["workflow", "run", "storm", "--id", "wf-1", "-q", "--input", &items]).ok();
    let mut all = [Process::watcher(sandbox), Process::worker(sandbox, "ann"), Process::worker(sandbox, "ben")];
    let (began, mut kills) = (Instant::now(), 0);
    while workflow(sandbox)["workflow"]["status"] == "running" {
        if began.elapsed() > PATIENCE {
            let stuck = tasks(sandbox).into_iter().filter(|(_, task)| task["status"] != "completed");
            let stuck: Vec<String> =
                stuck.map(|(name, _)| sandbox.read(&format!("{FOLDER}/task-wf-1-{name}.md"))).collect();
            panic!("seed {seed}: it does not end; {}", stuck.join("\n"));
        }
        std::thread::sleep(Duration::from_millis(600 + random.below(800)));
        let victim = &mut all[usize::try_from(random.below(3)).unwrap()];
        victim.kill();
        kills += 1;
        *victim = victim.again(sandbox);
    }
    all.iter_mut().for_each(Process::kill);
    kills
}

/// How often a line of `runs` begins so, by the key and the fence, or by the key alone.
fn count(sandbox: &Sandbox, what: &str, words: usize) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for line in sandbox.read("runs").lines().filter_map(|line| line.strip_prefix(what)) {
        let key: Vec<&str> = line.split_whitespace().take(words).collect();
        *counts.entry(key.join(" ")).or_default() += 1;
    }
    counts
}

fn check(sandbox: &Sandbox, seed: u64, kills: usize) {
    let data = workflow(sandbox);
    assert_eq!(data["workflow"]["status"], "completed", "seed {seed}: {data:#}");
    let tasks = tasks(sandbox);
    assert_eq!(tasks.len(), 1 + 2 * CHAIN + 5 + 1 + ITEMS + 2, "seed {seed}: {:?}", tasks.keys());
    for (name, task) in &tasks {
        let status = if name == "broken" { "failed" } else { "completed" };
        assert_eq!(task["status"], status, "seed {seed}, {name}: {task:#}");
        let text = sandbox.read(&format!("{FOLDER}/task-wf-1-{name}.md"));
        assert_eq!(text.contains("\nskipped: "), name == "small", "seed {seed}: {text}");
    }
    // Under one fence a step begins at most once, and its attempts are those that the definition allows.
    for (key, times) in count(sandbox, "begin ", 2) {
        assert_eq!(times, 1, "seed {seed}: {key} began {times} times");
    }
    let begun = count(sandbox, "begin ", 1);
    let repeated: usize = begun.values().map(|times| times - 1).sum();
    // Of each worker that is killed, two commands at most are run again.
    assert!(repeated <= 2 * kills, "seed {seed}: {repeated} repeated after {kills} kills: {begun:?}");
    for name in ["flaky3", "flaky6", "flaky9", "fan.7", "fan.14"] {
        assert!(begun.contains_key(&format!("wf-1/{name}/2")), "seed {seed}: {name} was not tried again");
    }
    let attempts: BTreeSet<&String> = begun.keys().filter(|key| key.contains("/broken/")).collect();
    assert_eq!(attempts.len(), 2, "seed {seed}: {attempts:?}");
    assert!(!begun.keys().any(|key| key.contains("/small/")), "seed {seed}: a skipped step was run");
    // The history tells it, and everything is whole.
    sandbox.mycelium(&["commit"]).ok();
    let log = sandbox.git(&["log", "--format=%s%n%b"]);
    for name in tasks.keys().filter(|name| *name != "fan" && *name != "small") {
        assert!(log.contains(&format!("task-wf-1-{name}: ")), "seed {seed}: {name} is not in the history");
    }
    assert_eq!(sandbox.git(&["status", "--short", ".claude"]), "", "seed {seed}");
    sandbox.git(&["fsck", "--strict", "--no-dangling"]);
    sandbox.mycelium(&["check"]).ok();
}

#[test]
fn fifty_steps_end_right_whatever_is_killed() {
    let seeds = sized("MYCELIUM_STORMS", 1, 100) as u64;
    let (mut all, mut longest) = (0, Duration::ZERO);
    for seed in 1..=seeds {
        let sandbox = sandbox();
        let began = Instant::now();
        let kills = storm(&sandbox, seed);
        longest = longest.max(began.elapsed());
        check(&sandbox, seed, kills);
        all += kills;
    }
    eprintln!("measured: {seeds} runs of 50 steps with {all} kills, the longest took {} s", longest.as_secs());
}
