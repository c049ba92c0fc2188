//! What the repository's own configuration says of the way to a server, and what the user's own says.
#![allow(clippy::disallowed_methods, reason = "the test makes files and starts programs")]
#![allow(clippy::unwrap_used, reason = "a scene that cannot be set has failed")]

use std::fmt::Write as _;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::scene::{Scene, fault, script, sync, task};
use crate::support::{Run, Sandbox};

/// A server for HTTP that writes down what it is asked, wants a password, and sets a cookie.
struct Server {
    address: String,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let list = Arc::clone(&heard);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                let (mut text, mut part) = (Vec::new(), [0; 4096]);
                while !text.windows(4).any(|four| four == b"\r\n\r\n") {
                    match stream.read(&mut part) {
                        Ok(count) if count > 0 => text.extend(&part[..count]),
                        _ => break,
                    }
                }
                list.lock().unwrap().push(String::from_utf8_lossy(&text).into_owned());
                let _ = stream.write_all(
                    b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"x\"\r\nSet-Cookie: x=evil; Max-Age=9999\r\n\
                      Content-Length: 0\r\nConnection: close\r\n\r\n",
                );
            }
        });
        Self { address, heard }
    }

    /// What it was asked since the last time.
    fn heard(&self) -> Vec<String> {
        std::mem::take(&mut *self.heard.lock().unwrap())
    }
}

/// A configuration that names programs, files and servers in every way that git knows for a call to a server.
fn hostile(canary: &str, file: &str, server: &str, url: &str) -> String {
    let mut out = format!(
        "[http]\n\tcookieFile = {file}\n\tsaveCookies = true\n\tproxy = http://{server}\n\textraHeader = X-Evil: 1\n\tuserAgent = evil\n\
         \tcurloptResolve = 127.0.0.1:1:127.0.0.1\n\tsslVerify = false\n\tsslKey = {file}\n\tproactiveAuth = basic\n\temptyAuth = true\n\
         [http \"{url}\"]\n\tproxy = http://{server}\n\textraHeader = X-Evil: 2\n\
         [fetch]\n\tbundleURI = http://{server}/bundle\n\trecurseSubmodules = true\n\twriteCommitGraph = true\n\
         [transfer]\n\tbundleURI = true\n[push]\n\tgpgSign = true\n\tpushOption = evil\n\trecurseSubmodules = on-demand\n\
         [remote \"origin\"]\n\tproxy = http://{server}\n\tpromisor = true\n\tpartialCloneFilter = blob:none\n\
         [protocol]\n\tallow = always\n[uploadpack]\n\tpackObjectsHook = {canary}\n[gpg]\n\tprogram = {canary}\n\
         [credential]\n\thelper = {canary}\n\tusername = evil\n[credential \"{url}\"]\n\thelper = !{canary}\n\tusername = evil\n"
    );
    for key in ["sshCommand", "gitProxy", "askPass", "fsmonitor", "alternateRefsCommand", "pager", "editor"] {
        writeln!(out, "[core]\n\t{key} = {canary}").unwrap();
    }
    for key in ["uploadpack", "receivepack"] {
        writeln!(out, "[remote \"origin\"]\n\t{key} = {canary}").unwrap();
    }
    for scheme in ["ext", "evil", "file", "http"] {
        writeln!(out, "[protocol \"{scheme}\"]\n\tallow = always").unwrap();
    }
    out
}

/// The ways in which a repository may bring its configuration.
const WAYS: [&str; 5] = ["config", "include", "onbranch", "hasconfig", "worktree"];

fn bring(clone: &Sandbox, way: &str, text: &str) {
    let append = |file: &str, text: &str| {
        let mut file = fs::OpenOptions::new().append(true).create(true).open(clone.path(file)).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    };
    let included = |condition: &str| {
        append(".git/evil.cfg", text);
        append(".git/config", &format!("[{condition}]\n\tpath = evil.cfg\n"));
    };
    match way {
        "config" => append(".git/config", text),
        "include" => included("include"),
        "onbranch" => included("includeIf \"onbranch:main\""),
        "hasconfig" => included("includeIf \"hasconfig:remote.*.url:**\""),
        _ => {
            append(".git/config", "[core]\n\trepositoryFormatVersion = 1\n[extensions]\n\tworktreeConfig = true\n");
            append(".git/config.worktree", text);
        }
    }
}

/// The calls that go to a server.
const CALLS: [&[&str]; 3] =
    [&["sync", "--json"], &["sync", "--no-push"], &["task", "claim", "task-1", "--push", "--as", "ann"]];

#[test]
fn a_server_is_asked_as_if_the_repository_had_no_configuration() {
    let scene = Scene::new(WAYS.len() + 1);
    let (server, other) = (Server::start(), Server::start());
    let (canary, song, file) = (scene.file("canary"), scene.file("song"), scene.file("mine"));
    script(&canary, &format!("echo \"$0 $*\" >> '{}'; echo username=x; echo password=y", song.display()));
    fs::write(&file, "mine\n").unwrap();
    let url = format!("http://{}/x.git", server.address);
    let text = hostile(canary.to_str().unwrap(), file.to_str().unwrap(), &other.address, &url);
    let mut expected = None;
    for (clone, way) in scene.clones.iter().zip(["nothing"].iter().chain(&WAYS)) {
        task(clone, "task-1");
        clone.git(&["config", "remote.origin.url", &url]);
        if *way != "nothing" {
            bring(clone, way, &text);
        }
        for call in CALLS {
            let run = clone.mycelium(call);
            assert_eq!(run.code, Some(1), "{way}: {call:?}: {run:?}");
        }
        let heard = server.heard();
        assert!(!heard.is_empty(), "{way}: the server was not asked");
        assert_eq!(heard, *expected.get_or_insert_with(|| heard.clone()), "{way}");
        assert_eq!(other.heard(), Vec::<String>::new(), "{way}");
        assert_eq!(fs::read_to_string(&file).unwrap(), "mine\n", "{way}");
        assert!(!song.exists(), "{way}: {}", fs::read_to_string(&song).unwrap_or_default());
    }
}

#[test]
fn objects_and_branches_are_exchanged_whatever_the_repository_says() {
    for way in WAYS {
        let scene = Scene::new(2);
        let [a, b] = &scene.clones[..] else { panic!() };
        let (canary, song, file) = (scene.file("canary"), scene.file("song"), scene.file("mine"));
        script(&canary, &format!("echo \"$0 $*\" >> '{}'; exit 1", song.display()));
        task(a, "task-1");
        sync(a);
        bring(b, way, &hostile(canary.to_str().unwrap(), file.to_str().unwrap(), "127.0.0.1:1", "x"));
        for arguments in [&["sync"][..], &["task", "claim", "task-1", "--push", "--as", "ann"]] {
            b.mycelium(arguments).ok();
        }
        for arguments in [&["status"][..], &["log"], &["check"], &["doctor"], &["resolve"]] {
            let _ = b.mycelium(arguments);
        }
        assert_eq!(sync(a)["came_count"], 1, "{way}");
        assert!(!song.exists() && !file.exists(), "{way}: {}", fs::read_to_string(&song).unwrap_or_default());
    }
}

/// Runs our program with one more folder on the way to programs.
fn with_path(clone: &Sandbox, folder: &Path, arguments: &[&str]) -> Run {
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
    Run::of(clone.mycelium_command(arguments).env("PATH", path))
}

#[test]
fn only_the_user_opens_a_transport_that_is_a_program() {
    let scene = Scene::new(1);
    let a = &scene.clones[0];
    let (folder, song) = (scene.file("bin"), scene.file("song"));
    for name in ["git-remote-evil", "git-remote-foo"] {
        script(&folder.join(name), &format!("echo \"$0 $*\" >> '{}'; exit 1", song.display()));
    }
    task(a, "task-1");
    for url in [
        "evil::/x",
        "evil://host/x",
        "foo::x",
        "gone::x",
        "gone://x/y",
        "ext::sh -c evil",
        "fd::3",
        "ftp://127.0.0.1:1/x",
    ] {
        a.git(&["config", "remote.origin.url", url]);
        for key in ["protocol.evil.allow", "protocol.ext.allow", "protocol.foo.allow", "protocol.allow"] {
            a.git(&["config", key, "always"]);
        }
        for call in CALLS {
            let run = with_path(a, &folder, call);
            assert!(run.code == Some(1) && run.stderr.contains("git remote set-url origin"), "{url}: {run:?}");
        }
        let run = with_path(a, &folder, &["sync", "--json"]);
        assert_eq!(
            (fault(&run)["code"].as_str(), fault(&run)["retryable"].as_bool()),
            (Some("bad-transport"), Some(false))
        );
    }
    assert!(!song.exists(), "{}", fs::read_to_string(&song).unwrap_or_default());
    a.git(&["config", "remote.origin.url", "ext::sh -c evil"]);
    a.git(&["config", "--global", "protocol.ext.allow", "always"]);
    assert_eq!(with_path(a, &folder, &["sync"]).code, Some(1), "an address that is a command line is never allowed");
    a.git(&["config", "remote.origin.url", "evil::/x"]);
    a.git(&["config", "--global", "protocol.evil.allow", "always"]);
    let _ = with_path(a, &folder, &["sync"]);
    assert!(fs::read_to_string(&song).unwrap().contains("git-remote-evil"), "the user allows it");
    a.git(&["config", "--global", "protocol.file.allow", "never"]);
    a.git(&["config", "remote.origin.url", scene.remote().to_str().unwrap()]);
    let run = a.mycelium(&["sync"]);
    assert!(run.code == Some(1) && run.stderr.contains("transport 'file' not allowed"), "{run:?}");
}

#[test]
fn the_users_environment_closes_and_opens_transports_but_never_a_command_line() {
    let scene = Scene::new(1);
    let a = &scene.clones[0];
    task(a, "task-1");
    let song = scene.file("song");
    let command = format!("ext::sh -c touch% {}", song.display());
    let file = scene.remote().display().to_string();
    for (url, allowed, words) in
        [(&file, "ssh:https", "transport 'file' not allowed"), (&command, "ext:file", "transport 'ext' not allowed")]
    {
        a.git(&["config", "remote.origin.url", url]);
        let mut sync = a.command(env!("CARGO_BIN_EXE_mycelium"));
        let run = Run::of(sync.arg("sync").env("GIT_ALLOW_PROTOCOL", allowed));
        assert!(run.code == Some(1) && run.stderr.contains(words), "{url}: {run:?}");
    }
    assert!(!song.exists());
    a.git(&["config", "remote.origin.url", &file]);
    let mut sync = a.command(env!("CARGO_BIN_EXE_mycelium"));
    assert_eq!(Run::of(sync.arg("sync").env("GIT_ALLOW_PROTOCOL", "ext:file")).code, Some(0));
}

#[test]
fn checks_that_the_repository_asks_for_are_made_of_what_a_server_sends() {
    let scene = Scene::new(2);
    let [a, b] = &scene.clones[..] else { panic!() };
    task(a, "task-1");
    sync(a);
    // A tree with an entry that no checkout may have: git takes it from a server unless it is told to check.
    let blob = a.git(&["hash-object", "-w", ".claude/coordination/task-1.md"]);
    fs::write(a.path(".git/entries"), format!("100644 blob {}\t.git\n", blob.trim())).unwrap();
    let shell = |line: &str| Run::of(a.command("sh").args(["-c", line])).ok().trim().to_owned();
    let tree = shell("git mktree < .git/entries");
    let commit = shell(&format!("git commit-tree {tree} -p HEAD -m bad"));
    a.git(&["push", "-q", "origin", &format!("{commit}:refs/heads/main")]);
    let tracked = || b.git(&["rev-parse", "refs/remotes/origin/main"]).trim().to_owned();
    for key in ["transfer.fsckObjects", "fetch.fsckObjects"] {
        b.git(&["config", key, "true"]);
        let run = b.mycelium(&["sync"]);
        // The next call would end in the same way.
        assert!(run.code == Some(1) && run.stderr.contains("hasDotgit"), "{key}: {run:?}");
        assert_ne!(tracked(), commit, "{key}");
        b.git(&["config", "--unset", key]);
    }
    // Without them the same call brings it.
    let _ = b.mycelium(&["sync", "--no-push"]);
    assert_eq!(tracked(), commit);
}

#[test]
fn the_users_own_settings_count_also_those_for_a_folder() {
    let scene = Scene::new(1);
    let a = &scene.clones[0];
    let server = Server::start();
    let (canary, song) = (scene.file("helper"), scene.file("song"));
    script(&canary, &format!("echo \"$0 $*\" >> '{}'; echo username=ann; echo password=s3cret", song.display()));
    task(a, "task-1");
    a.git(&["config", "remote.origin.url", "short:x.git"]);
    let url = format!("url.http://{}/.insteadOf", server.address);
    a.git(&["config", "--global", &url, "short:"]);
    let parts = scene.file("work.cfg");
    fs::write(&parts, format!("[credential]\n\thelper = {}\n[http]\n\textraHeader = X-Own: 1\n", canary.display()))
        .unwrap();
    let folder = format!("includeIf.gitdir:{}/.path", a.root().display());
    for condition in [&*folder, "includeIf.onbranch:main.path", "includeIf.gitdir:**/.git/**.path"] {
        a.git(&["config", "--global", condition, parts.to_str().unwrap()]);
        let run = a.mycelium(&["sync", "--json"]);
        assert_eq!((run.code, fault(&run)["code"].as_str()), (Some(1), Some("no-access")), "{condition}: {run:?}");
        assert!(!run.stderr.contains("s3cret"), "{run:?}");
        let heard = server.heard().join("");
        assert!(heard.contains("X-Own: 1") && heard.contains("Authorization: Basic"), "{condition}: {heard}");
        assert!(fs::read_to_string(&song).unwrap().contains(" get"), "{condition}");
        fs::remove_file(&song).unwrap();
        a.git(&["config", "--global", "--unset", condition]);
    }
    let variables =
        [("GIT_CONFIG_COUNT", "1"), ("GIT_CONFIG_KEY_0", "http.extraHeader"), ("GIT_CONFIG_VALUE_0", "X-Env: 1")];
    let _ = Run::of(a.mycelium_command(&["sync"]).envs(variables));
    assert!(server.heard().join("").contains("X-Env: 1"), "the environment is the user's");
    a.git(&["config", "--global", "core.sshCommand", canary.to_str().unwrap()]);
    a.git(&["config", "remote.origin.url", "ssh://host/x"]);
    let _ = a.mycelium(&["sync"]);
    assert!(fs::read_to_string(&song).unwrap().contains("git-upload-pack"), "the user's own ssh");
}

#[test]
fn what_can_never_work_is_no_server_that_is_away() {
    let scene = Scene::new(1);
    let a = &scene.clones[0];
    let server = Server::start();
    task(a, "task-1");
    let (http, file) =
        (format!("http://{}/x.git", server.address), format!("file://{}", a.root().parent().unwrap().display()));
    for (url, code, words) in [
        (&*http, "no-access", "git fetch origin"),
        (&*file, "no-repository", "git remote get-url origin"),
        ("gone::x", "bad-transport", "git remote set-url origin"),
        ("https://127.0.0.1:x/y", "bad-transport", "git remote set-url origin"),
    ] {
        a.git(&["config", "remote.origin.url", url]);
        let run = a.mycelium(&["sync", "--json"]);
        let said = fault(&run);
        assert_eq!(
            (run.code, said["code"].as_str(), said["retryable"].as_bool()),
            (Some(1), Some(code), Some(false)),
            "{url}: {run:?}"
        );
        assert!(said["hint"].as_str().unwrap().contains(words), "{url}: {run:?}");
        assert!(a.mycelium(&["explain", code]).ok().contains(code));
    }
    // The message says which settings git would have used, and we do not.
    a.git(&["config", "http.proxy", "http://127.0.0.1:1"]);
    a.git(&["config", "remote.origin.url", &http]);
    assert!(a.mycelium(&["sync"]).stderr.contains("`http.proxy`"));
    for url in ["ssh://127.0.0.1:1/x", "http://127.0.0.1:1/x", "git://127.0.0.1:1/x", "/nowhere/x.git"] {
        a.git(&["config", "remote.origin.url", url]);
        let run = a.mycelium(&["sync", "--json"]);
        assert_eq!((run.code, fault(&run)["code"].as_str()), (Some(75), Some("unreachable")), "{url}: {run:?}");
    }
}

/// A server that answers byte by byte, and never comes to an end: none of git's own limits ends that.
fn dripping_server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || {
                let mut stream = stream;
                let head = "HTTP/1.1 200 OK\r\nContent-Type: application/x-git-upload-pack-advertisement\r\n\r\n";
                let mut next = stream.write_all(head.as_bytes());
                // It ends with the connection.
                while next.is_ok() {
                    thread::sleep(Duration::from_millis(100));
                    next = stream.write_all(b"0");
                }
            });
        }
    });
    address
}

#[test]
fn a_server_that_never_comes_to_an_end_is_given_up_with_a_way_out() {
    let scene = Scene::new(1);
    let a = &scene.clones[0];
    task(a, "task-1");
    a.mycelium(&["config", "set", "--user", "sync.timeout_seconds", "1"]).ok();
    let http = format!("http://{}/x.git", dripping_server());
    for (url, command) in [(&*http, "ssh"), ("ssh://nobody@localhost/r.git", "sleep 1000;")] {
        a.git(&["config", "remote.origin.url", url]);
        let mut sync = a.command(env!("CARGO_BIN_EXE_mycelium"));
        sync.args(["sync"]).env("GIT_SSH_COMMAND", command).stdin(Stdio::null());
        let run = Run::of(&mut sync);
        assert_eq!(run.code, Some(75), "{url}: {run:?}");
        for words in ["`origin` is too slow: not done within 1 s", "git fetch origin", "sync.timeout_seconds"] {
            assert!(run.stderr.contains(words), "{url}: {run:?}");
        }
    }
}

#[test]
fn links_in_gits_own_files_are_not_written_through_by_a_sync() {
    for name in ["logs", "logs/refs", "logs/refs/remotes/origin", "logs/refs/remotes/origin/main"] {
        let scene = Scene::new(2);
        let [a, b] = &scene.clones[..] else { panic!() };
        task(a, "task-1");
        sync(a);
        let (outside, path) = (scene.file("outside"), b.path(&format!(".git/{name}")));
        if path.is_dir() {
            fs::rename(&path, &outside).unwrap();
        } else {
            fs::write(&outside, "mine\n").unwrap();
            let _ = fs::remove_file(&path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
        }
        let all = || Run::of(Command::new("grep").args(["-r", "", outside.to_str().unwrap()])).stdout;
        let before = all();
        std::os::unix::fs::symlink(&outside, &path).unwrap();
        let run = b.mycelium(&["sync"]);
        assert!(run.code == Some(1) || run.code == Some(5), "{name}: {run:?}");
        assert!(run.stderr.contains("symbolic link"), "{name}: {run:?}");
        assert_eq!(all(), before, "{name}");
    }
}

#[test]
fn what_a_killed_call_left_is_swept_and_a_living_one_is_left_alone() {
    let scene = Scene::new(1);
    let a = &scene.clones[0];
    task(a, "task-1");
    sync(a);
    let list = || -> Vec<String> {
        crate::support::names(&a.path(".git/mycelium"))
            .into_iter()
            .filter(|name| name.starts_with("network-"))
            .collect()
    };
    assert_eq!(list(), Vec::<String>::new());
    for name in ["network-1_dead", "network-1_alive", "network-1_new"] {
        a.write(&format!(".git/mycelium/{name}/config"), "");
    }
    let alive = fs::File::open(a.path(".git/mycelium/network-1_alive/config")).unwrap();
    alive.lock().unwrap();
    for name in ["network-1_dead", "network-1_alive"] {
        let folder = a.path(&format!(".git/mycelium/{name}"));
        Run::of(Command::new("touch").args(["-d", "1 hour ago"]).arg(folder)).ok();
    }
    sync(a);
    assert_eq!(list(), ["network-1_alive", "network-1_new"]);
}
