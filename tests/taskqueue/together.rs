//! Two bridges on one file and another client, all three at work at the same time.

use std::collections::BTreeSet;
use std::thread;

use mycelium::taskqueue::{ItemStatus, NewItem, TaskQueueError, Update};

use crate::clone::{History, TestClone};
use crate::other::Other;
use crate::server::{PATIENCE, Server};

/// How often it is played.
const ROUNDS: usize = 3;
/// Tasks that another client works on, and that each clone edits.
const EACH: usize = 8;
/// Passes of each clone after the last change, until nothing is left to do.
const PASSES_MAX: usize = 2;

fn id(number: usize) -> String {
    format!("task-{number}")
}

fn begun() -> Update {
    Update { status: Some(ItemStatus::InProgress), ..Update::default() }
}

fn new(title: String) -> NewItem {
    NewItem { title, description: "please".to_owned(), rule_recommendations: String::new() }
}

/// What another client does in our project and in one of its own. A server may lose what another one writes at the same time: whoever
/// uses it has to look, and to do it again. Returns how much it had to do again.
fn work(other: &mut Other, ours: &str, theirs: &str) -> usize {
    let mut again = 0;
    for number in 0..EACH {
        let (begin, made) = (format!("[{}]", id(number)), format!("Look at {number}"));
        for attempt in 0.. {
            assert!(attempt < 20, "it is lost each time");
            let items = other.0.project(ours, PATIENCE).expect("a project").tasks;
            let own = other.0.project(theirs, PATIENCE).expect("a project").tasks;
            let item = items.iter().find(|item| item.title.contains(&begin));
            let is_begun = item.is_some_and(|item| item.status == ItemStatus::InProgress);
            let is_made = items.iter().any(|item| item.title.contains(&made));
            let is_own = own.iter().any(|item| item.title == made);
            if is_begun && is_made && is_own {
                break;
            }
            again += usize::from(attempt > 0);
            // A mirror may show it anew at this moment.
            if let Some(item) = item.filter(|_| !is_begun) {
                let done = other.0.update(ours, &item.id, &begun(), PATIENCE);
                assert!(matches!(done, Ok(_) | Err(TaskQueueError::Refused { .. })), "{done:?}");
            }
            if !is_made {
                other.0.add(ours, &[new(made.clone())], PATIENCE).expect("an item");
            }
            if !is_own {
                other.0.add(theirs, &[new(made.clone())], PATIENCE).expect("an item");
            }
        }
    }
    again
}

#[test]
fn two_bridges_and_another_client_at_once_are_alike_two_passes_after_the_last_change() {
    let most = (0..ROUNDS).map(|_| round()).max().expect("rounds");
    println!("at most {most} passes of each clone after the last change");
    assert!(most <= PASSES_MAX, "{most} passes after the last change");
}

/// Plays it once. Returns how many passes there were after the last change.
fn round() -> usize {
    let server = Server::real_or_stand_in("three at once");
    let history = History::default();
    let (mut one, mut two) = (TestClone::new(&server, &history), TestClone::new(&server, &history));
    for number in 0..3 * EACH {
        let id = id(number);
        one.put(&id, &format!("---\nid: {id}\ntype: build\nstatus: pending\n---\n\n# {id}\n\nDo it 0 times.\n"));
    }
    one.settle();
    TestClone::exchange(&mut one, &mut two);
    two.settle();
    let mut other = Other::new(&server);
    let ours = other.project();
    let theirs = other.0.create_project("somebody else's", PATIENCE).expect("a project");
    let edit = |clone: &mut TestClone<'_>, first: usize| {
        for number in 0..EACH {
            clone.edit(&id(first + number), "0 times", "many times");
            clone.pass().expect("a pass");
        }
    };
    let mut again = thread::scope(|scope| {
        scope.spawn(|| edit(&mut one, EACH));
        scope.spawn(|| edit(&mut two, 2 * EACH));
        work(&mut other, &ours, &theirs)
    });
    // What was lost by the end: the last changes.
    again += work(&mut other, &ours, &theirs);
    let mut passes = 0;
    loop {
        TestClone::exchange(&mut one, &mut two);
        // Not one after the other: each may have something to do.
        let is_quiet = [one.is_quiet(), two.is_quiet()];
        if is_quiet == [true; 2] {
            break;
        }
        passes += 1;
        assert!(passes < 10, "there is no end");
    }
    println!("{passes} passes of each clone; the other client had to repeat itself {again} times");
    let items = other.0.project(&ours, PATIENCE).expect("a project").tasks;
    let titles: BTreeSet<&str> = items.iter().map(|item| item.title.as_str()).collect();
    assert_eq!((items.len(), titles.len()), (4 * EACH, 4 * EACH), "each task is shown once: {titles:?}");
    for number in 0..3 * EACH {
        let item = items.iter().find(|item| item.title.contains(&format!("[{}]", id(number)))).expect("an item");
        let texts = [one.text(&id(number)), two.text(&id(number))].map(|text| text.expect("a file"));
        assert_eq!(texts[0], texts[1]);
        let (status, word) = if number < EACH {
            (ItemStatus::InProgress, "status: running")
        } else {
            (ItemStatus::NotStarted, "many times")
        };
        assert!(texts[0].contains(word), "{}", texts[0]);
        assert_eq!(item.status, status, "{item:?}");
        assert!(number < EACH || item.description.contains("many times"), "{item:?}");
    }
    assert_eq!((one.ids().len(), two.ids().len()), (4 * EACH, 4 * EACH));
    assert_eq!(other.0.project(&theirs, PATIENCE).expect("a project").tasks.len(), EACH);
    passes
}
