//! What a repository says about how the user's own server is used counts after the user has agreed to it in this clone; and a
//! password in the user's own configuration is for the user alone.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::server::Server;
use crate::support::{Run, Sandbox};

const CONFIG: &str = ".mycelium/config.json";

#[test]
fn what_the_repository_says_of_the_users_server_counts_only_after_consent() {
    let Some(server) = Server::start("what_the_repository_says_of_the_users_server_counts_only_after_consent") else {
        return;
    };
    let keys = || server.cli(&["DBSIZE"]);
    let third = || server.cli(&["EVAL", "redis.call('SELECT', 3) return redis.call('DBSIZE')", "0"]);
    for (setting, config) in [
        ("coordination.redis.prefix", r#"{"coordination": {"redis": {"prefix": "other:"}}}"#),
        ("bridge.channels", r#"{"bridge": {"channels": "*"}}"#),
        ("coordination.redis.db", r#"{"coordination": {"redis": {"db": 3}}}"#),
    ] {
        server.cli(&["FLUSHALL"]);
        let sandbox = Sandbox::new();
        sandbox.write(CONFIG, config);
        // The database stands in the address, or the setting counts.
        let url = server.url().trim_end_matches("/0").to_owned();
        let run = |arguments: &[&str]| Run::of(sandbox.mycelium_command(arguments).env("REDIS_URL", &url));
        let _ = run(&["task", "create", "--type", "x", "--id", "task-1"]).ok();
        let _ = run(&["task", "claim", "task-1", "--as", "ann"]).ok();
        assert_eq!(run(&["bridge", "push"]).code, Some(5), "{setting}");
        assert_eq!((keys(), third()), ("0".to_owned(), "0".to_owned()), "{setting}");
        let status = run(&["bridge", "status"]).ok();
        assert!(status.contains(&format!("`{setting}` comes from the repository")), "{status}");
        assert!(run(&["doctor"]).stdout.contains(setting), "{setting}");
        // The hint works.
        let _ = run(&["bridge", "enable"]).ok();
        let _ = run(&["bridge", "push"]).ok();
        let there = if setting.ends_with("db") { third() } else { keys() };
        assert_ne!(there, "0", "{setting}");
        // Another value, by a pull, is another question.
        sandbox.write(CONFIG, &config.replace("other:", "third:").replace('*', "a:*").replace('3', "4"));
        assert_eq!(run(&["bridge", "push"]).code, Some(5), "{setting}");
        // What the user sets in this clone is a word of theirs, unless there is something they have not agreed to.
        let _ = run(&["config", "set", setting, if setting.ends_with("db") { "5" } else { "mine:*" }]).ok();
        assert_eq!(run(&["bridge", "push"]).code, Some(5), "{setting}");
        sandbox.write(CONFIG, "{}\n");
        let _ = run(&["config", "set", setting, if setting.ends_with("db") { "5" } else { "mine:*" }]).ok();
        let _ = run(&["bridge", "push"]).ok();
    }
}

#[test]
fn a_copied_agreement_about_a_prefix_is_none() {
    let Some(server) = Server::start("a_copied_agreement_about_a_prefix_is_none") else { return };
    let (one, other) = (Sandbox::new(), Sandbox::new());
    for sandbox in [&one, &other] {
        sandbox.write(CONFIG, r#"{"coordination": {"redis": {"prefix": "other:"}}}"#);
    }
    let run = |sandbox: &Sandbox, arguments: &[&str]| {
        Run::of(sandbox.mycelium_command(arguments).env("REDIS_URL", server.url()))
    };
    let _ = run(&one, &["bridge", "enable"]).ok();
    let record = one.read(".git/mycelium/bridge/enabled.json");
    other.write(".git/mycelium/bridge/enabled.json", &record);
    assert_eq!(run(&other, &["bridge", "push"]).code, Some(5));
    let _ = run(&one, &["bridge", "push"]).ok();
    // A prefix of the user's own wins over nothing and needs no agreement.
    let own = Run::of(
        other
            .mycelium_command(&["bridge", "push"])
            .env("REDIS_URL", server.url())
            .env("MYCELIUM_COORDINATION_REDIS_PREFIX", "mine:"),
    );
    let _ = own.ok();
}

#[test]
fn a_password_of_the_user_is_written_for_the_user_alone() {
    let mode = |sandbox: &Sandbox| {
        let path = sandbox.path("../home/.config/mycelium/config.json");
        fs::metadata(path).expect("written").permissions().mode() & 0o777
    };
    let password = ["coordination.redis.password", "geheim"];
    let address = ["coordination.redis.url", "redis://me:geheim@h:1"];
    let plain = ["commit.author", "agent"];
    let set = |sandbox: &Sandbox, [key, value]: [&str; 2]| {
        let _ = sandbox.mycelium(&["config", "set", "--user", key, value]).ok();
    };
    for secret in [password, address] {
        let sandbox = Sandbox::new();
        set(&sandbox, secret);
        assert_eq!(mode(&sandbox), 0o600, "{secret:?}: a new file");
        set(&sandbox, plain);
        assert_eq!(mode(&sandbox), 0o600, "{secret:?}: another key beside it");
    }
    let sandbox = Sandbox::new();
    set(&sandbox, plain);
    assert_eq!(mode(&sandbox), 0o644, "no secret");
    let path = sandbox.path("../home/.config/mycelium/config.json");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("ours");
    set(&sandbox, plain);
    assert_eq!(mode(&sandbox), 0o640, "the user's choice stays");
    set(&sandbox, password);
    assert_eq!(mode(&sandbox), 0o600, "a file that others could read");
    // The repository's file is tracked: no password goes there.
    for [key, value] in [password, address] {
        let run = sandbox.mycelium(&["config", "set", key, value]);
        assert_eq!(run.code, Some(2), "{run:?}");
        assert!(!run.stderr.contains("geheim") && !sandbox.path(CONFIG).exists(), "{run:?}");
    }
}

#[test]
fn a_password_is_never_in_a_file_that_others_can_read() {
    // Every file that is made on the way is made for the user alone.
    if crate::support::can_trace().is_err() {
        crate::support::could_not_run("a_password_is_never_in_a_file_that_others_can_read", "`strace` may not trace");
        return;
    }
    let sandbox = Sandbox::new();
    let trace = sandbox.path("trace");
    let mut command = sandbox.command("strace");
    command.args(["-f", "-qq", "-e", "trace=openat,chmod,fchmod,fchmodat", "-o"]).arg(&trace);
    command.arg(env!("CARGO_BIN_EXE_mycelium"));
    let _ = Run::of(command.args(["config", "set", "--user", "coordination.redis.password", "geheim"])).ok();
    let text = fs::read_to_string(&trace).expect("traced");
    let made: Vec<&str> =
        text.lines().filter(|line| line.contains("mycelium-draft") && line.contains("O_CREAT")).collect();
    assert!(!made.is_empty() && made.iter().all(|line| line.contains("0600")), "{made:?}");
    assert!(
        !text.lines().any(|line| line.contains("chmod") && line.contains("draft") && !line.contains("0600")),
        "{text}"
    );
}
