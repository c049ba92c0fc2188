//! How the team stands, once a minute: `monitoring [SECONDS] [TIMES]`.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::time::Duration;

use mycelium::{CoordinationClient, Error};
use serde_json::json;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let mut arguments = std::env::args().skip(1);
    let seconds = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(60.0);
    let times = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(usize::MAX);
    let client = CoordinationClient::builder().build().await?;
    let mut interval = tokio::time::interval(Duration::from_secs_f64(seconds));
    for _ in 0..times {
        interval.tick().await;
        let stats = client.get_stats().await?;
        let line = json!({
            "mode": stats.mode.word(),
            "active_agents": stats.agent_count,
            "pending_tasks": stats.task_queue_size.total(),
            "latency_ms": stats.avg_latency,
        });
        println!("{line}");
    }
    client.close().await;
    Ok(())
}
