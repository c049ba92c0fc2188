//! A repository that wants to run programs: none is started, whatever its configuration, attributes and hooks say.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use mycelium::git::{Author, CommitError, Maintained, Target, ViewGap};

use crate::ground::{FOLDER, Ground, cannot_run, change, commit, has, knows_reftable, plan};
use crate::isolated;
use crate::programs::PROGRAMS;
use mycelium::problem::Problem;

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
    ground.put(".gitattributes", "*.md diff=evil\n*.txt filter=evil\nsecret-*.md filter=evil\n");
    ground.put(".git/info/attributes", "*.md diff=evil\n*.txt filter=evil\nsecret-*.md filter=evil\n");
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
        assert_eq!(repo.pack_upkeep().maintain(1).expect("maintenance"), Maintained::Done);
        repo.view().busy().expect("a look");
        repo.ignore_rules().is_ignored("x").expect("rules");
        repo.attributes().content_id(&format!("{FOLDER}/task-1.md"), b"x\n").expect("an id");
        let head = repo.view().head(&Target::Current).expect("a head");
        assert_eq!(repo.view().contents(head.revision.as_ref(), FOLDER).expect("contents").len(), 1);
        assert_eq!(repo.log().history(&Target::Current, FOLDER, &[], 9).expect("a history").len(), 2);
        let secret = format!("{FOLDER}/secret-1.md");
        assert_eq!(
            repo.attributes().attribute_gap(&secret).expect("attributes"),
            Some(ViewGap::Filter("evil".to_owned()))
        );
        assert_eq!(repo.attributes().content_id(&secret, b"x\n").expect("attributes"), None);
        let secret = plan(Author::User, "x", vec![change("secret-1.md", Some("x\n"))]);
        let refused = commit(&repo, &Target::Current, &[secret]).expect_err("only git can store it");
        assert!(refused.to_string().contains("filter `evil`"), "{refused}");
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

isolated!(a_command_of_the_user_may_name_the_key_to_sign_with, {
    if !has("ssh-keygen") || !has("ssh-agent") {
        return cannot_run("signing with a key of an agent", "ssh-agent is not here (apt-get install openssh-client)");
    }
    let ground = Ground::empty(&[]);
    let home = std::path::PathBuf::from(std::env::var_os("HOME").expect("a home"));
    let key = home.join("key");
    let made =
        std::process::Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key).status();
    assert!(made.is_ok_and(|made| made.success()), "a key");
    ground.git(&["config", "--global", "gpg.format", "ssh"]);
    ground.git(&["config", "--global", "commit.gpgSign", "true"]);
    // The repository's own command is not run.
    ground.git(&["config", "gpg.ssh.defaultKeyCommand", "touch canary"]);
    let refused = |message: &str| {
        let error = ground.try_save(&ground.open(), &[("task-1.md", "one\n")]).expect_err(message);
        let causes = std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source());
        let said = causes.map(ToString::to_string).collect::<Vec<_>>().join(": ");
        assert!(said.contains(message), "{said}");
    };
    refused("user.signingKey or gpg.ssh.defaultKeyCommand must name an SSH key");
    assert!(!ground.status().contains("canary"), "a command of the repository was run");
    for (command, message) in [("false", "ended with exit status: 1"), ("echo none", "printed no SSH key")] {
        ground.git(&["config", "--global", "gpg.ssh.defaultKeyCommand", command]);
        refused(message);
    }
    // A key that is printed is one of an agent; without an agent it cannot be used, and nothing is committed unsigned.
    ground.git(&[
        "config",
        "--global",
        "gpg.ssh.defaultKeyCommand",
        &format!("cat {}", home.join("key.pub").display()),
    ]);
    let error = ground.try_save(&ground.open(), &[("task-1.md", "one\n")]).expect_err("there is no agent");
    assert!(matches!(error, CommitError::Signing(_)), "{error}");
    // A program in its place shows which key is handed over.
    let program = home.join("sign");
    fs::write(&program, "#!/bin/sh\nfor last; do :; done\nprintf '%s\\n' \"$@\" > \"$HOME/asked\"\nprintf 'signature' > \"$last.sig\"\n")
        .expect("a program");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("a mode");
    ground.git(&["config", "--global", "gpg.ssh.program", &program.display().to_string()]);
    ground.save(&[("task-1.md", "one\n")]);
    let asked = fs::read_to_string(home.join("asked")).expect("it was asked");
    assert!(asked.lines().any(|word| word == "-U"), "the key is one of an agent: {asked}");
});

isolated!(answers_do_not_depend_on_the_configuration_of_the_repository, {
    let ground = Ground::empty(&[]);
    ground.save(&[("task-1.md", "one\n"), ("task-2.md", "one\n")]);
    ground.save(&[("task-1.md", "two\n")]);
    ground.put(".gitmodules", "[submodule \"sub\"]\n\tpath = sub\n\turl = ./sub\n\tignore = all\n");
    ground.git(&["add", ".gitmodules"]);
    let head = ground.git(&["rev-parse", "HEAD"]);
    ground.git(&["update-index", "--add", "--cacheinfo", &format!("160000,{},sub", head.trim())]);
    ground.git(&["commit", "-qm", "a submodule"]);
    let answers = || {
        let repo = ground.open();
        let target = Target::Current;
        let tip = repo.view().head(&target).expect("a head").revision.expect("a commit");
        let since = mycelium::time::Timestamp::from_unix_ms(0);
        let path = mycelium::name::DocPath::new("task-1.md").expect("a path");
        let all = repo.log().history(&target, FOLDER, &[], 9).expect("a history");
        let one = repo.log().history(&target, FOLDER, std::slice::from_ref(&path), 9).expect("a history");
        let changed = repo.log().changed_since(&target, FOLDER, since).expect("changes");
        let ahead = repo.log().ahead(None, &tip, None, FOLDER).expect("a comparison");
        let other = repo.log().other_changes(None, Some(&tip), FOLDER).expect("a comparison");
        let came = repo.log().came(None, &tip, None, FOLDER).expect("a comparison").len();
        (all, one, changed, ahead, other, came)
    };
    let expected = answers();
    assert_eq!((expected.0.len(), expected.1.len(), expected.2.len()), (2, 2, 2));
    assert!(expected.3.1.contains(&"sub".to_owned()) && expected.4.contains(&"sub".to_owned()), "{expected:?}");
    for (key, value) in [
        ("diff.orderFile", "/nowhere"),
        ("diff.ignoreSubmodules", "all"),
        ("diff.relative", "true"),
        ("diff.noPrefix", "true"),
        ("diff.renames", "copies"),
        ("diff.submodule", "log"),
        ("diff.external", "/nowhere"),
        ("diff.dirstat", "0,cumulative"),
        ("log.date", "nonsense"),
        ("log.follow", "true"),
        ("log.showRoot", "false"),
        ("log.diffMerges", "off"),
        ("log.mailmap", "true"),
        ("log.decorate", "full"),
        ("log.abbrevCommit", "true"),
        ("format.pretty", "oneline"),
        ("format.notes", "true"),
        ("color.ui", "always"),
        ("color.diff", "always"),
        ("core.abbrev", "4"),
        ("core.quotePath", "false"),
        ("core.pager", "/nowhere"),
        ("i18n.logOutputEncoding", "latin1"),
        ("notes.displayRef", "refs/notes/*"),
        ("submodule.sub.ignore", "all"),
    ] {
        ground.git(&["config", key, value]);
        assert_eq!(answers(), expected, "{key}={value}");
        ground.git(&["config", "--unset", key]);
    }
});
