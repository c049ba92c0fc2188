//! Each verdict from the facts that lead to it.

use super::super::facts::*;
use super::*;
use crate::core::diagnostic::{Code, Diagnostic};

const NOW_S: i64 = 1_760_659_200;

fn ground() -> Ground {
    Ground {
        folder: Presence::There,
        unwritable: None,
        file_system: Some(FileSystem { kind: "ext4".to_owned(), remote: false }),
        apart: false,
        exchange: Some(true),
        links: Some(true),
        run_unwritable: None,
        state: "/r/.git/mycelium".to_owned(),
        skew_ms: Some(3),
        free_bytes: Some(1 << 40),
        free_files: Some(1 << 20),
        temporary: 0,
        recovered: Vec::new(),
    }
}

fn healthy() -> Facts {
    let git = GitFacts {
        head: Some((Some("main".to_owned()), Some("1234567890".to_owned()))),
        committed_at: Some(Timestamp::from_unix_ms(NOW_S * 1_000)),
        ..GitFacts::default()
    };
    Facts {
        program: Ok("git version 2.47.3".to_owned()),
        place: Ok(ProjectRoot { root: "/r".to_owned(), in_git: true, has_git_dir: true }),
        inside: Some(Inside {
            folder: "f".to_owned(),
            own_branch: None,
            settings: Vec::new(),
            undurable: false,
            ground: Ok(ground()),
            documents: Ok(Documents { count: 2, ..Documents::default() }),
            standing: Ok(Standing::default()),
            events: Ok(4),
            bridges: Vec::new(),
            git: Some(git),
        }),
        limits: Some(Limits { watches: 100_000, instances: 128 }),
        now: Timestamp::from_unix_ms(NOW_S * 1_000),
    }
}

type Change = fn(&mut Facts, &mut Inside, &mut GitFacts, &mut Ground);

/// What is told of healthy facts after a change to them: everything that is not well, as `name verdict: message`.
fn told(change: Change) -> Vec<(String, Option<String>)> {
    let mut facts = healthy();
    let mut inside = facts.inside.take().expect("open");
    let mut git = inside.git.take().expect("in git");
    let mut ground = inside.ground.clone().expect("looked at");
    change(&mut facts, &mut inside, &mut git, &mut ground);
    inside.git = Some(git);
    inside.ground = Ok(ground);
    facts.inside = Some(inside);
    let bad = judge(&facts).into_iter().filter(|check| check.verdict != Verdict::Ok);
    bad.map(|check| (format!("{} {}: {}", check.name, check.verdict.word(), check.message), check.fix)).collect()
}

fn assert_told(cases: &[(Change, &str, &str)]) {
    for (change, message, fix) in cases {
        assert_eq!(told(*change), [((*message).to_owned(), Some((*fix).to_owned()))]);
    }
}

#[test]
fn a_disk_that_is_read_only_is_no_sandbox() {
    let told = told(|_, _, _, g| {
        (g.run_unwritable, g.unwritable) = (Some("read-only".to_owned()), Some("read-only".to_owned()));
    });
    let messages: Vec<&str> = told.iter().map(|(message, _)| message.as_str()).collect();
    assert_eq!(
        messages,
        [
            "folder problem: `f` cannot be written: read-only",
            "run-state problem: locks and journal cannot be written: read-only"
        ]
    );
}

#[test]
fn all_is_well() {
    assert_eq!(told(|_, _, _, _| {}), []);
    let checks = judge(&healthy());
    let groups: Vec<_> = checks.iter().map(|check| Group::ALL.iter().position(|group| *group == check.group)).collect();
    assert!(groups.is_sorted() && checks.len() >= 15);
    assert!(checks.iter().all(|check| check.fix.is_none()));
}

#[test]
fn verdicts_on_git() {
    let install = "install git 2.39 or newer";
    assert_told(&[
        (
            |f, _, _, _| f.program = Ok("git version 2.38.9".to_owned()),
            "git-program problem: git version 2.38.9 is too old",
            install,
        ),
        (
            |f, _, _, _| f.program = Err("not found".to_owned()),
            "git-program problem: it cannot be started: not found",
            install,
        ),
        (
            |f, _, _, _| f.program = Ok("git 2".to_owned()),
            "git-program warning: its version is not understood: git 2",
            install,
        ),
        (
            |_, _, g, _| g.head = Some((None, Some("1234567890".to_owned()))),
            "branch warning: HEAD is detached at 1234567: commits made here are on no branch",
            "run `git switch BRANCH`, or `git switch --create BRANCH` to keep them",
        ),
        (
            |_, _, g, _| g.faults = vec![Fault { message: "no index".to_owned(), hint: Some("fsck".to_owned()) }],
            "contents problem: no index",
            "fsck",
        ),
        (
            |_, _, g, _| g.secret_remotes = vec!["origin".to_owned()],
            "remote warning: the address of the remote `origin` holds a password, which every program here can read",
            "run `git remote set-url origin URL` without it, and use a credential helper",
        ),
        (
            |f, _, _, _| f.place = Ok(ProjectRoot { root: "/r".to_owned(), in_git: false, has_git_dir: false }),
            "repository warning: `/r` is in no repository: there is no history",
            "run `git init` to keep a history",
        ),
        (
            |f, _, _, _| f.place = Ok(ProjectRoot { root: "/r".to_owned(), in_git: false, has_git_dir: true }),
            "repository problem: `/r/.git` is there and is no repository: a part of it is missing",
            "bring `HEAD`, `objects` or `refs` back from a copy, whichever is missing, or clone again",
        ),
    ]);
}

#[test]
fn verdicts_on_commits() {
    assert_told(&[
        (
            |_, _, g, _| g.identity = Some(Fault { message: "nobody".to_owned(), hint: Some("say who".to_owned()) }),
            "identity problem: nobody",
            "say who",
        ),
        (
            |_, _, g, _| g.operation = Some(Fault { message: "a rebase".to_owned(), hint: Some("end it".to_owned()) }),
            "under-way warning: a rebase",
            "end it",
        ),
        (
            |_, _, g, _| {
                let lock = LockFact { message: "old".to_owned(), hint: "rm".to_owned(), age_s: 60, alive: false };
                g.locks = vec![
                    LockFact { alive: true, message: "held".to_owned(), ..lock.clone() },
                    LockFact { age_s: 1, message: "young".to_owned(), ..lock.clone() },
                    lock,
                ];
            },
            "locks warning: old",
            "rm",
        ),
        (
            |_, _, g, _| g.broken = vec![Fault { message: "empty".to_owned(), hint: Some("rm".to_owned()) }],
            "references problem: empty",
            "rm",
        ),
        (
            |_, _, g, _| g.leftovers = 2,
            "locks warning: 2 commits that were killed left something behind",
            "run `mycelium doctor --fix`, or any write",
        ),
        (
            |_, _, g, _| g.unmerged = 1,
            "merges problem: 1 document with an unresolved merge",
            "run `mycelium resolve`, which merges what can be merged and stages it",
        ),
        (
            |_, _, g, _| g.ignored = Some("run `this`".to_owned()),
            "ignored problem: git ignores `f`: nothing in it is committed",
            "run `this`",
        ),
        (
            |_, i, _, _| i.own_branch = Some("tasks".to_owned()),
            "ignored warning: `f` goes to tasks, and nothing keeps it out of your own commits",
            "run `mycelium doctor --fix`",
        ),
        (
            |_, i, _, _| i.standing = Ok(Standing { uncommitted: 2, ..Standing::default() }),
            "uncommitted warning: 2 documents not committed yet",
            "run `mycelium commit`, or `mycelium watch --detach` to have it done",
        ),
        (
            |_, i, _, _| i.standing = Ok(Standing { uncommitted: 2, held: 1, ..Standing::default() }),
            "uncommitted warning: 2 documents not committed, 1 of them held back",
            "run `mycelium commit` to see why",
        ),
    ]);
    let own: Change = |_, i, g, _| {
        i.own_branch = Some("tasks".to_owned());
        (g.excluded, g.ignored) = (true, Some(String::new()));
    };
    assert_eq!(told(own), []);
    let watched: Change = |_, i, _, _| {
        i.standing = Ok(Standing { uncommitted: 2, watcher: Some((Some(7), None)), ..Standing::default() });
    };
    assert_eq!(told(watched), []);
}

#[test]
fn verdicts_on_documents_and_settings() {
    let check = "run `mycelium check` to see where, `mycelium explain CODE` to see why";
    assert_told(&[
        (
            |_, i, _, _| {
                i.documents = Ok(Documents { count: 3, errors: vec![("MYC201", 2)], warnings: vec![("MYC204", 1)] });
            },
            "format problem: 2 errors (MYC201 × 2), 1 warning (MYC204) in 3 documents",
            check,
        ),
        (
            |_, i, _, _| {
                i.documents = Ok(Documents { count: 1, warnings: vec![("MYC204", 1)], ..Documents::default() });
            },
            "format warning: 1 warning (MYC204) in 1 document",
            check,
        ),
        (
            |_, _, _, g| g.unwritable = Some("denied".to_owned()),
            "folder problem: `f` cannot be written: denied",
            "check who owns it, and whether the disk is mounted for writing",
        ),
        (
            |_, _, _, g| g.recovered = vec!["x.md".to_owned()],
            "late-saves warning: 1 text was saved too late for its document and kept in `x.md`",
            "take over what you want of it, then remove the file",
        ),
        (
            |_, i, _, _| i.settings = vec![Diagnostic::error(Code::BadConfigFile, "broken").hint("mend it")],
            "configuration problem: broken",
            "mend it",
        ),
        (
            |_, i, _, _| i.settings = vec![Diagnostic::warning(Code::UnknownConfigKey, "unknown").hint("look")],
            "configuration warning: unknown",
            "look",
        ),
        (
            |_, i, _, _| i.undurable = true,
            "durability warning: `markdown.durability` is off: a power cut may lose what was acknowledged",
            "run `mycelium config set --user markdown.durability full`",
        ),
    ]);
}

#[test]
fn verdicts_on_the_machine() {
    let local = "keep the repository on a local file system (ext4, XFS, btrfs, tmpfs, APFS)";
    assert_told(&[
        (
            |_, _, _, g| g.exchange = Some(false),
            "file-system warning: ext4: two files cannot be exchanged in one step, so a save in the moment of a write may be lost",
            local,
        ),
        (
            |_, _, _, g| g.links = Some(false),
            "file-system problem: ext4: it has no hard links, which git's locks need",
            local,
        ),
        (
            |_, _, _, g| g.file_system = Some(FileSystem { kind: "nfs4".to_owned(), remote: true }),
            "file-system warning: nfs4: what other machines change there is seen late",
            "let one machine watch, or keep a clone on a local disk",
        ),
        (
            |_, _, _, g| g.run_unwritable = Some("read-only".to_owned()),
            "run-state warning: `/r/.git/mycelium` is read-only for this process, as in a sandbox: read-only; claims are \
             refused here, other changes are committed by a process outside of the sandbox",
            "run `mycelium watch` outside of the sandbox, and let the sandbox write `/r/.git/mycelium` for claims",
        ),
        (|_, _, _, g| g.free_bytes = Some(5 << 20), "disk problem: 5 MB are free", "free some disk space"),
        (|_, _, _, g| g.free_bytes = Some(50 << 20), "disk warning: 50 MB are free", "free some disk space"),
        (
            |_, _, _, g| g.free_files = Some(1),
            "disk warning: 1048576 MB are free, but only 1 file can be made",
            "remove files that nobody needs: the file system runs out of names",
        ),
        (
            |_, _, _, g| g.skew_ms = Some(-5_000),
            "file-times warning: the file system's clock is 5 s behind the system's",
            "set the clocks of both machines by the same server (NTP)",
        ),
        (
            |_, _, g, _| g.committed_at = Some(Timestamp::from_unix_ms((NOW_S + 7_200) * 1_000)),
            "commit-times warning: the newest commit is from the future, 2h from now",
            "set the clock of this machine, or of the one that made the commit",
        ),
        (
            |f, _, g, _| (f.now, g.committed_at) = (Timestamp::from_unix_ms(0), None),
            "clock problem: it is 1970-01-01T00:00:00Z by the system's clock",
            "set the clock",
        ),
        (
            |f, _, _, _| f.limits = Some(Limits { watches: 100, instances: 128 }),
            "inotify warning: 100 watches and 128 watching programs are allowed",
            "run `sudo sysctl fs.inotify.max_user_watches=524288` to raise the limit",
        ),
        (
            |_, i, _, _| i.events = Err(Fault { message: "full".to_owned(), hint: Some("raise".to_owned()) }),
            "events warning: full: changes are seen late",
            "raise",
        ),
    ]);
}

#[test]
fn where_nothing_can_be_opened_the_rest_is_skipped() {
    let fault = Fault { message: "it belongs to another user".to_owned(), hint: Some("trust it".to_owned()) };
    let facts = Facts { place: Err(fault), inside: None, ..healthy() };
    let bad: Vec<_> = judge(&facts).into_iter().filter(|check| check.verdict != Verdict::Ok).collect();
    let told: Vec<_> = bad.iter().map(|check| (check.name, check.verdict, check.fix.as_deref())).collect();
    assert_eq!(told, [("repository", Verdict::Problem, Some("trust it")), ("folder", Verdict::Skipped, None)]);
}
