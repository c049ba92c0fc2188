//! What is taken as a repository and what is refused.

use std::fs;
use std::os::unix::fs::MetadataExt;

use mycelium::git::{GitError, Repository, Target, Trouble};

use crate::ground::{Ground, cannot_run, change, commit, plan};
use crate::isolated;
use mycelium::problem::Problem;

fn refused(ground: &Ground, at: &str) -> GitError {
    let error = Repository::discover(&ground.root.join(at)).expect_err("refused");
    assert_eq!(error.trouble(), Trouble::Unsafe, "{error}");
    assert!(error.hint().is_some());
    error
}

isolated!(outside_of_git_there_is_no_repository, {
    let home = std::env::var("HOME").expect("a home");
    assert!(Repository::discover(home.as_ref()).expect("a look").is_none());
});

isolated!(the_enclosing_repository_is_found_from_below, {
    let ground = Ground::new();
    ground.put("deep/er/file", "");
    let repo = Repository::discover(&ground.root.join("deep/er")).expect("a look").expect("a repository");
    let root = ground.root.canonicalize().expect("a path");
    assert_eq!((repo.work_tree(), repo.git_dir()), (root.as_path(), root.join(".git").as_path()));
    // A relative start gives absolute folders, which hold when the process goes elsewhere.
    std::env::set_current_dir(ground.root.join("deep")).expect("a folder");
    let repo = Repository::discover("er".as_ref()).expect("a look").expect("a repository");
    std::env::set_current_dir("/").expect("a folder");
    assert_eq!((repo.work_tree(), repo.git_dir()), (root.as_path(), root.join(".git").as_path()));
    ground.git(&["config", "user.name", "Changed"]);
    ground.try_save(&repo, &[("task-1.md", "one\n")]).expect("a commit");
    assert_eq!(ground.git(&["log", "-1", "--format=%an"]), "Changed\n");
});

isolated!(bare_repositories_are_refused, {
    let ground = Ground::empty(&["--bare"]);
    assert!(refused(&ground, ".").to_string().contains("bare"));
    let outer = Ground::new();
    outer.git(&["init", "-q", "--bare", "inner"]);
    refused(&outer, "inner");
    // One that claims a work tree is what an attacker would put into a repository.
    fs::write(outer.root.join("inner/config"), "[core]\n\tbare = false\n\tworktree = \"..\"\n")
        .expect("a configuration");
    refused(&outer, "inner");
});

isolated!(a_repository_of_somebody_else_is_refused_unless_the_user_trusts_it, {
    let ground = Ground::new();
    let is_root = fs::metadata("/proc/self").expect("a process").uid() == 0;
    if !is_root {
        return cannot_run("a_repository_of_somebody_else", "it needs root, to give a repository away");
    }
    for path in [".git", "."] {
        let path = ground.root.join(path);
        let before = fs::metadata(&path).expect("a folder").uid();
        std::os::unix::fs::chown(&path, Some(12_345), None).expect("another owner");
        // A repository's own word about its safety does not count.
        fs::write(ground.root.join(".git/config"), "[safe]\n\tdirectory = *\n").expect("a configuration");
        assert!(refused(&ground, ".").to_string().contains("another user"));
        ground.git(&["config", "--global", "--add", "safe.directory", &ground.root.display().to_string()]);
        Repository::discover(&ground.root).expect("trusted").expect("a repository");
        ground.git(&["config", "--global", "--unset-all", "safe.directory"]);
        std::os::unix::fs::chown(&path, Some(before), None).expect("the owner");
    }
});

isolated!(unknown_formats_are_refused, {
    let ground = Ground::new();
    let config = ground.text(".git/config");
    fs::write(
        ground.root.join(".git/config"),
        config.replace("repositoryformatversion = 0", "repositoryformatversion = 1")
            + "[extensions]\n\tnewfangled = true\n",
    )
    .expect("a configuration");
    assert!(refused(&ground, ".").to_string().contains("`newfangled`"));
});

isolated!(submodules_are_repositories_of_their_own, {
    let inner = Ground::new();
    let ground = Ground::new();
    let from = inner.root.display().to_string();
    ground.git(&["-c", "protocol.file.allow=always", "submodule", "add", "-q", &from, "module"]);
    ground.git(&["commit", "-qm", "user: submodule"]);
    let module = Ground::at(ground.root.join("module"));
    module.save(&[("task-1.md", "one\n")]);
    assert_eq!(module.status(), "");
    assert_eq!(ground.git(&["diff", "--cached"]), "");
    ground.save(&[("task-2.md", "two\n")]);
    assert_eq!(ground.status(), " M module\n");
    module.assert_sound();
    ground.assert_sound();
});

isolated!(git_dir_of_the_environment_is_honoured_as_git_does, {
    if std::env::var_os("GIT_DIR").is_none() {
        let (ground, other) = (Ground::new(), Ground::new());
        // Once more in a process that has the variables.
        let output = std::process::Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", "discover::git_dir_of_the_environment_is_honoured_as_git_does", "--nocapture"])
            .env("GIT_DIR", ground.root.join(".git"))
            .env("GIT_WORK_TREE", &ground.root)
            .env("MYCELIUM_TEST_OTHER", &other.root)
            .output()
            .expect("this program runs");
        assert!(output.status.success(), "{}", crate::ground::words(&output));
        assert_eq!(ground.git(&["log", "-1", "--format=%s"]), "elsewhere\n");
        return;
    }
    let start = std::env::var("MYCELIUM_TEST_OTHER").expect("a folder");
    let repo = Repository::discover(start.as_ref()).expect("a look").expect("a repository");
    let plan = plan(mycelium::git::Author::User, "elsewhere", vec![change("task-1.md", Some("x\n"))]);
    commit(&repo, &Target::Current, &[plan]).expect("a commit");
});
