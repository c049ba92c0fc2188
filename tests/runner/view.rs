//! Our view of a document equals git's, or it is left alone: filters, encodings, modes, sparse checkouts, shared repositories. Git is the judge.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::support::{FOLDER, Run, Sandbox};

const FILTER: &str = "filter.enc";

pub(crate) fn task(id: &str, more: &str) -> String {
    format!("---\nid: {id}\nstatus: pending\ntype: x\n{more}---\n\n# The plan\n")
}

pub(crate) fn place(id: &str) -> String {
    format!("{FOLDER}/{id}.md")
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("a file").permissions().mode() & 0o7777
}

pub(crate) fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("a mode");
}

/// All that a program printed.
pub(crate) fn said(run: &Run) -> String {
    [run.stdout.as_str(), &run.stderr].concat()
}

/// Git sees nothing to do, and the repository is sound.
#[track_caller]
fn assert_clean(sandbox: &Sandbox) {
    assert_eq!(sandbox.git(&["status", "--short", "--untracked-files=all"]), "");
    assert_eq!(sandbox.git(&["diff"]), "");
    assert_eq!(sandbox.git(&["fsck", "--strict", "--no-dangling"]), "");
}

/// A repository in which the user's own configuration has a filter that turns text into something else.
fn with_filter(attributes: &[(&str, &str)]) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.git(&["config", "--global", &format!("{FILTER}.clean"), "tr a-z n-za-m"]);
    sandbox.git(&["config", "--global", &format!("{FILTER}.smudge"), "tr a-z n-za-m"]);
    sandbox.git(&["config", "--global", &format!("{FILTER}.required"), "true"]);
    for (path, text) in attributes {
        sandbox.write(path, text);
    }
    sandbox
}

/// No version of a document in the history is its text.
#[track_caller]
fn assert_no_text(sandbox: &Sandbox) {
    let log = sandbox.git(&["log", "-p", "--all", "--format=", "--", FOLDER]);
    assert!(!log.contains("status: pending") && !log.contains("status: running"), "{log}");
}

#[test]
fn a_document_with_a_filter_is_never_committed_as_its_text() {
    let line = format!("{FOLDER}/*.md filter=enc\n");
    let own = sandbox_attributes_file();
    let cases: &[&[(&str, &str)]] = &[
        &[(".gitattributes", &line)],
        &[(".claude/.gitattributes", "coordination/*.md filter=enc\n")],
        &[(".claude/coordination/.gitattributes", "*.md filter=enc\n")],
        &[(".git/info/attributes", "*.md filter=enc\n")],
        &[(".gitattributes", "[attr]secret filter=enc -text\n*.md secret\n")],
        &[(".gitattributes", "*.md filter=not-set-up\n")],
        &[(&own, "*.md filter=enc\n")],
    ];
    for attributes in cases {
        let sandbox = with_filter(attributes);
        sandbox.git(&["config", "--global", "core.attributesFile", "~/attributes"]);
        sandbox.write(&place("task-1"), &task("task-1", ""));
        let held = sandbox.mycelium(&["commit"]);
        assert!(said(&held).contains("held back: .claude/coordination/task-1.md"), "{attributes:?}: {held:?}");
        assert!(said(&held).contains("filter"), "{attributes:?}: {held:?}");
        let forced = sandbox.mycelium(&["commit", "--force"]);
        assert!(said(&forced).contains("held back"), "{attributes:?}: {forced:?}");
        for arguments in [
            &["task", "create", "--type", "x", "--id", "task-2"][..],
            &["task", "update", "task-1", "--priority", "high"],
            &["task", "claim", "task-1", "--as", "ann"],
            &["task", "remove", "task-1"],
            &["agent", "set", "ann", "--status", "idle"],
        ] {
            let refused = sandbox.mycelium(arguments);
            assert_eq!(refused.code, Some(4), "{attributes:?}: {refused:?}");
            assert!(refused.stderr.contains("is left to git") && refused.stderr.contains("-filter"), "{refused:?}");
        }
        assert_eq!(sandbox.read(&place("task-1")), task("task-1", ""), "it is as it was");
        assert_no_text(&sandbox);
        assert_eq!(sandbox.git(&["rev-list", "--count", "HEAD"]), "1", "{attributes:?}");
        let checked = sandbox.mycelium(&["check"]);
        assert!(said(&checked).contains("warning[MYC216]"), "{attributes:?}: {checked:?}");
        let doctor = sandbox.mycelium(&["doctor"]);
        assert!(said(&doctor).contains("1 document left to git"), "{attributes:?}: {doctor:?}");
        // What the hint says works.
        let (file, line) = match attributes {
            [(file @ ".git/info/attributes", _)] => ((*file).to_owned(), format!("/{FOLDER}/task-1.md -filter\n")),
            _ => (format!("{FOLDER}/.gitattributes"), "/task-1.md -filter\n".to_owned()),
        };
        assert!(held.stderr.contains(&file) && held.stderr.contains(line.trim()), "{attributes:?}: {held:?}");
        let before = attributes.iter().find(|(name, _)| *name == file).map_or("", |(_, text)| text);
        sandbox.write(&file, &format!("{before}{line}"));
        let committed = sandbox.mycelium(&["commit"]);
        assert!(!said(&committed).contains("task-1.md: "), "{attributes:?}: {committed:?}");
        assert_eq!(sandbox.git(&["rev-list", "--count", "HEAD"]), "2", "{attributes:?}: {committed:?}");
    }
}

/// The user's own file of attributes, as a path below the worktree: their home lies beside it.
fn sandbox_attributes_file() -> String {
    "../home/attributes".to_owned()
}

#[test]
fn what_is_no_filter_holds_nothing_back() {
    for line in
        ["*.md -filter\n", "*.md !filter\n", "*.md filter\n", "*.md filter=enc\n*.md -filter\n", "*.txt filter=enc\n"]
    {
        let sandbox = with_filter(&[(".gitattributes", line)]);
        sandbox.git(&["add", "."]);
        sandbox.git(&["commit", "-qm", "attributes"]);
        let created = sandbox.mycelium(&["task", "create", "--type", "x", "--id", "task-1"]);
        assert!(said(&created).contains("committed"), "{line}: {created:?}");
        assert_clean(&sandbox);
    }
}

#[test]
fn a_clean_tree_behind_a_filter_stays_as_it_is() {
    let sandbox = with_filter(&[(".gitattributes", "*.md filter=enc\n"), (&place("task-1"), &task("task-1", ""))]);
    sandbox.git(&["add", "."]);
    sandbox.git(&["commit", "-qm", "by git"]);
    let _ = sandbox.mycelium(&["commit"]);
    let _ = sandbox.mycelium(&["status"]).ok();
    assert_eq!(sandbox.git(&["rev-list", "--count", "HEAD"]), "2");
    assert_clean(&sandbox);
    assert_no_text(&sandbox);
    // A deletion of it is git's, too; and attributes that are not in the worktree count as the index has them.
    fs::remove_file(sandbox.path(".gitattributes")).expect("it was there");
    sandbox.write(&place("task-1"), &task("task-1", "priority: high\n"));
    assert!(said(&sandbox.mycelium(&["commit"])).contains("held back"));
    assert_no_text(&sandbox);
}

#[test]
fn a_task_behind_a_filter_is_passed_over_and_named() {
    let line = format!("{FOLDER}/task-1.md filter=enc\n");
    let sandbox = with_filter(&[
        (".gitattributes", &line),
        (&place("task-1"), &task("task-1", "priority: critical\n")),
        (&place("task-2"), &task("task-2", "")),
    ]);
    let next = || sandbox.mycelium(&["task", "claim", "--next", "--as", "ann"]);
    let given = next();
    assert_eq!((given.code, given.stdout.as_str()), (Some(0), "task-2\n"), "{given:?}");
    assert!(given.stderr.contains("skipped task-1") && given.stderr.contains("filter `enc`"), "{given:?}");
    let none = next();
    assert_eq!(none.code, Some(3), "there is none, and the same call finds none again: {none:?}");
    assert!(none.stderr.contains("skipped task-1") && none.stderr.contains("-filter"), "{none:?}");
}

#[test]
fn a_task_that_git_keeps_out_is_passed_over_and_named() {
    let sandbox = Sandbox::new();
    sandbox.write(&place("task-1"), &task("task-1", "priority: critical\n"));
    sandbox.write(&place("task-2"), &task("task-2", ""));
    sandbox.git(&["add", "."]);
    sandbox.git(&["commit", "-qm", "tasks"]);
    sandbox.git(&["sparse-checkout", "set", "--no-cone", "/*", "!task-1.md"]);
    let next = || sandbox.mycelium(&["task", "claim", "--next", "--as", "ann"]);
    let given = next();
    assert_eq!((given.code, given.stdout.as_str()), (Some(0), "task-2\n"), "{given:?}");
    let none = next();
    assert_eq!(none.code, Some(3), "{none:?}");
    assert!(none.stderr.contains("skipped task-1") && none.stderr.contains("sparse-checkout add"), "{none:?}");
}

#[test]
fn what_the_archive_would_send_through_a_filter_stays_and_is_named() {
    let attributes = format!("{FOLDER}/archive/** filter=enc\n");
    let done = task("task-1", "completed_at: 2025-10-01T00:00:00Z\n").replace("pending", "completed");
    let sandbox = with_filter(&[(".gitattributes", &attributes), (&place("task-1"), &done)]);
    assert_eq!(sandbox.mycelium(&["commit"]).code, Some(0), "the task itself is behind no filter");
    for (arguments, code) in [
        (&["archive", "--older", "0s"][..], 0),
        (&["archive", "task-1"], 4),
        (&["archive", "--dry-run", "--older", "0s"], 0),
    ] {
        let run = sandbox.mycelium(arguments);
        let words = said(&run);
        assert_eq!(run.code, Some(code), "{arguments:?}: {run:?}");
        assert!(words.contains("filter `enc`") && words.contains("/archive/"), "{arguments:?}: {words}");
        assert!(words.contains("-filter"), "{arguments:?}: the way out: {words}");
        assert!(sandbox.path(&place("task-1")).exists(), "{arguments:?}");
        assert_eq!(sandbox.git(&["status", "--short", "--", FOLDER]), "", "{arguments:?}");
    }
}

#[test]
fn a_sync_neither_merges_nor_pushes_what_is_behind_a_filter() {
    let sandbox = with_filter(&[(".gitattributes", "*.md filter=enc\n"), (&place("task-1"), &task("task-1", ""))]);
    sandbox.git(&["add", "."]);
    sandbox.git(&["commit", "-qm", "by git"]);
    sandbox.git(&["clone", "-q", "--bare", ".", "../hub"]);
    sandbox.git(&["clone", "-q", "../hub", "../other"]);
    sandbox.git(&["remote", "add", "origin", "../hub"]);
    sandbox.write(&place("task-1"), &task("task-1", "").replace("pending", "running"));
    sandbox.git(&["commit", "-qam", "by git: running"]);
    sandbox.git(&["push", "-q", "origin", "main"]);
    let other = sandbox.path("../other");
    let at = other.to_str().expect("a path");
    let synced = sandbox.mycelium(&["--root", at, "sync"]);
    assert_eq!(synced.code, Some(4), "{synced:?}");
    assert!(synced.stderr.contains("git's filter `enc`"), "{synced:?}");
    assert!(synced.stderr.contains(&format!("`git -C {at} merge origin/main`")), "{synced:?}");
    assert_eq!(fs::read_to_string(other.join(place("task-1"))).expect("there"), task("task-1", ""));
    sandbox.git(&["-C", at, "pull", "-q"]);
    let again = sandbox.mycelium(&["--root", at, "sync"]);
    assert_eq!(again.code, Some(0), "the hint works: {again:?}");
    assert!(fs::read_to_string(other.join(place("task-1"))).expect("there").contains("running"));
    let log = sandbox.git(&["-C", at, "log", "-p", "--all", "--format=", "--", FOLDER]);
    assert!(!log.contains("status: "), "{log}");
}

#[test]
fn a_filter_that_comes_with_the_change_stops_the_sync() {
    let sandbox = with_filter(&[(&place("task-1"), &task("task-1", ""))]);
    sandbox.git(&["add", "."]);
    sandbox.git(&["commit", "-qm", "plain"]);
    sandbox.git(&["clone", "-q", "--bare", ".", "../hub"]);
    sandbox.git(&["clone", "-q", "../hub", "../other"]);
    sandbox.git(&["remote", "add", "origin", "../hub"]);
    sandbox.write(".gitattributes", "*.md filter=enc\n");
    sandbox.git(&["add", "--renormalize", "."]);
    sandbox.git(&["add", ".gitattributes"]);
    sandbox.git(&["commit", "-qm", "encrypted from now on"]);
    sandbox.git(&["push", "-q", "origin", "main"]);
    let other = sandbox.path("../other");
    let synced = sandbox.mycelium(&["--root", other.to_str().expect("a path"), "sync"]);
    assert_eq!(synced.code, Some(4), "{synced:?}");
    assert_eq!(fs::read_to_string(other.join(place("task-1"))).expect("there"), task("task-1", ""));
}

#[test]
fn the_merge_driver_leaves_what_is_behind_a_filter_alone() {
    let sandbox = with_filter(&[(".gitattributes", "*.md filter=enc\n")]);
    for (name, text) in [("base", "one\n"), ("ours", "two\n"), ("theirs", "three\n")] {
        sandbox.write(name, text);
    }
    let merged = sandbox.mycelium(&["merge-driver", "base", "ours", "theirs", &place("task-1")]);
    assert_eq!(merged.code, Some(1), "git takes it for a conflict: {merged:?}");
    assert!(said(&merged).contains("filter"), "{merged:?}");
    assert_eq!(sandbox.read("ours"), "two\n", "no markers in what git will decrypt");
}

#[test]
fn other_encodings_are_left_to_git() {
    for (line, is_held) in [
        ("*.md working-tree-encoding=UTF-16LE\n", true),
        ("*.md working-tree-encoding=ISO-8859-1\n", true),
        ("*.md working-tree-encoding=utf-8\n", false),
        ("*.md working-tree-encoding=UTF8\n", false),
        ("*.md !working-tree-encoding\n", false),
    ] {
        let sandbox = with_filter(&[(".gitattributes", line)]);
        let created = sandbox.mycelium(&["task", "create", "--type", "x", "--id", "task-1"]);
        assert_eq!(created.code == Some(4), is_held, "{line}: {created:?}");
        if !is_held {
            sandbox.git(&["add", ".gitattributes"]);
            sandbox.git(&["commit", "-qm", "attributes"]);
            assert_clean(&sandbox);
        }
    }
}

#[test]
fn line_ends_and_idents_are_stored_as_git_stores_them() {
    let texts = ["plain\n", "crlf\r\nlines\r\n", "mixed\r\nlines\n", "$Id$\n", "$Id: 0123 $ $Id: a b $\n", "$Id:$\r\n"];
    let attributes = ["", "text", "text=auto", "-text", "eol=crlf", "eol=lf", "text eol=crlf ident", "ident", "binary"];
    let settings: &[&[(&str, &str)]] =
        &[&[], &[("core.autocrlf", "true")], &[("core.autocrlf", "input")], &[("core.eol", "crlf")]];
    for settings in settings {
        let sandbox = Sandbox::new();
        let mut lines = String::new();
        for (key, value) in *settings {
            sandbox.git(&["config", key, value]);
        }
        for (n, attribute) in attributes.iter().enumerate() {
            lines.extend(["task-", &n.to_string(), "-*.md ", attribute, "\n"]);
            for (m, text) in texts.iter().enumerate() {
                sandbox
                    .write(&place(&format!("task-{n}-{m}")), &format!("{}{text}", task(&format!("task-{n}-{m}"), "")));
            }
        }
        sandbox.write(".gitattributes", &lines);
        sandbox.git(&["add", ".gitattributes"]);
        sandbox.git(&["commit", "-qm", "attributes"]);
        let committed = sandbox.mycelium(&["commit"]);
        assert_eq!(committed.code, Some(0), "{settings:?}: {committed:?}");
        let stored = sandbox.git(&["ls-tree", "-r", "HEAD", "--", FOLDER]);
        assert_eq!(stored.lines().count(), texts.len() * attributes.len(), "{settings:?}");
        for line in stored.lines() {
            let (info, path) = line.split_once('\t').expect("a path");
            let id = info.split(' ').nth(2).expect("an id");
            assert_eq!(sandbox.git(&["hash-object", "--path", path, path]), id, "{settings:?}: {path}");
        }
        assert_clean(&sandbox);
    }
}

#[test]
fn the_executable_bit_is_committed_as_git_would() {
    let sandbox = Sandbox::new();
    sandbox.write(&place("task-1"), &task("task-1", ""));
    set_mode(&sandbox.path(&place("task-1")), 0o755);
    let _ = sandbox.mycelium(&["commit"]).ok();
    assert_clean(&sandbox);
    assert!(sandbox.git(&["ls-tree", "HEAD", &place("task-1")]).starts_with("100755"));
    // An operation keeps the mode of the file, and so of the entry.
    let _ = sandbox.mycelium(&["task", "update", "task-1", "--priority", "high"]).ok();
    assert_clean(&sandbox);
    assert_eq!(mode(&sandbox.path(&place("task-1"))) & 0o111, 0o111);
    // The mode alone: git shows it, and so do we.
    set_mode(&sandbox.path(&place("task-1")), 0o644);
    let held = sandbox.mycelium(&["commit"]);
    assert!(said(&held).contains("no longer executable") && said(&held).contains("chmod a+x"), "{held:?}");
    // With a change of the text it goes along.
    let _ = sandbox.mycelium(&["task", "update", "task-1", "--priority", "low"]).ok();
    assert_clean(&sandbox);
    assert!(sandbox.git(&["ls-tree", "HEAD", &place("task-1")]).starts_with("100644"));
}

#[test]
fn without_file_modes_the_entry_keeps_its_own() {
    let sandbox = Sandbox::new();
    sandbox.write(&place("task-1"), &task("task-1", ""));
    set_mode(&sandbox.path(&place("task-1")), 0o755);
    let _ = sandbox.mycelium(&["commit"]).ok();
    sandbox.git(&["config", "core.fileMode", "false"]);
    sandbox.write(&place("task-2"), &task("task-2", ""));
    set_mode(&sandbox.path(&place("task-2")), 0o755);
    set_mode(&sandbox.path(&place("task-1")), 0o644);
    let _ = sandbox.mycelium(&["task", "update", "task-1", "--priority", "high"]).ok();
    let _ = sandbox.mycelium(&["commit"]).ok();
    assert_clean(&sandbox);
    assert!(sandbox.git(&["ls-tree", "HEAD", &place("task-1")]).starts_with("100755"));
    assert!(sandbox.git(&["ls-tree", "HEAD", &place("task-2")]).starts_with("100644"));
}

#[test]
fn a_link_in_the_last_commit_gives_way_to_a_document_as_in_git() {
    let sandbox = Sandbox::new();
    fs::create_dir_all(sandbox.path(FOLDER)).expect("a folder");
    std::os::unix::fs::symlink("../../README.md", sandbox.path(&place("task-1"))).expect("a link");
    sandbox.git(&["add", "."]);
    sandbox.git(&["commit", "-qm", "a link"]);
    fs::remove_file(sandbox.path(&place("task-1"))).expect("removed");
    sandbox.write(&place("task-1"), &task("task-1", ""));
    // Where links are plain files, this one would be a link.
    sandbox.git(&["config", "core.symlinks", "false"]);
    let held = sandbox.mycelium(&["commit"]);
    assert!(said(&held).contains("symbolic link"), "{held:?}");
    assert_eq!(sandbox.git(&["rev-list", "--count", "HEAD"]), "2");
    sandbox.git(&["config", "core.symlinks", "true"]);
    let _ = sandbox.mycelium(&["commit"]).ok();
    assert_clean(&sandbox);
    assert!(sandbox.git(&["ls-tree", "HEAD", &place("task-1")]).starts_with("100644"));
}

#[test]
fn what_git_does_not_look_at_is_not_committed() {
    for flag in ["assume-unchanged", "skip-worktree"] {
        let sandbox = Sandbox::new();
        sandbox.write(&place("task-1"), &task("task-1", ""));
        sandbox.write(&place("task-2"), &task("task-2", ""));
        let _ = sandbox.mycelium(&["commit"]).ok();
        let before = sandbox.git(&["rev-parse", "HEAD"]);
        sandbox.git(&["update-index", &format!("--{flag}"), &place("task-1"), &place("task-2")]);
        sandbox.write(&place("task-1"), &task("task-1", "priority: high\n"));
        fs::remove_file(sandbox.path(&place("task-2"))).expect("removed");
        let held = sandbox.mycelium(&["commit"]);
        assert!(said(&held).contains(&format!("--{flag}`")), "{flag}: {held:?}");
        assert_eq!(sandbox.git(&["rev-parse", "HEAD"]), before, "{flag}");
        assert_clean(&sandbox);
    }
}

/// A repository of which a sparse checkout leaves documents out.
fn sparse(arguments: &[&str]) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("src/main.rs", "fn main() {}\n");
    for id in ["task-1", "task-2"] {
        sandbox.write(&place(id), &task(id, ""));
    }
    sandbox.write(&place("task-3"), &task("task-3", "depends_on: [task-2]\n"));
    sandbox.git(&["add", "."]);
    sandbox.git(&["commit", "-qm", "all"]);
    sandbox.git(&[&["sparse-checkout", "set"], arguments].concat());
    assert!(!sandbox.path(&place("task-2")).exists(), "it is left out");
    sandbox
}

#[test]
fn a_document_that_a_sparse_checkout_leaves_out_exists() {
    let without = format!("!/{}", place("task-2"));
    let cases: &[&[&str]] = &[
        &["--no-cone", "/*", &without],
        &["--cone", "src"],
        &["--cone", "--sparse-index", "src"],
        &["--no-cone", "/*", "!/.claude/"],
    ];
    for arguments in cases {
        let sandbox = sparse(arguments);
        let old = sandbox.git(&["rev-parse", &format!("HEAD:{}", place("task-2"))]);
        assert!(sandbox.mycelium(&["task", "get", "task-2"]).ok().contains("task-2"), "{arguments:?}");
        assert!(sandbox.mycelium(&["task", "list"]).ok().contains("task-2"), "{arguments:?}");
        let why = sandbox.mycelium(&["why", "task-3"]);
        assert!(why.stdout.contains("waits for task-2") && !why.stdout.contains("missing"), "{arguments:?}: {why:?}");
        let taken = sandbox.mycelium(&["task", "create", "--type", "y", "--id", "task-2"]);
        assert_eq!(taken.code, Some(4), "{arguments:?}: {taken:?}");
        for change in [
            &["task", "update", "task-2", "--priority", "high"][..],
            &["task", "claim", "task-2", "--as", "ann"],
            &["task", "remove", "task-2"],
        ] {
            let refused = sandbox.mycelium(change);
            assert_eq!(refused.code, Some(4), "{arguments:?}: {refused:?}");
            assert!(refused.stderr.contains("git sparse-checkout add"), "{arguments:?}: {refused:?}");
        }
        let _ = sandbox.mycelium(&["commit"]).ok();
        let _ = sandbox.mycelium(&["task", "create", "--type", "y", "--id", "task-4", "--depends-on", "task-2"]).ok();
        assert_eq!(sandbox.git(&["rev-parse", &format!("HEAD:{}", place("task-2"))]), old, "{arguments:?}");
        assert_clean(&sandbox);
        // The hint works.
        let refused = sandbox.mycelium(&["task", "update", "task-2", "--priority", "high"]).stderr;
        let command = refused.split('`').find(|part| part.starts_with("git sparse-checkout add")).expect("a command");
        let _ = Run::of(sandbox.command("sh").args(["-c", command])).ok();
        let _ = sandbox.mycelium(&["task", "update", "task-2", "--priority", "high"]).ok();
        assert_clean(&sandbox);
    }
}

#[test]
fn a_shared_repository_stays_shared_whatever_the_umask() {
    // Asked for, and the rights that nothing in the repository may lack, of files and of folders.
    for (asked, files, folders) in [("group", 0o040, 0o2070), ("all", 0o044, 0o2075), ("0660", 0o040, 0o2070)] {
        let sandbox = Sandbox::without_git();
        let script = format!(
            "umask 077; git init -q --shared={asked} . && echo 1 > u && git add u && git commit -qm 1 && \
             mkdir -p {FOLDER} && \"$0\" task create --type x --id task-1 && \"$0\" task claim task-1 --as ann && \
             for n in $(seq 2 41); do printf -- '---\\nid: task-%s\\nstatus: pending\\ntype: x\\n---\\n' $n > {FOLDER}/task-$n.md; done && \
             \"$0\" commit && \"$0\" status && git branch other && \"$0\" task complete task-1 --as ann"
        );
        let _ = Run::of(sandbox.command("sh").args(["-c", &script, env!("CARGO_BIN_EXE_mycelium")])).ok();
        let mut todo = vec![sandbox.path(".git")];
        while let Some(path) = todo.pop() {
            let is_folder = path.is_dir();
            let wanted = if is_folder { folders } else { files };
            // What a single writer has under way is theirs, and so is what git itself leaves to the umask.
            let theirs = ["/tmp/", "COMMIT_EDITMSG", "/hooks/", "/info/exclude", "/description"];
            let name = path.to_string_lossy().into_owned();
            if !theirs.iter().any(|part| name.ends_with(part) || name.contains(".git") && name.contains(part))
                || name.ends_with(".git")
            {
                assert_eq!(mode(&path) & wanted, wanted, "{asked}: {name} has {:o}", mode(&path));
            }
            if is_folder {
                todo.extend(fs::read_dir(&path).expect("listed").map(|entry| entry.expect("listed").path()));
            }
        }
        let writable = ["mycelium/journal", "mycelium/folder.lock", "mycelium/commit.lock", "logs/HEAD", "index"];
        for name in writable {
            let found = mode(&sandbox.path(&format!(".git/{name}")));
            assert_eq!(found & 0o060, 0o060, "{asked}: {name} has {found:o}");
        }
        assert_clean(&sandbox);
    }
}
