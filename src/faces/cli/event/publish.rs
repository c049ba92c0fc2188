//! `event publish`: tells something on a channel, for good.

use serde_json::{Map, Value, json};

use crate::api::view::ErrorReport;
use crate::core::name::Channel;
use crate::faces::cli::answer::Answer;
use crate::faces::cli::input::Given;
use crate::faces::cli::session::{self, Session};

/// Publish an event on a channel and print its id
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The channel, such as `training:progress`
    channel: Channel,
    /// What to publish: a JSON object, or any other JSON or text, which becomes `value`; `@FILE` and `-` are read
    #[arg(value_name = "JSON", allow_hyphen_values = true)]
    data: Option<Given>,
    /// The event's name [default: what the object says under `event`, else `published`]
    #[arg(long, value_name = "NAME")]
    event: Option<String>,
}

/// Publishes it.
pub(crate) fn run(args: &Args, session: &Session) -> Result<Answer, ErrorReport> {
    let mut value = match &args.data {
        Some(given) => given.json_or_text("JSON")?,
        None => Value::Null,
    };
    if let Some(name) = &args.event {
        let mut map = match value {
            Value::Object(map) => map,
            Value::Null => Map::new(),
            other => Map::from_iter([("value".to_owned(), other)]),
        };
        map.insert("event".to_owned(), json!(name));
        value = Value::Object(map);
    }
    let project = session.open()?;
    let id = project.events().publish(project.actor(), args.channel.clone(), value)?;
    let mut answer = session::answer("event.publish", &project)?;
    answer.text = format!("{id}\n");
    answer.data = json!({ "id": id.as_str(), "channel": args.channel.as_str() });
    Ok(answer)
}
