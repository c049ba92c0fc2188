//! What a server costs that is dead or hangs: next to nothing. The true figures come from a bench; here the bounds are wide.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use crate::fleet::Fleet;
use crate::server::free_port;

/// So often a command is run for each figure.
const ROUNDS: usize = 15;

/// One that accepts and never answers, while it lives.
pub(crate) struct Hung {
    port: u16,
}

impl Hung {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            let mut held = Vec::new();
            for stream in listener.incoming().flatten() {
                held.push(stream);
            }
        });
        Self { port }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }
}

/// The median of a write.
fn write(fleet: &Fleet, number: usize, round: usize) -> Duration {
    let began = Instant::now();
    fleet.run(number, &["task", "create", "--type", "x", "--id", &format!("task-{round}")]).ok();
    began.elapsed()
}

#[test]
fn a_dead_or_hung_server_costs_a_command_next_to_nothing() {
    let hung = Hung::start();
    let urls = [String::new(), format!("redis://127.0.0.1:{}/0", free_port()), hung.url()];
    let fleet = Fleet::unwatched(&urls, &[]);
    let mut times = vec![Vec::new(); urls.len()];
    for round in 0..ROUNDS {
        for (number, times) in times.iter_mut().enumerate() {
            times.push(write(&fleet, number, round));
        }
    }
    for times in &mut times {
        times.sort();
    }
    let median = |number: usize| times[number][ROUNDS / 2];
    println!("a write: {:?} without, {:?} with a dead, {:?} with a hung server", median(0), median(1), median(2));
    for number in [1, 2] {
        assert!(median(number) < median(0) * 3 / 2 + Duration::from_millis(30), "{:?}", times[number]);
    }
}
