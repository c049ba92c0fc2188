//! A server that is slow, hung, gone, corrupt or of another kind: commands work as without it, and it comes back by itself.

use std::fs;
use std::time::{Duration, Instant, SystemTime};

use crate::other::Other;
use crate::place::{Place, eventually};
use crate::server::Server;
use crate::stand_in::{self, Faults, Fork, Point, When};

/// How long a few commands take, and that they work.
fn commands(place: &Place, n: usize) -> Duration {
    let began = Instant::now();
    let id = format!("task-cost-{n}");
    place.create(&id, &[]);
    let _ = place.run(&["task", "claim", &id, "--as", "ann"]);
    let _ = place.run(&["task", "list"]);
    let _ = place.run(&["status"]);
    began.elapsed()
}

#[test]
fn whatever_the_server_does_commands_work_on_the_files() {
    let none = Faults::default;
    let hangs = Some(Point { call: 1, when: When::Before });
    let cases = [
        ("never initializes", Faults { never_initializes: true, ..none() }),
        ("hangs", Faults { hangs, ..none() }),
        ("exits", Faults { exits_at_once: true, ..none() }),
        ("slow", Faults { start_delay: Duration::from_secs(3), call_delay: Duration::from_millis(500), ..none() }),
    ];
    for (name, faults) in cases {
        let server = Server::stand_in(&faults);
        let place = Place::new(&server);
        place.create("task-1", &[]);
        let _watching = place.watch();
        let took = (0..3).map(|n| commands(&place, n)).min().expect("three");
        // Generous: a build for tests on a machine that does other things. What a server takes is many times more.
        assert!(took < Duration::from_secs(2), "{name}: {took:?}");
        assert!(place.task("task-cost-2").contains("claimed_by: ann"), "{name}");
        if name != "slow" {
            eventually("a reason", || place.state().0 == "down" && !place.state().1.is_empty());
            assert_eq!(place.mode(), "markdown", "{name}");
            // It is one again: the bridge goes on by itself.
            server.heal();
        }
        eventually("live again", || place.state().0 == "live");
        eventually("all there", || server.file().exists() && server.text().contains("[task-cost-2]"));
    }
}

#[test]
fn a_watcher_whose_server_hangs_stops_at_once() {
    let hangs = Some(Point { call: 2, when: When::Before });
    let server = Server::stand_in(&Faults { hangs, ..Faults::default() });
    let place = Place::new(&server);
    place.create("task-1", &[]);
    let watching = place.watch();
    // It waits for the answer to its second call, for up to 10 s.
    std::thread::sleep(Duration::from_secs(2));
    place.create("task-2", &[]);
    let (is_well, took) = watching.stop();
    assert!(is_well && took < Duration::from_secs(3), "{is_well} {took:?}");
    assert_eq!(place.sandbox.git(&["status", "--short"]), "");
    // The next one goes on.
    server.heal();
    let _watching = place.watch();
    eventually("all there", || server.file().exists() && server.text().contains("[task-2]"));
}

#[test]
fn a_corrupt_file_is_said_to_be_one_and_stays_as_it_is() {
    let server = Server::real_or_stand_in("a corrupt file");
    let place = Place::new(&server);
    place.create("task-1", &[]);
    let _ = place.run(&["bridge", "push"]);
    let _watching = place.watch();
    eventually("live", || place.state().0 == "live");
    let good = server.text();
    fs::write(server.file(), "{\"projects\": [").expect("a file");
    eventually("down", || place.state().0 == "down");
    assert!(place.state().1.contains("refuses"), "{:?}", place.state());
    place.create("task-2", &[]);
    assert_eq!(server.text(), "{\"projects\": [");
    fs::write(server.file(), good).expect("a file");
    eventually("live again", || place.state().0 == "live" && server.text().contains("[task-2]"));
    // Gone, it is made again from the files.
    fs::remove_file(server.file()).expect("a file");
    eventually("made again", || {
        server.file().exists() && server.text().contains("[task-1]") && server.text().contains("[task-2]")
    });
}

#[test]
fn a_lock_that_a_killed_server_left_is_named_and_nothing_is_started() {
    let server = Server::real_or_stand_in("a lock left behind");
    let place = Place::new(&server);
    place.create("task-1", &[]);
    let lock = server.file().with_extension("json.lock");
    fs::write(&lock, "").expect("a lock");
    let old = SystemTime::now() - Duration::from_secs(60);
    fs::File::options().write(true).open(&lock).and_then(|file| file.set_modified(old)).expect("its time");
    let push = place.try_run(&["bridge", "push"]);
    assert_eq!(push.code, Some(75), "{push:?}");
    assert!(push.stderr.contains(&format!("hint: run `rm {}`", lock.display())), "{push:?}");
    let _watching = place.watch();
    eventually("down", || place.state().1.contains("has been there"));
    fs::remove_file(&lock).expect("a lock");
    eventually("live", || place.state().0 == "live");
}

#[test]
fn forks_are_mirrored_too() {
    for fork in [Fork::Strict, Fork::Translated, Fork::Wrapped] {
        let server = Server::stand_in(&Faults { fork: Some(fork), noise: true, ..Faults::default() });
        let place = Place::new(&server);
        place.create("task-1", &[]);
        place.complete("task-1", "{\"n\": 1}");
        let _ = place.run(&["bridge", "push"]);
        assert_eq!(Other::new(&server).item("[task-1]").completed_details, "{\"n\":1}", "{fork:?}");
    }
}

#[test]
fn a_program_that_goes_away_and_comes_back_is_used_again() {
    let server = Server::stand_in(&Faults::default());
    let place = Place::new(&server);
    place.create("task-1", &[]);
    let program = std::path::PathBuf::from(&server.program.words[0]);
    let aside = program.with_extension("aside");
    fs::rename(&program, &aside).expect("moved");
    let watching = place.watch();
    eventually("down", || place.state().1.contains("could not be started"));
    fs::rename(&aside, &program).expect("moved");
    eventually("live", || place.state().0 == "live" && server.text().contains("[task-1]"));
    // The server that runs is killed: another one is started.
    stand_in::install(
        program.parent().expect("a folder"),
        "taskqueue-mcp",
        &Faults { dies: Some(Point { call: 8, when: When::After }), ..Faults::default() },
    );
    drop(watching);
    let _watching = place.watch();
    for n in 2..5 {
        place.create(&format!("task-{n}"), &[]);
    }
    eventually("all there", || (2..5).all(|n| server.text().contains(&format!("[task-{n}]"))));
}
