//! Two branches of a document: what a team may do to it on either side in the meantime, by command and by hand.

use mycelium::document::{Document, Mark, Value};
use mycelium::entity::claim::{self, HolderFields};
use mycelium::entity::task::{self, TaskUpdate};
use mycelium::name::AgentName;
use mycelium::template::Shape;
use serde_json::json;

use crate::pairs::{self, FIELDS, Seed};

/// What may be done beyond a change of one field.
const DEEDS: [&str; 12] = [
    "claim",
    "finish",
    "key",
    "tick",
    "note",
    "step",
    "dependency away",
    "key away",
    "prose",
    "comment",
    "payload key",
    "section",
];

/// One side: what was done to it, by the names of what that touches, and what came of it.
#[derive(Clone, Debug)]
pub(crate) struct Branch {
    /// Which fields it touches.
    pub(crate) touched: Vec<&'static str>,
    pub(crate) document: Document,
}

/// A document and two branches of it.
#[derive(Clone, Debug)]
pub(crate) struct Fork {
    pub(crate) base: Document,
    pub(crate) ours: Branch,
    pub(crate) theirs: Branch,
}

/// A random fork of a task.
pub(crate) fn fork(seed: &mut Seed, n: u64) -> Fork {
    let shape = if seed.below(4) == 0 { Shape::Classic } else { Shape::Lean };
    let mut base = pairs::base(seed, n, shape);
    if seed.chance() {
        let text = "First the data is cleaned.\nThen it is split.\n\nNobody needs the rest.";
        base = base.edit().set_section_text("Design", text).unwrap();
    }
    if seed.chance() {
        base = base.edit().set("region", &Value::text("north")).unwrap();
    }
    let (ours, theirs) = (branch(seed, &base), branch(seed, &base));
    Fork { base, ours, theirs }
}

fn branch(seed: &mut Seed, base: &Document) -> Branch {
    let mut branch = Branch { touched: Vec::new(), document: base.clone() };
    // Most branches do one or two things to a task; some do more.
    for _ in 0..[1, 1, 1, 2, 2, 3][usize::try_from(seed.below(6)).unwrap()] {
        let name = if seed.chance() {
            FIELDS[usize::try_from(seed.below(FIELDS.len() as u64)).unwrap()]
        } else {
            DEEDS[usize::try_from(seed.below(DEEDS.len() as u64)).unwrap()]
        };
        if let Some(document) = deed(seed, &branch.document, name)
            && document != branch.document
        {
            branch.touched.push(touches(name));
            branch.document = document;
        }
    }
    branch
}

/// The field that a deed changes, for those that have one.
fn touches(name: &'static str) -> &'static str {
    match name {
        "claim" | "finish" | "status" => "claim",
        "tick" | "step" | "steps" => "steps",
        "note" | "notes" => "notes",
        "dependency away" | "depends_on" => "depends_on",
        "payload key" | "payload" => "payload",
        "key away" => "key",
        other => other,
    }
}

fn deed(seed: &mut Seed, document: &Document, name: &str) -> Option<Document> {
    let number = seed.below(1_000_000);
    match name {
        "claim" => {
            let fence = document.field("fence").and_then(|field| field.value.as_text()?.parse::<u64>().ok());
            let by = AgentName::new(format!("agent-{}", seed.below(6))).unwrap();
            let hold = HolderFields {
                by,
                fence: fence.unwrap_or(0) + 1,
                lease: std::time::Duration::from_secs(300),
                since: mycelium::time::Timestamp::default(),
                is_after_expiry: false,
            };
            claim::take(document, &hold).ok()
        }
        "finish" if seed.chance() => task::complete(document, Some(&json!({ "loss": number }))).ok(),
        "finish" => task::fail(document, Some(&json!({ "message": format!("gave up at {number}") }))).ok(),
        "key" => {
            let key = ["gpu", "epoch", "owner", "due", "region"][usize::try_from(seed.below(5)).unwrap()];
            document.edit().set(key, &Value::text(format!("v{number}"))).ok()
        }
        "key away" => document.edit().remove("region").ok(),
        "tick" => {
            let count = document.body().steps().len() as u64;
            (count > 0)
                .then(|| document.edit().tick(usize::try_from(1 + seed.below(count)).unwrap(), Mark::Flip).unwrap())
        }
        "note" => task::note(document, &format!("seen {number}\nand more")).ok(),
        "step" => document.edit().add_bullet("Progress", &format!("[ ] Step {number}")).ok(),
        "dependency away" => {
            let first = document.field("depends_on")?.value.texts()?.first().map(|id| (*id).to_owned())?;
            let update = TaskUpdate { depends_on_remove: vec![first.parse().ok()?], ..TaskUpdate::default() };
            task::update(document, &update).ok()
        }
        "prose" => {
            let text = document.body().section_text("Design")?.to_owned();
            let lines = ["First the data is", "Then it is", "Nobody needs"];
            let line = lines[usize::try_from(seed.below(3)).unwrap()];
            document.edit().set_section_text("Design", &text.replace(line, &format!("({number}) {line}"))).ok()
        }
        "comment" => {
            let line = format!("# by hand {number}\n");
            let at = document.text().find("type:")?;
            let (before, after) = document.text().split_at(at);
            Some(Document::parse(format!("{before}{line}{after}").into_bytes()))
        }
        "payload key" => {
            let mut payload =
                document.body().section_json("Payload").and_then(Result::ok).filter(serde_json::Value::is_object)?;
            payload[format!("key{}", seed.below(4))] = json!(number);
            task::set_payload(document, &payload).ok()
        }
        "section" => {
            document.edit().set_section_text(&format!("Aside {}", seed.below(3)), &format!("Words {number}.")).ok()
        }
        "status" => match document.field("status")?.value.as_text()? {
            "completed" => task::reopen(document).ok(),
            "failed" => task::retry(document).ok(),
            _ => Some(pairs::change(document, "status", seed)),
        },
        field => Some(pairs::change(document, field, seed)),
    }
}

/// One more branch of the same document.
pub(crate) fn again(seed: &mut Seed, base: &Document) -> Branch {
    branch(seed, base)
}

/// A lean task with ten steps, to which both branches do the same kind of thing.
pub(crate) fn of_a_kind(seed: &mut Seed, n: u64, kind: &str) -> Fork {
    let mut base = pairs::base(seed, n, Shape::Lean);
    for step in 0..10 {
        base = base.edit().add_bullet("Progress", &format!("[ ] Part {step}")).unwrap();
    }
    let note = |seed: &mut Seed| task::note(&base, &format!("seen {}", seed.next())).unwrap();
    let key = |seed: &mut Seed| {
        let name =
            format!("{}{}", ["gpu", "epoch", "owner", "due"][usize::try_from(seed.below(4)).unwrap()], seed.next());
        base.edit().set(&name, &Value::text("x")).unwrap()
    };
    let step = |seed: &mut Seed| base.edit().add_bullet("Progress", &format!("[ ] More {}", seed.next())).unwrap();
    let (ours, theirs) = match kind {
        "boxes" => {
            let count = base.body().steps().len() as u64;
            let first = seed.below(count);
            let second = (first + 1 + seed.below(count - 1)) % count;
            let tick = |at: u64| base.edit().tick(usize::try_from(at + 1).unwrap(), Mark::Flip).unwrap();
            (tick(first), tick(second))
        }
        "key and note" => (key(seed), note(seed)),
        "step and note" => (step(seed), note(seed)),
        "two notes" => (note(seed), note(seed)),
        "two new keys" => (key(seed), key(seed)),
        _ => (step(seed), step(seed)),
    };
    let branch = |document| Branch { touched: Vec::new(), document };
    Fork { ours: branch(ours), theirs: branch(theirs), base }
}
