//! Resolving where the repository names filters: none is started, and other entries of the index stay as they are.

use std::fs;

use super::{FILE, branches, git, sandbox, status, task};
use crate::support::script::write_script;

/// Marks every entry as one that git may have to read again: the index is older than its files.
fn make_racy(sandbox: &super::Sandbox) {
    sandbox.git(&["-c", "core.fsmonitor=false", "update-index", "--really-refresh"]);
    let touched = super::Run::of(sandbox.command("touch").args(["-d", "2030-01-01", "code.txt"]));
    let _ = touched.ok();
    sandbox.git(&["add", "code.txt"]);
}

#[test]
fn no_filter_of_the_repository_is_started_however_it_is_named() {
    for (name, key, way) in [
        ("x", "clean", "config"),
        ("x", "process", "config"),
        ("a=b", "clean", "config"),
        ("a.b.c", "clean", "config"),
        ("x", "clean", "include"),
        ("x", "clean", "includeIf \"hasconfig:remote.*.url:**\""),
        ("x", "clean", "worktree"),
    ] {
        for side in ["--ours", "--theirs"] {
            let sandbox = sandbox();
            sandbox.write("code.txt", "a\n");
            sandbox.git(&["add", "code.txt"]);
            sandbox.git(&["commit", "--quiet", "-m", "Code"]);
            branches(&sandbox, &task("high", "Text."), &task("low", "Text."));
            make_racy(&sandbox);
            sandbox.git(&["commit", "--quiet", "--allow-empty", "-m", "Racy"]);
            let _ = git(&sandbox, &["merge", "--quiet", "topic"]);
            let song = sandbox.path("../song");
            let canary = sandbox.path("../canary");
            write_script(&canary, &format!("echo started >> '{}'\ncat", song.display()));
            sandbox.write(".gitattributes", &format!("*.txt filter={name}\n"));
            let text = format!("[filter \"{name}\"]\n\t{key} = {}\n\trequired = true\n", canary.display());
            let append = |file: &str, text: &str| {
                let old = fs::read_to_string(sandbox.path(file)).unwrap_or_default();
                sandbox.write(file, &format!("{old}{text}"));
            };
            match way {
                "config" => append(".git/config", &text),
                "worktree" => {
                    append(
                        ".git/config",
                        "[core]\n\trepositoryFormatVersion = 1\n[extensions]\n\tworktreeConfig = true\n",
                    );
                    append(".git/config.worktree", &text);
                }
                way => {
                    append(".git/evil.cfg", &text);
                    append(".git/config", &format!("[remote \"o\"]\n\turl = /x\n[{way}]\n\tpath = evil.cfg\n"));
                }
            }
            sandbox.mycelium(&["resolve", side]).ok();
            assert!(!song.exists(), "{name} {key} {way} {side}");
            assert!(sandbox.git(&["ls-files", "--unmerged"]).is_empty(), "{name} {key} {way} {side}");
        }
    }
}

#[test]
fn an_index_that_is_a_link_is_not_written_through() {
    let sandbox = sandbox();
    branches(&sandbox, &task("high", "Text."), &task("low", "Text."));
    let _ = git(&sandbox, &["merge", "--quiet", "topic"]);
    let outside = sandbox.path("../outside");
    fs::rename(sandbox.path(".git/index"), &outside).unwrap();
    std::os::unix::fs::symlink(&outside, sandbox.path(".git/index")).unwrap();
    let before = fs::read(&outside).unwrap();
    let run = sandbox.mycelium(&["resolve", "--ours"]);
    assert!(run.code != Some(0) && run.stderr.contains("symbolic link"), "{run:?}");
    assert_eq!(fs::read(&outside).unwrap(), before, "{FILE}");
    assert!(!status(&sandbox).is_empty());
}
