//! An agent that is interrupted takes its status with it.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::time::Duration;

use mycelium::{AgentReport, CoordinationClient, Error};
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main]
async fn main() -> Result<(), Error> {
    // Heard from here on: an interruption before the status is there, or before work begins, cleans up too.
    let mut interrupts = signal(SignalKind::interrupt()).expect("signals can be heard");
    let client = CoordinationClient::builder().agent("ai-engineer").build().await?;
    // Whoever does not get to clean up is stale when its time is over.
    client.store_agent_status("ai-engineer", AgentReport::busy().ttl(Duration::from_secs(300))).await?;
    println!("working; Ctrl-C stops it");

    tokio::select! {
        () = work() => {}
        _ = interrupts.recv() => {}
    }
    client.remove_agent_status("ai-engineer").await?;
    // What is under way is finished first.
    client.close().await;
    println!("cleaned up");
    Ok(())
}

async fn work() {
    std::future::pending::<()>().await;
}
