//! A document as the fields of the hash that every program sees, and how long that hash lives.

use std::time::Duration;

use serde_json::{Map, Value as Json, json};

use super::record::HashFields;
use crate::core::entity::{Agent, Entity, Liveness, Review, Task, Workflow, span_text};
use crate::core::name::{AgentName, DocId};
use crate::core::reconcile::{DerivedValues, digest};
use crate::core::time::Timestamp;

/// For how long the hash of a workflow is shown that is not written again.
pub const WORKFLOW_LIFE: Duration = Duration::from_secs(3_600);

/// How long a hash is to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HashLife {
    /// For good.
    Ever,
    /// For so long from now.
    For(Duration),
    /// It is not to be there any more.
    Over,
}

/// Returns the hash that every program sees, in the order in which it is written.
#[must_use]
pub fn hash_fields(entity: &Entity, derived: &DerivedValues) -> HashFields {
    match entity {
        Entity::Agent(agent) => of_agent(agent),
        Entity::Task(task) => of_task(task),
        Entity::Workflow(workflow) => of_workflow(workflow, derived),
    }
}

/// Returns how long the hash of a document lives: an agent's until it is stale, a task's for good.
#[must_use]
pub fn hash_life(entity: &Entity, seen: Option<Timestamp>, now: Timestamp) -> HashLife {
    let agent = match entity {
        Entity::Agent(agent) => agent,
        Entity::Task(_) => return HashLife::Ever,
        Entity::Workflow(_) => return HashLife::For(WORKFLOW_LIFE),
    };
    let Liveness { seen, ttl, .. } = Liveness::new(agent, seen, now);
    let silent = seen.and_then(|seen| u64::try_from(now.unix_ms() - seen.unix_ms()).ok()).unwrap_or(0);
    match ttl.checked_sub(Duration::from_millis(silent)) {
        Some(left) if !left.is_zero() => HashLife::For(left),
        _ => HashLife::Over,
    }
}

/// The digest of a hash, in whichever order its fields are: a server gives them in another one after a while.
#[must_use]
pub fn hash_sum(fields: &HashFields) -> String {
    let mut sorted: Vec<&(String, String)> = fields.iter().collect();
    sorted.sort();
    let parts: Vec<&str> = sorted.iter().flat_map(|(field, text)| [field.as_str(), text.as_str()]).collect();
    digest(parts.join("\0").as_bytes())
}

/// Returns true if two hashes hold the same, in whichever order.
pub(super) fn same(a: &HashFields, b: &HashFields) -> bool {
    let sorted = |fields: &HashFields| {
        let mut fields = fields.clone();
        fields.sort();
        fields
    };
    a == b || a.len() == b.len() && sorted(a) == sorted(b)
}

/// The text of a field, if the hash has it.
pub(super) fn find<'a>(fields: &'a HashFields, name: &str) -> Option<&'a str> {
    fields.iter().find(|(key, _)| key == name).map(|(_, text)| text.as_str())
}

struct Hash(HashFields);

impl Hash {
    fn put(&mut self, key: &str, text: impl Into<String>) {
        self.0.push((key.to_owned(), text.into()));
    }

    fn put_if(&mut self, key: &str, text: Option<impl Into<String>>) {
        if let Some(text) = text {
            self.put(key, text);
        }
    }

    fn json(&mut self, key: &str, value: Option<&Json>) {
        self.put_if(key, value.map(Json::to_string));
    }

    fn error(&mut self, error: Option<&Json>) {
        self.put_if("error", error.map(plain));
    }

    /// Unknown keys; one that bears the name of something else does not replace it.
    fn extra(mut self, extra: &Map<String, Json>) -> HashFields {
        for (key, value) in extra {
            if find(&self.0, key).is_none() {
                self.put(key, plain(value));
            }
        }
        self.0
    }
}

fn plain(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn ids(ids: &[DocId]) -> String {
    ids.iter().map(|id| Json::from(id.as_str())).collect::<Json>().to_string()
}

fn of_agent(agent: &Agent) -> HashFields {
    let mut hash = Hash(Vec::new());
    hash.put("status", agent.status.word());
    hash.put_if("last_updated", agent.last_updated.map(|at| at.to_string()));
    let active: Json = agent.active_tasks.iter().map(|task| Json::from(task.task.as_str())).collect();
    hash.put("active_tasks", active.to_string());
    hash.put("metadata", agent.metadata.as_ref().unwrap_or(&json!({})).to_string());
    hash.put_if("ttl", agent.ttl.map(|span| span.as_secs().to_string()));
    hash.extra(&agent.extra)
}

fn of_task(task: &Task) -> HashFields {
    let mut hash = Hash(Vec::new());
    hash.put("id", task.id.as_str());
    hash.put("type", task.kind.as_str());
    hash.put("status", task.status.word());
    hash.put_if("assigned_to", task.assigned_to.as_ref().map(AgentName::as_str));
    hash.put("priority", task.priority.word());
    hash.put("depends_on", ids(&task.depends_on));
    hash.put_if("created_at", task.created.map(Timestamp::exact));
    hash.put_if("claimed_by", task.claimed_by.as_ref().map(AgentName::as_str));
    hash.put_if("fence", task.fence.map(|n| n.to_string()));
    hash.put_if("lease", task.lease.map(span_text));
    hash.put_if("attempt", task.attempt.map(|n| n.to_string()));
    hash.put_if("progress", task.progress.map(|part| part.to_string()));
    hash.put_if("workflow", task.workflow.as_ref().map(DocId::as_str));
    hash.put_if("review", task.review.map(Review::word));
    hash.put_if("approved", task.approved.as_deref());
    hash.put_if("title", task.title.as_deref());
    hash.json("payload", task.payload.as_ref());
    hash.json("result", task.result.as_ref());
    hash.error(task.error.as_ref());
    hash.extra(&task.extra)
}

fn of_workflow(workflow: &Workflow, derived: &DerivedValues) -> HashFields {
    let mut hash = Hash(Vec::new());
    hash.put("id", workflow.id.as_str());
    hash.put("type", workflow.kind.as_str());
    hash.put("status", workflow.status.word());
    // With a point, as the reference document writes it: `0.0`, `1.0`.
    hash.put("progress", format!("{:?}", derived.progress.or(workflow.progress).unwrap_or(0.0)));
    hash.put("tasks", ids(&workflow.tasks));
    let current = workflow.current_task.as_ref().or(derived.current_task.as_ref());
    hash.put_if("current_task", current.map(DocId::as_str));
    hash.put_if("created_at", workflow.created.map(Timestamp::exact));
    hash.put_if("title", workflow.title.as_deref());
    hash.json("result", workflow.result.as_ref());
    hash.error(workflow.error.as_ref());
    hash.json("metadata", workflow.metadata.as_ref());
    hash.extra(&workflow.extra)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::document::Document;
    use crate::core::name::DocPath;

    fn entity(path: &str, text: &str) -> Entity {
        let path = DocPath::new(path).expect("valid");
        crate::core::entity::read(&path, &Document::parse(text.as_bytes())).entity.expect("readable")
    }

    fn lines(fields: &HashFields) -> Vec<String> {
        fields.iter().map(|(field, text)| format!("{field}={text}")).collect()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    #[test]
    fn a_task_has_the_fields_of_the_reference_schema_and_its_own() {
        let text = "---\nid: task-1\ntype: t\nstatus: failed\nassigned_to: b\npriority: high\ndepends_on: [a]\ncreated: 2025-10-17\nclaimed_by: b\nfence: 2\nlease: 5m\nattempt: 3\nprogress: 0.5\nown: [1, x]\nword: yes\n---\n\n# Train\n\n## Payload\n\n{\"n\": 1}\n\n## Error\n\nout of memory\n";
        assert_eq!(
            lines(&hash_fields(&entity("task-1.md", text), &DerivedValues::default())),
            [
                "id=task-1",
                "type=t",
                "status=failed",
                "assigned_to=b",
                "priority=high",
                "depends_on=[\"a\"]",
                "created_at=2025-10-17T00:00:00Z",
                "claimed_by=b",
                "fence=2",
                "lease=5m",
                "attempt=3",
                "progress=0.5",
                "title=Train",
                "payload={\"n\":1}",
                "error=out of memory",
                "own=[1,\"x\"]",
                "word=yes",
            ]
        );
    }

    #[test]
    fn agents_and_workflows_have_those_of_the_reference_document() {
        let text = "---\nagent: a\nstatus: busy\nlast_updated: 2025-10-17T00:00:00Z\nttl: 60\n---\n\n## Active Tasks\n\n- x (started: 2025-10-17T00:00:00Z)\n- y\n";
        let agent = entity("agent-a.md", text);
        assert_eq!(
            lines(&hash_fields(&agent, &DerivedValues::default())),
            ["status=busy", "last_updated=2025-10-17T00:00:00Z", "active_tasks=[\"x\",\"y\"]", "metadata={}", "ttl=60"]
        );
        let text = "---\nid: w\ntype: t\nstatus: running\ntasks: [a, b]\n---\n\n## Metadata\n\n{\"a\": 1}\n";
        let workflow = entity("workflow-w.md", text);
        let derived = DerivedValues { progress: Some(0.5), current_task: DocId::new("b").ok() };
        assert_eq!(
            lines(&hash_fields(&workflow, &derived)),
            [
                "id=w",
                "type=t",
                "status=running",
                "progress=0.5",
                "tasks=[\"a\",\"b\"]",
                "current_task=b",
                "metadata={\"a\":1}"
            ]
        );
        assert!(lines(&hash_fields(&workflow, &DerivedValues::default())).contains(&"progress=0.0".to_owned()));
    }

    #[test]
    fn a_hash_lives_as_long_as_its_agent() {
        let text = |keys: &str| format!("---\nagent: a\nstatus: idle\n{keys}---\n");
        let old = "last_updated: 2025-10-17T00:00:00Z\n";
        let seconds = |n| HashLife::For(Duration::from_secs(n));
        for (keys, seen, now, life) in [
            (old, None, "2025-10-17T00:01:00Z", seconds(240)),
            (old, None, "2025-10-17T00:05:00Z", HashLife::Over),
            (old, Some("2025-10-17T00:04:00Z"), "2025-10-17T00:05:00Z", seconds(240)),
            ("last_updated: 2025-10-17T00:00:00Z\nttl: 1h\n", None, "2025-10-17T00:05:00Z", seconds(3_300)),
            ("last_updated: 2025-10-18T00:00:00Z\n", None, "2025-10-17T00:05:00Z", seconds(300)),
            ("", None, "2025-10-17T00:05:00Z", seconds(300)),
        ] {
            let agent = entity("agent-a.md", &text(keys));
            assert_eq!(hash_life(&agent, seen.map(at), at(now)), life, "{keys} {seen:?} {now}");
        }
        let now = at("2025-10-17T00:00:00Z");
        let task = entity("task-1.md", "---\nid: task-1\ntype: t\nstatus: pending\n---\n");
        let workflow = entity("workflow-w.md", "---\nid: w\ntype: t\nstatus: running\n---\n");
        assert_eq!((hash_life(&task, None, now), hash_life(&workflow, None, now)), (HashLife::Ever, seconds(3_600)));
    }

    #[test]
    fn the_order_of_fields_makes_no_difference() {
        let field = |name: &str, text: &str| (name.to_owned(), text.to_owned());
        let (a, b) = (vec![field("a", "1"), field("b", "2")], vec![field("b", "2"), field("a", "1")]);
        assert!(
            same(&a, &b) && !same(&a, &vec![field("a", "1")]) && !same(&a, &vec![field("a", "1"), field("b", "3")])
        );
        assert_eq!(digest(b"abc"), "a9993e364706816aba3e25717850c26c9cd0d89d");
    }
}
