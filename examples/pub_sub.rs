//! One agent tells how far it is, another listens; neither knows the other.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use mycelium::{CoordinationClient, Error};
use serde_json::json;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let client = CoordinationClient::builder().agent("ai-engineer").build().await?;
    let mut events = client.subscribe_events("training:*").await?;

    let publisher = client.clone();
    tokio::spawn(async move {
        let begun = json!({ "event": "training_started", "workflow_id": "wf-123" });
        publisher.publish_event("training:progress", begun).await?;
        let saved = json!({ "event": "checkpoint_saved", "step": 1000, "loss": 0.42 });
        publisher.publish_event("training:events", saved).await?;
        Ok::<(), Error>(())
    });

    while let Some(event) = events.next().await {
        let event = event?;
        println!("{} on {}", event.event, event.channel);
        if event.event == "checkpoint_saved" {
            let told = event.to_json();
            println!("checkpoint at step {}, loss {}", told["step"], told["loss"]);
            break;
        }
    }
    println!("unsubscribed: {}", client.unsubscribe_events("training:*"));
    client.close().await;
    Ok(())
}
