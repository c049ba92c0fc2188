//! `bridge detect`: looks for each follower in turn, with as much patience as the settings have.

use serde_json::{Value, json};

use crate::api::view::{ErrorReport, complete_hint};
use crate::core::name::visible;
use crate::faces::cli::answer::{Answer, width};
use crate::faces::cli::render::{self, Cell, Ink, Table};
use crate::faces::cli::session::{self, Session};
use crate::services::{Error, Patience};

/// One follower and what came of the look.
struct Found {
    follower: &'static str,
    is_live: bool,
    told: String,
    hint: Option<String>,
}

/// Looks.
pub(super) fn run(session: &Session) -> Result<Answer, ErrorReport> {
    let project = session.open()?;
    let target = match project.bridge().target() {
        Err(error @ Error::BadServer { .. }) => return Err(error.into()),
        target => target,
    };
    let mode = project.config().text("coordination.mode").unwrap_or("auto").to_owned();
    let detected = project.bridge().detect(Patience::Full);
    let redis = match &target {
        Ok(target) => {
            let server = detected.server.as_ref().map_or("", |server| server.name.as_str());
            let told = detected.unreached.clone().unwrap_or_else(|| format!("{} at {}", server, target.address()));
            Found { follower: "redis", is_live: detected.unreached.is_none(), told, hint: detected.hint.clone() }
        }
        Err(Error::UntrustedServer { .. } | Error::UnagreedServer { .. }) => {
            let told = detected.unreached.clone().unwrap_or_default();
            Found { follower: "redis", is_live: false, told, hint: detected.hint.clone() }
        }
        _ => Found { follower: "redis", is_live: false, told: unasked(&mode), hint: None },
    };
    let taskqueue = "this version has no bridge to it".to_owned();
    let found = [
        redis,
        Found { follower: "taskqueue", is_live: false, told: taskqueue, hint: None },
        Found { follower: "markdown", is_live: true, told: "the files, which are always there".to_owned(), hint: None },
    ];
    let mut answer = session::answer("bridge.detect", &project)?;
    let took = detected.took.as_millis();
    answer.data = json!({
        "mode": detected.mode(),
        "asked": mode,
        "took_ms": u64::try_from(took).unwrap_or(u64::MAX),
        "found": found.iter().map(data).collect::<Vec<_>>(),
        "server": detected.server.as_ref().map(|server| json!({
            "name": server.name, "replica": server.is_replica, "memory_bytes": server.memory_bytes,
        })),
    });
    let mut table = Table::new(&[]);
    for one in &found {
        let (sign, ink) = if one.is_live { ("✓", Ink::Good) } else { ("·", Ink::Dim) };
        table.row(vec![Cell::new(ink, sign), one.follower.into(), visible(&one.told).into()]);
    }
    answer.text = format!("{}mode {} ({took} ms)\n", table.text(width()), detected.mode());
    answer.words = found.iter().filter_map(|one| one.hint.as_deref()).map(render::hint).collect();
    Ok(answer)
}

fn unasked(mode: &str) -> String {
    match mode {
        "auto" => "no address is set".to_owned(),
        mode => format!("not looked for: `coordination.mode` is {mode}"),
    }
}

fn data(found: &Found) -> Value {
    json!({ "follower": found.follower, "live": found.is_live, "told": found.told, "hint": complete_hint(found.hint.as_deref()) })
}
