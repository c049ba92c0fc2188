//! The logs of commands, also of such that print without end.

use std::process::Stdio;

use serde_json::{Value, json};

use crate::process::{Worker, create, get, pids, sandbox, until, work};
use crate::support::sized;

#[test]
fn a_log_has_what_was_printed_made_safe_to_show() {
    let sandbox = sandbox();
    create(&sandbox, "task-a", "t", &[]);
    work(&sandbox, r"echo out; echo err >&2; printf 'a\033]0;title\007b\n'").ok();
    let log = sandbox.mycelium(&["worker", "logs", "task-a"]).ok();
    assert!(log.contains("out\n") && log.contains("err\n") && log.contains("a\\u{1b}]0;title\\u{7}b"), "{log}");
    assert_eq!(sandbox.read(".git/mycelium/logs/task-a-1.log").len(), "out\nerr\na\u{1b}]0;title\u{7}b\n".len());
    let text = sandbox.mycelium(&["worker", "logs", "task-a", "--json"]).ok();
    let data = serde_json::from_str::<Value>(&text).unwrap()["data"].clone();
    assert_eq!((&data["task"], &data["attempt"]), (&json!("task-a"), &json!(1)));
    assert!(data["text"].as_str().unwrap().contains("\u{1b}]0;title"), "{data}");
    create(&sandbox, "task-b", "t", &["--assigned-to", "ben"]);
    let none = sandbox.mycelium(&["worker", "logs", "task-b"]);
    assert_eq!((none.code, none.stdout.as_str()), (Some(3), ""));
    assert!(none.stderr.contains("`task-b` has no log"), "{}", none.stderr);
    let none = sandbox.mycelium(&["worker", "logs", "task-a", "--attempt", "2"]);
    assert!(none.stderr.contains("`task-a` has no log of attempt 2"), "{}", none.stderr);
}

#[test]
fn a_log_is_followed_to_the_end_of_the_command() {
    let sandbox = sandbox();
    create(&sandbox, "task-a", "t", &[]);
    let exec = "echo begun; echo $$ >> pids; while [ ! -e go ]; do sleep 0.02; done; printf ended";
    let mut worker = Worker::start(&sandbox, &["--agent", "ann", "--once", "--exec", exec]);
    until("it runs", || pids(&sandbox, "pids").len() == 1);
    let mut follow = sandbox.mycelium_command(&["worker", "logs", "task-a", "-f"]);
    let following = follow.stdout(Stdio::piped()).spawn().unwrap();
    std::thread::sleep(std::time::Duration::from_millis(300));
    sandbox.write("go", "");
    assert_eq!(worker.end(), Some(0));
    let output = following.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "begun\nended");
}

#[test]
fn a_flood_without_an_end_of_line_takes_bounded_memory_and_disk() {
    let sandbox = sandbox();
    let mib = sized("MYCELIUM_WORKER_FLOOD_MIB", 64, 1024);
    for (id, print) in [("task-line", "tr '\\0' x"), ("task-lines", "tr '\\0' '\\n'"), ("task-braces", "tr '\\0' {")] {
        create(&sandbox, id, "t", &[]);
        let exec = format!(
            "echo the beginning; head -c {mib}M /dev/zero | {print}; printf 'the end'; echo $$ > {id}.pid; while [ ! -e {id}.go ]; do sleep 0.02; done"
        );
        let mut worker = Worker::start(&sandbox, &["--agent", "ann", "--once", "--exec", &exec]);
        let folder = sandbox.path(".git/mycelium/logs");
        let disk = || -> u64 {
            let files = std::fs::read_dir(&folder).into_iter().flatten().flatten();
            files
                .filter(|file| file.file_name().to_string_lossy().starts_with(id))
                .filter_map(|file| file.metadata().ok())
                .map(|meta| meta.len())
                .sum()
        };
        until("all is printed", || {
            assert!(disk() < 9 << 20, "{}", disk());
            sandbox.path(&format!("{id}.pid")).exists()
        });
        let memory = worker.memory();
        assert!(memory < 200 << 20, "{id}: {memory}");
        sandbox.write(&format!("{id}.go"), "");
        assert_eq!(worker.end(), Some(0));
        let log = std::fs::read(folder.join(format!("{id}-1.log"))).unwrap();
        assert!(log.starts_with(b"the beginning\n") && log.ends_with(b"the end"), "{id}");
        assert!(String::from_utf8_lossy(&log).contains("bytes of output dropped here]"), "{id}");
        let result = get(&sandbox, id)["result"]["stdout"].as_str().unwrap().to_owned();
        assert!(result.len() <= 16 << 10 && result.ends_with("the end"), "{id}");
    }
}
