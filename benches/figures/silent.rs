//! What a server that is dead, or that hangs, costs somebody who writes: the same writes in three repositories, in turn, one
//! without a server, one with a dead one, one with one that takes connections and never answers.

use std::time::Duration;

use mycelium::entity::agent::AgentUpdate;
use mycelium::name::AgentName;
use mycelium::services::{New, Project, Taken};

use crate::bench::{Bench, Tasks, Verdict, disk, ms, quantile, repository, timed};
use crate::redis::{Watching, open, store};
use crate::server::Server;
use crate::support::Sandbox;

/// Nobody listens there.
const DEAD: &str = "redis://127.0.0.1:1";
/// Most milliseconds that a command pays for a dead server.
const DEAD_MAX: f64 = 5.0;
/// Most times as long that one of a hundred writes takes beside a server that hangs.
const HUNG_MAX: f64 = 1.1;

/// The times of the same writes: without a server, with a dead one, with one that hangs.
type Times = [Vec<f64>; 3];

pub(crate) fn run(bench: &Bench) {
    let Some(mut server) = Server::start("silent") else { return println!("no redis-server: nothing measured") };
    server.stop();
    let urls = ["", DEAD, &server.url()];
    let disks = [disk(), disk(), disk()];
    let sandboxes = disks.each_ref().map(|disk| repository(disk.path(), Tasks::flat(1)));
    tell(bench, "", &commands(bench, &sandboxes, urls));
    tell(bench, "-watched", &watched(bench, &sandboxes, urls));
    server.go_on();
}

/// A whole process for each write, which commits it.
fn commands(bench: &Bench, sandboxes: &[Sandbox; 3], urls: [&str; 3]) -> Times {
    let mut times = Times::default();
    for round in 0..bench.pick(1_000, 200, 2) {
        let status = ["busy", "idle"][round % 2];
        for at in in_turn(round) {
            let mut command = sandboxes[at].mycelium_command(&["agent", "set", "coder", "--status", status]);
            let (run, took) = timed(|| crate::support::Run::of(command.env("REDIS_URL", urls[at])));
            let _ = run.ok();
            times[at].push(ms(took));
        }
    }
    times
}

/// A process that goes on, beside a watcher that commits and follows.
fn watched(bench: &Bench, sandboxes: &[Sandbox; 3], urls: [&str; 3]) -> Times {
    let watchers: Vec<_> = (0..3).map(|at| Watching::start(&sandboxes[at], urls[at])).collect();
    let projects: [Project; 3] = std::array::from_fn(|at| open(&sandboxes[at], "agent-000", urls[at]));
    for project in &projects {
        let new = AgentUpdate::at(project.now()).into_new(AgentName::new("agent-000").unwrap());
        project.operations().create(project.actor(), &New::Agent(new), Taken::FileName).unwrap();
    }
    let mut times = Times::default();
    for round in 0..bench.pick(5_000, 1_000, 2) {
        for at in in_turn(round) {
            times[at].push(ms(timed(|| store(&projects[at], 0, round)).1));
        }
        // As an agent does it: now and then, not as fast as it goes.
        std::thread::sleep(Duration::from_millis(1));
    }
    drop(watchers);
    times
}

/// Everybody comes first as often as the others.
fn in_turn(round: usize) -> [usize; 3] {
    std::array::from_fn(|place| (place + round) % 3)
}

fn tell(bench: &Bench, name: &str, times: &Times) {
    let at = |who: usize, share| quantile(times[who].iter().copied(), share);
    let words = |who: usize| format!("{:.2} ms, {:.2} ms", at(who, 0.5), at(who, 0.99));
    bench.show(&format!("silent-none{name}"), &words(0));
    let (more, slow) = (at(1, 0.5) - at(0, 0.5), at(1, 0.99) - at(0, 0.99));
    let dead = format!("{}: {more:+.2} ms, {slow:+.2} ms", words(1));
    bench.tell(&format!("silent-dead{name}"), &dead, "5 ms more", Verdict::of(more.max(slow) <= DEAD_MAX));
    let (half, ratio) = (at(2, 0.5) / at(0, 0.5), at(2, 0.99) / at(0, 0.99));
    let hung = format!("{}: {half:.2} ×, {ratio:.2} ×", words(2));
    bench.tell(&format!("silent-hung{name}"), &hung, "1.1 ×", Verdict::of(ratio <= HUNG_MAX));
}
