//! Repositories that keep their objects, branches and index in unusual ways.

use mycelium::git::{Author, CommitDurability, Target};

use crate::ground::{FOLDER, Ground, agent, change, commit, knows_reftable, plan};
use crate::isolated;

fn works(ground: &Ground) {
    ground.save(&[("task-1.md", "one\n"), ("archive/2025-10/task-0.md", "zero\n")]);
    ground.put("staged.txt", "staged\n");
    ground.git(&["add", "staged.txt"]);
    ground.save(&[("task-1.md", "two\n"), ("task-2.md", "two\n")]);
    std::fs::remove_file(ground.root.join(FOLDER).join("task-2.md")).expect("removed");
    let repo = ground.open();
    let gone = plan(agent("cleaner"), "gone", vec![change("task-2.md", None)]);
    commit(&repo, &Target::Current, &[gone]).expect("a commit");
    assert_eq!(ground.status(), "A  staged.txt\n");
    let head = repo.view().head(&Target::Current).expect("a head");
    assert_eq!(repo.view().contents(head.revision.as_ref(), FOLDER).expect("contents").len(), 2);
    assert_eq!(repo.log().history(&Target::Current, FOLDER, &[], 9).expect("a history").len(), 3);
    ground.git(&["commit", "-qm", "user: staged"]);
    assert_eq!(ground.at_head("task-1.md"), "two\n");
    assert_eq!(ground.git(&["show", "--format=", "--name-only", "HEAD"]), "staged.txt\n");
    ground.assert_sound();
}

isolated!(trap_8_branches_in_a_reftable, {
    if !knows_reftable() {
        return;
    }
    let ground = Ground::empty(&["--ref-format=reftable"]);
    works(&ground);
    assert_eq!(ground.git(&["reflog", "-2", "--format=%gs"]), "commit: user: staged\ncommit: gone\n");
    let target = Target::Branch("coordination".to_owned());
    let plans = [plan(Author::User, "apart", vec![change("task-1.md", Some("x\n"))])];
    commit(&ground.open(), &target, &plans).expect("a commit");
    assert_eq!(ground.git(&["log", "--format=%s", "coordination"]), "apart\n");
    let current = Target::Branch("main".to_owned());
    assert!(commit(&ground.open(), &current, &plans).is_err(), "it is checked out");
    ground.git(&["checkout", "-q", "--detach"]);
    ground.save(&[("task-1.md", "detached\n")]);
    assert_eq!(ground.git(&["log", "-1", "--format=%s", "main"]), "user: staged\n");
    ground.assert_sound();
});

isolated!(sha256_objects, {
    works(&Ground::empty(&["--object-format=sha256"]));
});

isolated!(index_versions_and_extensions, {
    for (setting, value, refresh) in [
        ("index.version", "4", &["update-index", "--index-version", "4"][..]),
        ("core.splitIndex", "true", &["update-index", "--split-index"]),
        ("core.untrackedCache", "true", &["update-index", "--untracked-cache"]),
        ("index.skipHash", "true", &["update-index", "--force-write-index"]),
        ("feature.manyFiles", "true", &["update-index", "--force-write-index"]),
    ] {
        let ground = Ground::new();
        ground.git(&["config", setting, value]);
        ground.git(refresh);
        works(&ground);
    }
});

isolated!(sparse_work_trees, {
    for cone in ["--sparse-index", "--no-sparse-index"] {
        let ground = Ground::new();
        for path in ["inside/a.txt", "outside/b.txt", "outside/deep/c.txt"] {
            ground.put(path, path);
        }
        ground.git(&["add", "."]);
        ground.git(&["commit", "-qm", "user: folders"]);
        ground.git(&["sparse-checkout", "set", "--cone", cone, "inside", FOLDER]);
        works(&ground);
        assert!(ground.git(&["ls-files", "-t"]).contains("S outside/"), "still sparse");
    }
});

isolated!(a_folder_outside_of_a_sparse_index, {
    let ground = Ground::new();
    ground.put("inside/a.txt", "a\n");
    ground.git(&["add", "."]);
    ground.git(&["commit", "-qm", "user: folder"]);
    ground.save(&[("task-1.md", "one\n")]);
    ground.git(&["sparse-checkout", "set", "--cone", "--sparse-index", "inside"]);
    let listed = ground.git(&["ls-files", "--sparse"]);
    assert!(listed.contains(".claude/\n"), "{listed}");
    let repo = ground.open();
    let plan = plan(Author::User, "hidden", vec![change("task-1.md", Some("two\n"))]);
    commit(&repo, &Target::Current, &[plan]).expect("a commit");
    assert_eq!(ground.at_head("task-1.md"), "two\n");
    assert_eq!(ground.status(), "");
    assert_eq!(ground.git(&["diff", "--cached"]), "");
    ground.assert_sound();
});

isolated!(every_durability_commits_the_same, {
    for durability in [CommitDurability::Full, CommitDurability::Batch, CommitDurability::Off] {
        let ground = Ground::new();
        let repo = ground.open();
        let base = repo.view().head(&Target::Current).expect("a head").revision;
        ground.put(&format!("{FOLDER}/task-1.md"), "one\n");
        let plans = [plan(Author::User, "one", vec![change("task-1.md", Some("one\n"))])];
        repo.committer().commit(&Target::Current, FOLDER, base.as_ref(), &plans, durability).expect("a commit");
        assert_eq!(ground.status(), "");
        ground.assert_sound();
    }
});

isolated!(line_ends_are_stored_as_git_stores_them, {
    for (attributes, settings) in [
        ("", &[][..]),
        ("", &[("core.autocrlf", "true")]),
        ("", &[("core.autocrlf", "input")]),
        ("* text=auto\n", &[]),
        ("*.md text eol=crlf\n", &[]),
        ("*.md text eol=lf\n*.md ident\n", &[("core.safecrlf", "true")]),
        ("*.md -text\n", &[("core.autocrlf", "true")]),
        ("*.md text working-tree-encoding=UTF-8\n", &[]),
    ] {
        let ground = Ground::new();
        ground.put(".gitattributes", attributes);
        ground.git(&["add", ".gitattributes"]);
        ground.git(&["commit", "-qm", "user: attributes", "--allow-empty"]);
        for (key, value) in settings {
            ground.git(&["config", key, value]);
        }
        let texts: &[&[u8]] = &[b"a\nb\n", b"a\r\nb\r\n", b"a\r\nb\n$Id$\n", b"\0a\r\n", b"caf\xe9\r\n"];
        let repo = ground.open();
        for (number, text) in texts.iter().enumerate() {
            let name = format!("task-{number}.md");
            let path = format!("{FOLDER}/{name}");
            ground.put(&path, text);
            let judge = ground.git(&["hash-object", "--path", &path, &path]);
            let ours = repo.attributes().content_id(&path, text).expect("an id").expect("it is ours to tell");
            assert_eq!(ours.as_str(), judge.trim(), "{attributes} {text:?}");
            let document = mycelium::name::DocPath::new(name).expect("a path");
            let plan = plan(Author::User, "save", vec![(document, Some(text.to_vec()))]);
            commit(&repo, &Target::Current, &[plan]).expect("a commit");
            assert_eq!(ground.status(), "", "{attributes} {settings:?} {text:?}");
        }
        // What git holds with carriage returns stays so under `text=auto`.
        ground.assert_sound();
    }
});

isolated!(changed_attributes_count_at_once, {
    let ground = Ground::new();
    let repo = ground.open();
    let path = format!("{FOLDER}/task-1.md");
    let raw = repo.attributes().content_id(&path, b"a\r\n").expect("an id");
    ground.put(".claude/.gitattributes", "*.md text\n");
    let stored = repo.attributes().content_id(&path, b"a\r\n").expect("an id");
    assert_eq!(stored, repo.attributes().content_id(&path, b"a\n").expect("an id"));
    assert_ne!(stored, raw);
    ground.put(".claude/.gitattributes", "*.md -text  \n");
    assert_eq!(repo.attributes().content_id(&path, b"a\r\n").expect("an id"), raw);
    ground.git(&["config", "core.autocrlf", "true"]);
    std::fs::remove_file(ground.root.join(".claude/.gitattributes")).expect("removed");
    let plan = plan(Author::User, "save", vec![change("task-1.md", Some("a\r\n"))]);
    commit(&repo, &Target::Current, &[plan]).expect("a commit");
    assert_eq!(ground.at_head("task-1.md"), "a\n");
});

isolated!(a_pinned_view_looks_at_attributes_and_configuration_once, {
    let ground = Ground::new();
    let repo = ground.open();
    let path = format!("{FOLDER}/task-1.md");
    let is_kept = || {
        let [raw, stored] =
            [&b"a\r\n"[..], b"a\n"].map(|bytes| repo.attributes().content_id(&path, bytes).expect("an id"));
        raw != stored
    };
    let pinned = repo.pin().expect("a view");
    assert!(is_kept());
    ground.put(".gitattributes", "*.md text\n");
    ground.git(&["config", "core.autocrlf", "input"]);
    assert!(is_kept(), "there is one look");
    pinned.renew().expect("renewed");
    assert!(!is_kept(), "the attributes count");
    drop(pinned);
    std::fs::remove_file(ground.root.join(".gitattributes")).expect("removed");
    assert!(!is_kept(), "the configuration counts");
    ground.git(&["config", "--unset", "core.autocrlf"]);
    assert!(is_kept(), "without a view every reading looks");
});

isolated!(a_reference_is_read_whatever_its_file_is_like, {
    let ground = Ground::new();
    let first = ground.git(&["rev-parse", "HEAD"]);
    let first = first.trim();
    let (file, branch) = (ground.root.join(".git/refs/heads/side"), Target::Branch("side".to_owned()));
    let head = || ground.open().view().head(&branch).expect("a head").revision;
    assert_eq!(head(), None);
    for text in
        [format!("{first}\n"), first.to_owned(), format!("{first}\n\n"), format!("{first}\n{}", " ".repeat(2_000))]
    {
        std::fs::write(&file, &text).expect("written");
        assert_eq!(head().expect("a commit").as_str(), first, "{text:?}");
    }
    ground.git(&["pack-refs", "--all"]);
    assert_eq!(head().expect("a commit").as_str(), first, "packed");
    std::fs::write(&file, "ref: refs/heads/../../x\n").expect("written");
    ground.open().view().head(&branch).expect_err("a name that cannot be one");
});

isolated!(a_repository_shared_by_a_group_stays_shared, {
    let ground = Ground::empty(&["--shared=group"]);
    ground.save(&[("task-1.md", "one\n")]);
    ground.git(&["pack-refs", "--all"]);
    ground.save(&[("task-1.md", "two\n"), ("archive/2025-10/task-0.md", "zero\n")]);
    let find = |kind: &str, mode: &str| {
        let places = [".git/objects", ".git/refs/heads", ".git/index", ".git/mycelium"];
        let output = std::process::Command::new("find")
            .args(places)
            .args(["-type", kind, "!", "-perm", mode, "!", "-path", "*/objects/*/*", "!", "-name", "durable"])
            .current_dir(&ground.root)
            .output()
            .expect("find");
        crate::ground::words(&output)
    };
    assert_eq!((find("d", "-2070"), find("f", "-0060")), (String::new(), String::new()));
});

isolated!(one_open_repository_lives_through_many_packs, {
    let ground = Ground::new();
    ground.git(&["config", "gc.auto", "0"]);
    let repo = ground.open();
    for number in 0..150 {
        ground.put("u.txt", format!("{number}\n"));
        ground.git(&["commit", "-qam", "user: more"]);
        ground.git(&["repack", "-dq"]);
        ground.try_save(&repo, &[("task-1.md", &format!("{number}\n"))]).expect("a commit");
        let head = repo.view().head(&Target::Current).expect("a head").revision;
        assert_eq!(repo.view().contents(head.as_ref(), FOLDER).expect("contents").len(), 1);
    }
    ground.assert_sound();
});
