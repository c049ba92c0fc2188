//! The library as agents use it, on real repositories: what is in the files afterwards, judged by git and by `mycelium check`.
#![allow(clippy::disallowed_methods, reason = "tests touch files and start programs")]
#![allow(clippy::print_stdout, reason = "what was measured is shown")]
#![allow(clippy::unwrap_used, reason = "a test whose place cannot be made has failed")]

#[path = "../redis/server.rs"]
mod server;
#[path = "../support/mod.rs"]
mod support;

mod bite;
mod cancel;
mod claims;
mod edges;
mod events;
mod inward;
mod methods;
mod reads;
mod redis;
mod subscriptions;
mod verbs;
mod wait;
mod watcher;
mod ways;
mod workflows;

use mycelium::client::{Builder, CoordinationClient};
use support::Sandbox;

/// A repository whose settings are its own, whatever the user's are.
fn repository() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.git(&["config", "user.name", "Robin"]);
    sandbox.git(&["config", "user.email", "robin@example.org"]);
    sandbox
}

fn builder(sandbox: &Sandbox) -> Builder {
    CoordinationClient::builder().root(sandbox.root())
}

async fn client(sandbox: &Sandbox) -> CoordinationClient {
    builder(sandbox).agent("ai-engineer").build().await.unwrap()
}

/// Nothing is left uncommitted, and nothing is wrong with the documents or the history.
fn is_sound(sandbox: &Sandbox) {
    assert_eq!(sandbox.git(&["status", "--porcelain"]), "");
    sandbox.git(&["fsck", "--strict"]);
    let told = sandbox.mycelium(&["check"]).ok();
    assert!(told.contains("no problems"), "{told}");
}
