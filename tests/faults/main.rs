//! Faults on purpose: power cuts, kills at any moment, crowds of writers, a user's own work beside the watcher.
#![allow(clippy::disallowed_methods, reason = "tests touch files, start programs and read the clock")]
#![allow(clippy::unwrap_used, reason = "a step of a test that fails has failed the test")]

#[path = "../support/mod.rs"]
mod support;

#[cfg(all(target_os = "linux", debug_assertions))]
mod bite;
#[cfg(target_os = "linux")]
mod clock;
#[cfg(target_os = "linux")]
mod crowd;
#[cfg(target_os = "linux")]
mod edges;
mod errors;
#[cfg(target_os = "linux")]
mod full;
#[cfg(target_os = "linux")]
mod guest;
#[cfg(target_os = "linux")]
mod history;
#[cfg(target_os = "linux")]
mod kill;
#[cfg(target_os = "linux")]
mod lab;
#[cfg(target_os = "linux")]
mod locks;
#[cfg(target_os = "linux")]
mod person;
#[cfg(target_os = "linux")]
mod points;
#[cfg(target_os = "linux")]
mod power;
#[cfg(target_os = "linux")]
mod random;
#[cfg(target_os = "linux")]
mod share;
#[cfg(target_os = "linux")]
mod watcher;

#[cfg(not(target_os = "linux"))]
#[test]
fn faults() {
    support::could_not_run("faults", "they need Linux (loop mounts, strace, signals)");
}

/// One fault test at a time: they measure, and they load the machine.
#[cfg(target_os = "linux")]
fn alone() -> std::sync::MutexGuard<'static, ()> {
    static ONE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    ONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Prints a figure past the test harness, so that a run shows what was measured.
#[cfg(target_os = "linux")]
fn tell(figure: &str) {
    use std::io::Write as _;
    std::io::stderr().write_all(format!("measured: {figure}\n").as_bytes()).unwrap();
}
