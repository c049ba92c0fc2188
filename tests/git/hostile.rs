//! A repository that wants to run programs: none is started, whatever its configuration, attributes and hooks say.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use mycelium::git::{Author, CommitError, Maintained, Target};

use crate::ground::{FOLDER, Ground, cannot_run, change, commit, has, knows_reftable, plan};
use crate::isolated;
use crate::programs::PROGRAMS;

/// Commands of ours that an alias of the repository may try to stand in for.
const ALIASES: [&str; 2] = ["alias.log", "alias.update-ref"];

/// A repository full of canaries; the file that they write to.
fn hostile(options: &[&str]) -> (Ground, std::path::PathBuf) {
    let ground = Ground::empty(options);
    let home = std::path::PathBuf::from(std::env::var_os("HOME").expect("a home"));
    let (canary, sung) = (home.join("canary"), home.join("sung"));
    let script = format!("#!/bin/sh\necho \"$0 $*\" >> '{}'\ncat\n", sung.display());
    fs::write(&canary, &script).expect("a canary");
    fs::set_permissions(&canary, fs::Permissions::from_mode(0o755)).expect("a canary");
    for key in PROGRAMS.into_iter().chain(ALIASES) {
        let value =
            if key.starts_with("alias.") { format!("!{}", canary.display()) } else { canary.display().to_string() };
        ground.git(&["config", key, &value]);
    }
    let hooks = home.join("hooks");
    fs::create_dir(&hooks).expect("a folder");
    for hook in [
        "pre-commit",
        "post-commit",
        "reference-transaction",
        "post-index-change",
        "commit-msg",
        "prepare-commit-msg",
        "pre-auto-gc",
    ] {
        fs::copy(&canary, hooks.join(hook)).expect("a hook");
        fs::create_dir_all(ground.root.join(".git/hooks")).expect("a folder");
        fs::copy(&canary, ground.root.join(".git/hooks").join(hook)).expect("a hook");
    }
    ground.git(&["config", "core.hooksPath", &hooks.display().to_string()]);
    ground.put(".gitattributes", "*.md filter=evil diff=evil\n");
    ground.put(".git/info/attributes", "*.md filter=evil diff=evil\n");
    (ground, sung)
}

isolated!(no_program_of_the_repository_is_started, {
    let reftable: &[&str] = &["--ref-format=reftable"];
    let kinds = [&[][..], reftable];
    for options in if knows_reftable() { &kinds[..] } else { &kinds[..1] } {
        let (ground, sung) = hostile(options);
        let repo = ground.open();
        for text in ["one\n", "two\n"] {
            ground.put(&format!("{FOLDER}/task-1.md"), text);
            commit(&repo, &Target::Current, &[plan(Author::User, "x", vec![change("task-1.md", Some(text))])])
                .expect("a commit");
        }
        let other = Target::Branch("apart".to_owned());
        commit(&repo, &other, &[plan(Author::User, "x", vec![change("task-1.md", Some("x\n"))])]).expect("a commit");
        let many = (0..120).map(|n| change(&format!("task-many-{n}.md"), Some(&format!("{n}\n")))).collect();
        commit(&repo, &other, &[plan(Author::User, "x", many)]).expect("a commit of a pack");
        assert!(ground.git(&["-c", "core.fsmonitor=false", "count-objects", "-v"]).contains("\npacks: 1\n"));
        assert_eq!(repo.maintain(1).expect("maintenance"), Maintained::Done);
        repo.busy().expect("a look");
        repo.is_ignored("x").expect("rules");
        repo.content_id(&format!("{FOLDER}/task-1.md"), b"x\n").expect("an id");
        let head = repo.head(&Target::Current).expect("a head");
        assert_eq!(repo.contents(head.revision.as_ref(), FOLDER).expect("contents").len(), 1);
        assert_eq!(repo.history(&Target::Current, FOLDER, &[], 9).expect("a history").len(), 2);
        assert_eq!(repo.external_filter(&format!("{FOLDER}/task-1.md")).expect("attributes").as_deref(), Some("evil"));
        assert_eq!(fs::read_to_string(&sung).unwrap_or_default(), "");
        // The canaries do sing for a plain git.
        ground.try_git(&["status"]);
        assert!(sung.exists(), "the canaries are dead: this test shows nothing");
        fs::remove_file(sung).expect("the song");
        fs::remove_dir_all(std::path::Path::new(&std::env::var("HOME").expect("a home")).join("hooks")).expect("hooks");
    }
});

isolated!(signing_uses_the_users_programs_and_keys_only, {
    if !has("ssh-keygen") {
        return cannot_run("signing", "ssh-keygen is not here (apt-get install openssh-client)");
    }
    let (ground, sung) = hostile(&[]);
    let home = std::path::PathBuf::from(std::env::var_os("HOME").expect("a home"));
    let key = home.join("key");
    let made =
        std::process::Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key).status();
    assert!(made.is_ok_and(|made| made.success()), "a key");
    ground.git(&["config", "commit.gpgSign", "true"]);
    ground.git(&["config", "gpg.format", "ssh"]);
    ground.git(&["config", "user.signingKey", "/nowhere"]);
    let error = ground.try_save(&ground.open(), &[("task-1.md", "one\n")]).expect_err("the user has no key");
    assert!(matches!(error, CommitError::Signing(_)), "{error}");
    assert!(error.hint().is_some_and(|hint| hint.contains("user.signingKey")));
    ground.git(&["config", "--global", "gpg.format", "ssh"]);
    ground.git(&["config", "--global", "user.signingKey", "~/key"]);
    ground.save(&[("task-1.md", "one\n")]);
    let public = fs::read_to_string(home.join("key.pub")).expect("a key");
    fs::write(home.join("allowed"), format!("uma@example.com {public}")).expect("a list");
    let allowed = format!("gpg.ssh.allowedSignersFile={}", home.join("allowed").display());
    assert_eq!(fs::read_to_string(&sung).unwrap_or_default(), "", "a program of the repository was started");
    ground.git(&["-c", &allowed, "-c", "gpg.ssh.program=ssh-keygen", "verify-commit", "HEAD"]);
    // A program that fails makes no commit.
    let before = ground.git(&["rev-parse", "HEAD"]);
    ground.git(&["config", "--global", "gpg.ssh.program", "/bin/false"]);
    let error = ground.try_save(&ground.open(), &[("task-1.md", "two\n")]).expect_err("it cannot be signed");
    assert!(matches!(error, CommitError::Signing(_)), "{error}");
    assert_eq!(ground.git(&["rev-parse", "HEAD"]), before);
});
