//! Repositories in every shape: unborn, detached, linked, packed, with branches of their own.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use mycelium::git::{Author, CommitDurability, CommitError, Repository, Target, Trouble};
use mycelium::name::DocPath;

use crate::ground::{FOLDER, Ground, agent, change, commit, plan};
use crate::isolated;
use mycelium::problem::Problem;

isolated!(a_commit_holds_the_document_and_leaves_nothing_to_do, {
    let ground = Ground::new();
    let made = ground.save(&[("task-1.md", "one\n"), ("archive/2025-10/task-0.md", "zero\n")]);
    assert_eq!(ground.git(&["rev-parse", "HEAD"]).trim(), made.as_str());
    assert_eq!(ground.at_head("task-1.md"), "one\n");
    assert_eq!(ground.status(), "");
    assert_eq!(ground.git(&["diff", "--cached"]), "");
    assert_eq!(ground.git(&["ls-files", "-s", "u.txt"]).split('\t').next().map(str::len), Some(49));
    ground.assert_sound();
});

isolated!(the_first_commit_of_a_repository, {
    let ground = Ground::empty(&[]);
    let repo = ground.open();
    assert_eq!(repo.view().head(&Target::Current).expect("a head").revision, None);
    ground.save(&[("task-1.md", "one\n")]);
    assert_eq!(ground.git(&["log", "--format=%s %an %cn"]), "save Uma User Uma User\n");
    assert_eq!(ground.git(&["reflog", "--format=%gs"]), "commit (initial): save\n");
    assert_eq!(ground.status(), "");
    ground.assert_sound();
});

isolated!(a_detached_head_moves_alone, {
    let ground = Ground::new();
    let main = ground.git(&["rev-parse", "main"]);
    ground.git(&["checkout", "-q", "--detach"]);
    let repo = ground.open();
    assert!(repo.view().head(&Target::Current).expect("a head").detached);
    ground.save(&[("task-1.md", "one\n")]);
    assert_eq!(ground.git(&["rev-parse", "main"]), main);
    assert_eq!(ground.git(&["rev-parse", "HEAD^"]), main);
    assert_eq!(ground.status(), "");
    ground.assert_sound();
});

isolated!(a_linked_work_tree_has_its_own_index_and_head, {
    let ground = Ground::new();
    ground.git(&["worktree", "add", "-q", "../linked", "-b", "side/deep"]);
    let linked = Ground::at(ground.root.join("../linked").canonicalize().expect("a folder"));
    linked.save(&[("task-1.md", "one\n")]);
    assert_eq!(linked.at_head("task-1.md"), "one\n");
    assert_eq!((linked.status(), ground.status()), (String::new(), String::new()));
    assert_eq!(linked.git(&["rev-parse", "HEAD^"]), ground.git(&["rev-parse", "main"]));
    assert_eq!(linked.git(&["reflog", "-1", "--format=%gs"]), "commit: save\n");
    assert_eq!(ground.git(&["reflog", "-1", "--format=%gs", "side/deep"]), "commit: save\n");
    ground.assert_sound();
});

isolated!(packed_branches_and_chains_of_branches, {
    let ground = Ground::new();
    ground.git(&["checkout", "-q", "-b", "a/b/c"]);
    ground.git(&["pack-refs", "--all", "--prune"]);
    ground.save(&[("task-1.md", "one\n")]);
    ground.git(&["symbolic-ref", "refs/heads/alias", "refs/heads/a/b/c"]);
    ground.git(&["symbolic-ref", "HEAD", "refs/heads/alias"]);
    ground.save(&[("task-1.md", "two\n")]);
    assert_eq!(ground.git(&["symbolic-ref", "refs/heads/alias"]), "refs/heads/a/b/c\n");
    assert_eq!(ground.git(&["rev-list", "--count", "a/b/c"]), "3\n");
    assert_eq!(ground.status(), "");
    ground.assert_sound();
});

isolated!(an_index_keeps_its_version_and_its_untracked_cache, {
    let ground = Ground::new();
    let index = || fs::read(ground.root.join(".git/index")).expect("an index");
    for (path, text) in [("src/a/b/one", "1"), ("src/a/b/other", "2"), ("zebra", "3")] {
        ground.put(path, text);
    }
    ground.git(&["add", "."]);
    ground.git(&["commit", "-qm", "user: code"]);
    ground.put("src/new", "not for git");
    for version in ["4", "2"] {
        ground.git(&["update-index", "--index-version", version]);
        ground.git(&["update-index", "--untracked-cache"]);
        // The cache knows the document as a file that git does not track.
        ground.put(&format!("{FOLDER}/task-{version}.md"), "one\n");
        assert!(ground.status().contains("?? .claude"), "{}", ground.status());
        let repo = ground.open();
        let path = format!("task-{version}.md");
        commit(&repo, &Target::Current, &[plan(Author::User, "x", vec![change(&path, Some("one\n"))])])
            .expect("commits");
        let bytes = index();
        assert_eq!(bytes[7].to_string(), version);
        assert_eq!(bytes.windows(4).filter(|window| window == b"UNTR").count(), 1);
        assert_eq!(ground.status(), "?? src/new\n");
        assert_eq!(ground.git(&["diff", "--cached", "--name-only"]), "");
        ground.assert_sound();
    }
    // Without the cache only the version is kept.
    ground.git(&["update-index", "--no-untracked-cache", "--index-version", "4"]);
    ground.save(&[("task-4.md", "two\n")]);
    assert_eq!((index()[7], ground.status().as_str()), (4, "?? src/new\n"));
});

isolated!(what_a_file_system_monitor_said_is_asked_again_after_a_commit, {
    let ground = Ground::new();
    let monitor = ground.root.with_file_name("monitor");
    fs::write(&monitor, "#!/bin/sh\nprintf 'token\\0'\n").expect("written");
    fs::set_permissions(&monitor, fs::Permissions::from_mode(0o755)).expect("a program");
    ground.put("src/one", "1\n");
    ground.git(&["add", "."]);
    ground.git(&["commit", "-qm", "user: code"]);
    ground.git(&["config", "core.fsmonitor", monitor.to_str().expect("a name")]);
    ground.git(&["config", "core.fsmonitorHookVersion", "2"]);
    // The monitor says that nothing has changed since: git believes it, and an index that kept its word would too.
    assert_eq!((ground.status().as_str(), ground.status().as_str()), ("", ""));
    ground.put("src/one", "other\n");
    assert_eq!(ground.status(), "");
    ground.save(&[("task-1.md", "one\n")]);
    assert_eq!(ground.status(), " M src/one\n");
    ground.assert_sound();
});

isolated!(several_authors_are_several_commits_and_one_move, {
    let ground = Ground::new();
    let repo = ground.open();
    let (one, two) = (change("task-1.md", Some("one\n")), change("task-2.md", Some("two\n")));
    ground.put(&format!("{FOLDER}/task-1.md"), "one\n");
    ground.put(&format!("{FOLDER}/task-2.md"), "two\n");
    let plans = [plan(agent("ai-engineer"), "by the agent", vec![one]), plan(Author::User, "by hand", vec![two])];
    commit(&repo, &Target::Current, &plans).expect("commits");
    let log = ground.git(&["log", "-2", "--format=%s|%an|%ae|%at|%cn|%ce"]);
    let expected = "by hand|Uma User|uma@example.com|1760659200|Uma User|uma@example.com\n\
                    by the agent|ai-engineer|ai-engineer@mycelium.invalid|1760659200|Uma User|uma@example.com\n";
    assert_eq!(log, expected);
    assert_eq!(ground.git(&["reflog", "-2", "--format=%gs"]), "commit: by hand\ncommit: by the agent\n");
    ground.assert_sound();
});

isolated!(what_is_there_already_makes_no_commit, {
    let ground = Ground::new();
    let first = ground.save(&[("task-1.md", "one\n")]);
    assert_eq!(ground.save(&[("task-1.md", "one\n")]), first);
    assert_eq!(ground.git(&["rev-list", "--count", "HEAD"]), "2\n");
});

isolated!(a_removed_document_goes_and_its_folder_with_it, {
    let ground = Ground::new();
    ground.save(&[("archive/2025-10/task-0.md", "zero\n"), ("task-1.md", "one\n")]);
    fs::remove_file(ground.root.join(FOLDER).join("archive/2025-10/task-0.md")).expect("removed");
    let gone = plan(Author::User, "gone", vec![change("archive/2025-10/task-0.md", None)]);
    commit(&ground.open(), &Target::Current, &[gone]).expect("a commit");
    assert_eq!(ground.git(&["ls-tree", "-r", "--name-only", "HEAD", FOLDER]), format!("{FOLDER}/task-1.md\n"));
    assert_eq!(ground.status(), "");
    ground.assert_sound();
});

isolated!(a_branch_of_its_own_leaves_index_and_head_alone, {
    let ground = Ground::new();
    let before = fs::read(ground.root.join(".git/index")).expect("an index");
    let repo = ground.open();
    let target = Target::Branch("coordination/main".to_owned());
    for text in ["one\n", "two\n"] {
        let plan = plan(agent("scribe"), text.trim(), vec![change("task-1.md", Some(text))]);
        commit(&repo, &target, &[plan]).expect("a commit");
    }
    assert_eq!(ground.git(&["log", "--format=%s", "coordination/main"]), "two\none\n");
    let files = ground.git(&["ls-tree", "-r", "--name-only", "coordination/main"]);
    assert_eq!(files, format!("{FOLDER}/task-1.md\n"));
    assert_eq!(ground.git(&["rev-list", "--count", "HEAD"]), "1\n");
    assert_eq!(fs::read(ground.root.join(".git/index")).expect("an index"), before);
    ground.git(&["checkout", "-q", "coordination/main"]);
    let again = plan(agent("scribe"), "three", vec![change("task-1.md", Some("three\n"))]);
    let error = commit(&repo, &target, &[again]).expect_err("it is checked out");
    assert!(error.to_string().contains("is checked out in"), "{error}");
    ground.git(&["checkout", "-q", "main"]);
    ground.assert_sound();
});

isolated!(a_branch_cannot_be_made_inside_another, {
    let ground = Ground::new();
    ground.git(&["branch", "taken"]);
    ground.git(&["branch", "deep/er"]);
    for packed in [false, true] {
        for name in ["taken/x", "deep", "-x", "a..b", "HEAD"] {
            let plan = plan(Author::User, "x", vec![change("task-1.md", Some("x\n"))]);
            let error = commit(&ground.open(), &Target::Branch(name.to_owned()), &[plan]).expect_err(name);
            assert_eq!(error.trouble(), Trouble::Failed, "{error}");
            assert!(error.hint().is_some_and(|hint| hint.contains("commit.branch")), "{error}");
        }
        if !packed {
            ground.git(&["pack-refs", "--all"]);
        }
    }
    ground.assert_sound();
});

isolated!(the_plan_is_refused_when_documents_moved_on_and_rebased_when_others_did, {
    let ground = Ground::new();
    let base = ground.save(&[("task-1.md", "one\n")]);
    ground.put("code.rs", "fn main() {}\n");
    ground.git(&["add", "code.rs"]);
    ground.git(&["commit", "-qm", "user: code"]);
    let repo = ground.open();
    let make = |text: &str| [plan(Author::User, "x", vec![change("task-1.md", Some(text))])];
    let on =
        |base, text| repo.committer().commit(&Target::Current, FOLDER, Some(base), &make(text), CommitDurability::Full);
    on(&base, "two\n").expect("the documents are those of the plan");
    assert!(ground.git(&["log", "--format=%s"]).starts_with("x\nuser: code\n"));
    let error = on(&base, "three\n").expect_err("the document changed");
    assert!(matches!(error, CommitError::Moved { .. }), "{error}");
    assert_eq!(error.trouble(), Trouble::Moved);
});

isolated!(contents_and_history_tell_what_happened, {
    let ground = Ground::new();
    ground.save(&[("task-1.md", "one\n"), ("archive/2025-10/task-0.md", "zero\n")]);
    let second = ground.save(&[("task-1.md", "two\n")]);
    ground.put(&format!("{FOLDER}/note.txt"), "no document");
    ground.git(&["add", "-f", "."]);
    ground.git(&["commit", "-qm", "user: a file beside"]);
    let repo = ground.open();
    let head = repo.view().head(&Target::Current).expect("a head");
    let contents = repo.view().contents(head.revision.as_ref(), FOLDER).expect("contents");
    let names: Vec<&str> = contents.keys().map(DocPath::as_str).collect();
    assert_eq!(names, ["archive/2025-10/task-0.md", "task-1.md"]);
    let task = DocPath::new("task-1.md").expect("a path");
    assert_eq!(repo.view().read(&contents[&task]).expect("a blob"), b"two\n");
    assert_eq!(
        repo.attributes().content_id(&format!("{FOLDER}/task-1.md"), b"two\n").expect("an id").as_ref(),
        contents.get(&task)
    );
    let history = repo.log().history(&Target::Current, FOLDER, std::slice::from_ref(&task), 10).expect("a history");
    assert_eq!(history.len(), 2);
    assert_eq!((&history[0].revision, history[0].subject.as_str()), (&second, "save"));
    assert_eq!((history[0].author.as_str(), history[0].email.as_str()), ("Uma User", "uma@example.com"));
    assert_eq!(history[0].at.to_string(), "2025-10-17T00:00:00Z");
    assert_eq!(history[0].parents, [history[1].revision.clone()]);
    let (path, before, after) = &history[0].changes[0];
    assert_eq!((path, after.as_ref()), (&task, Some(&contents[&task])));
    assert_eq!(repo.view().read(before.as_ref().expect("a before")).expect("a blob"), b"one\n");
    assert_eq!(history[1].changes[0].1, None);
    assert_eq!(repo.log().history(&Target::Current, FOLDER, &[], 1).expect("a history").len(), 1);
    let all = repo.log().history(&Target::Current, FOLDER, &[], 10).expect("a history");
    assert_eq!(all.iter().map(|commit| commit.changes.len()).collect::<Vec<_>>(), [0, 1, 2]);
});

isolated!(no_identity_is_one_error_with_the_cure, {
    let ground = Ground::new();
    let config = std::env::var_os("GIT_CONFIG_GLOBAL").expect("a configuration");
    fs::write(&config, "").expect("emptied");
    let repo = ground.open();
    let error = ground.try_save(&repo, &[("task-1.md", "one\n")]).expect_err("nobody is there");
    assert!(matches!(error, CommitError::NoIdentity), "{error}");
    let hint = error.hint().expect("a hint");
    assert!(
        hint.contains("git config --global user.name") && hint.contains("git config --global user.email"),
        "{hint}"
    );
    // The same open repository sees the cure.
    ground.git(&["config", "user.name", "Cured"]);
    ground.git(&["config", "user.email", "cured@example.com"]);
    ground.try_save(&repo, &[("task-1.md", "one\n")]).expect("a commit");
    assert_eq!(ground.git(&["log", "-1", "--format=%an"]), "Cured\n");
});

isolated!(a_file_in_the_place_of_the_folder_is_refused, {
    let ground = Ground::new();
    ground.put(".claude", "a file\n");
    ground.git(&["add", ".claude"]);
    ground.git(&["commit", "-qm", "user: in the way"]);
    let repo: Repository = ground.open();
    let plan = plan(Author::User, "x", vec![change("task-1.md", Some("x\n"))]);
    let error = commit(&repo, &Target::Current, &[plan]).expect_err("a file is in the way");
    assert!(error.to_string().contains("`.claude`"), "{error}");
    assert_eq!(ground.status(), "");
});

isolated!(the_environment_names_author_and_committer_as_for_git, {
    let ground = Ground::new();
    if std::env::var_os("GIT_AUTHOR_NAME").is_none() {
        let output = std::process::Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", "shapes::the_environment_names_author_and_committer_as_for_git", "--nocapture"])
            .env("GIT_AUTHOR_NAME", "Ada <Author>")
            .env("GIT_COMMITTER_EMAIL", "carl@example.com")
            .env("TZ", "XYZ-05:30")
            .output()
            .expect("this program runs");
        assert!(output.status.success(), "{}", crate::ground::words(&output));
        return;
    }
    ground.save(&[("task-1.md", "one\n")]);
    let log = ground.git(&["log", "-1", "--format=%an|%ae|%cn|%ce|%ad|%cd", "--date=format:%z"]);
    assert_eq!(log, "Ada Author|uma@example.com|Uma User|carl@example.com|+0530|+0530\n");
    ground.assert_sound();
});
