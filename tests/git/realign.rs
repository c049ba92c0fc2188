//! An index that a program of the user's wrote back as it was before a commit of ours: entries of documents follow HEAD again,
//! and what a person did on purpose stays.

use std::fs;

use mycelium::git::CommitDurability;

use crate::ground::{FOLDER, Ground, agent, change, must_fail, plan};
use crate::isolated;

/// What a program does that reads the index, takes its time, and writes it back: libgit2, as in `gitui`, looks like this, and
/// no program of that kind is sure to be on the machine. Nothing shows that it is under way.
struct SlowWriter {
    index: Vec<u8>,
}

impl SlowWriter {
    fn read(ground: &Ground) -> Self {
        Self { index: fs::read(ground.root.join(".git/index")).expect("an index") }
    }

    fn write(self, ground: &Ground) {
        let lock = ground.root.join(".git/index.lock");
        fs::write(&lock, self.index).expect("a lock");
        fs::rename(lock, ground.root.join(".git/index")).expect("an index");
    }
}

/// Documents and a file of the user's.
fn with_documents() -> Ground {
    let ground = Ground::new();
    ground.put("u.txt", "one\n");
    ground.git(&["add", "u.txt"]);
    ground.git(&["commit", "-qm", "user: a file"]);
    ground.save(&[("task-1.md", "one\n"), ("task-2.md", "one\n"), ("archive/2025-10/task-3.md", "one\n")]);
    ground
}

fn realign(ground: &Ground) -> usize {
    ground.open().index().realign(FOLDER).expect("the index can be read")
}

/// What the index says differs from HEAD, by name.
fn staged(ground: &Ground) -> String {
    ground.git(&["diff", "--cached", "--name-status", "--no-renames"])
}

isolated!(an_old_index_does_not_take_documents_back, {
    let ground = with_documents();
    ground.put("u.txt", "staged\n");
    ground.git(&["add", "u.txt"]);
    let writer = SlowWriter::read(&ground);
    ground.save(&[("task-1.md", "two\n")]);
    ground.save(&[("task-1.md", "three\n"), ("task-new.md", "one\n"), ("archive/2025-10/task-3.md", "two\n")]);
    let repo = ground.open();
    let base = repo.view().head(&mycelium::git::Target::Current).expect("a head").revision;
    fs::remove_file(ground.root.join(FOLDER).join("task-2.md")).expect("a document");
    let removal = plan(agent("bob"), "remove", vec![change("task-2.md", None)]);
    repo.committer()
        .commit(&mycelium::git::Target::Current, FOLDER, base.as_ref(), &[removal], CommitDurability::Full)
        .expect("a commit");
    writer.write(&ground);
    assert_eq!(staged(&ground).lines().count(), 5, "the index went back:\n{}", staged(&ground));
    assert_eq!(realign(&ground), 4);
    assert_eq!(staged(&ground), "M\tu.txt\n");
    assert_eq!(ground.status(), "M  u.txt\n");
    assert_eq!(realign(&ground), 0);
    ground.git(&["commit", "-qm", "user: next"]);
    assert_eq!(ground.git(&["show", "--format=", "--name-only", "HEAD"]), "u.txt\n");
    assert_eq!(ground.at_head("task-1.md"), "three\n");
    ground.assert_sound();
});

#[test]
fn an_index_that_stays_old_is_noticed() {
    must_fail("no-realign", "git::realign::an_old_index_does_not_take_documents_back");
}

isolated!(a_file_that_has_gone_on_shows_as_changed, {
    let ground = with_documents();
    let writer = SlowWriter::read(&ground);
    ground.save(&[("task-1.md", "two\n")]);
    writer.write(&ground);
    ground.put(&format!("{FOLDER}/task-1.md"), "three\n");
    assert_eq!(realign(&ground), 1);
    assert_eq!(ground.status(), format!(" M {FOLDER}/task-1.md\n"));
});

isolated!(what_a_person_staged_stays_staged, {
    let ground = with_documents();
    ground.save(&[("task-1.md", "two\n"), ("task-2.md", "two\n")]);
    let task = |number: usize| format!("{FOLDER}/task-{number}.md");
    // Text that was never committed, an older version in index and file alike, a removal.
    ground.put(&task(1), "by hand\n");
    ground.git(&["add", &task(1)]);
    ground.git(&["checkout", "-q", "HEAD~1", "--", &task(2)]);
    ground.git(&["rm", "-q", &format!("{FOLDER}/archive/2025-10/task-3.md")]);
    let before = (staged(&ground), ground.git(&["ls-files", "-s"]));
    assert_eq!(before.0.lines().count(), 3, "{}", before.0);
    assert_eq!(realign(&ground), 0);
    assert_eq!((staged(&ground), ground.git(&["ls-files", "-s"])), before);
    // The same beside an entry that went back.
    let writer = SlowWriter::read(&ground);
    ground.save(&[("task-4.md", "one\n")]);
    writer.write(&ground);
    assert_eq!(realign(&ground), 1);
    assert_eq!(staged(&ground), before.0);
});

isolated!(a_version_that_a_person_replaced_is_theirs_to_stage, {
    let ground = with_documents();
    // A commit of theirs, with a file of theirs.
    let task = format!("{FOLDER}/task-1.md");
    ground.put(&task, "by hand\n");
    ground.put("u.txt", "two\n");
    ground.git(&["commit", "-qam", "user: both"]);
    ground.git(&["restore", "--staged", "--source=HEAD~1", &task]);
    assert_eq!(staged(&ground), format!("M\t{task}\n"));
    assert_eq!(realign(&ground), 0);
    assert_eq!(staged(&ground), format!("M\t{task}\n"));
});

isolated!(documents_that_a_person_untracks_stay_untracked, {
    let ground = with_documents();
    let writer = SlowWriter::read(&ground);
    // Far enough back that no commit of ours is found that made them.
    let old = ground.git(&["commit-tree", "-m", "a root of its own", "HEAD^{tree}"]);
    ground.git(&["reset", "-q", "--soft", old.trim()]);
    ground.put("u.txt", "two\n");
    ground.git(&["commit", "-qam", "user: on"]);
    drop(writer);
    ground.save(&[("task-new.md", "one\n")]);
    ground.git(&["rm", "-q", "-r", "--cached", FOLDER]);
    let before = staged(&ground);
    assert_eq!(realign(&ground), 0, "{before}");
    assert_eq!(staged(&ground), before);
    // One that was made just now, and that git is to ignore.
    ground.git(&["reset", "-q"]);
    ground.put(".gitignore", "/.claude/coordination/task-new.md\n");
    ground.git(&["rm", "-q", "--cached", &format!("{FOLDER}/task-new.md")]);
    assert_eq!(realign(&ground), 0);
    assert_eq!(staged(&ground), format!("D\t{FOLDER}/task-new.md\n"));
});

isolated!(nothing_is_set_while_git_is_in_the_middle_of_something, {
    let ground = with_documents();
    let writer = SlowWriter::read(&ground);
    ground.save(&[("task-1.md", "two\n")]);
    writer.write(&ground);
    let git_dir = ground.root.join(".git");
    for mark in ["index.lock", "MERGE_HEAD"] {
        fs::write(git_dir.join(mark), ground.git(&["rev-parse", "HEAD"])).expect("a mark");
        assert_eq!(realign(&ground), 0, "{mark}");
        fs::remove_file(git_dir.join(mark)).expect("the mark");
    }
    assert_eq!(realign(&ground), 1);
    assert_eq!(ground.status(), "");
});

isolated!(an_index_that_is_known_is_not_read_again, {
    let ground = with_documents();
    assert!(!ground.open().index().is_index_aligned());
    realign(&ground);
    assert!(ground.open().index().is_index_aligned());
    // What a commit of ours makes of it is known too, what git writes is not.
    ground.save(&[("task-1.md", "two\n")]);
    assert!(ground.open().index().is_index_aligned());
    ground.put("u.txt", "two\n");
    ground.git(&["add", "u.txt"]);
    assert!(!ground.open().index().is_index_aligned());
});
