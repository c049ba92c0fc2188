//! The steps of a workflow as a graph: for a terminal, as mermaid, DOT and JSON. Text only.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value as Json, json};

use super::definition::WorkflowDefinition;
use super::outcome::steps_of;
use crate::core::entity::{Condition, TaskEnd, TaskStatus, Workflow};
use crate::core::name::visible;
use crate::core::snapshot::Snapshot;

/// Most steps of one mermaid diagram; a larger graph becomes several.
const MERMAID_STEPS_MAX: usize = 90;

/// The steps of a workflow or of a definition.
#[derive(Debug, Clone, PartialEq)]
pub struct StepGraph {
    /// Its name or id.
    pub title: String,
    /// The steps, each behind those that it needs where they are in an order.
    pub nodes: Vec<StepNode>,
}

/// One step.
#[derive(Debug, Clone, PartialEq)]
pub struct StepNode {
    /// Its name.
    pub name: String,
    /// What sort of work.
    pub kind: String,
    /// The names of the steps that it needs.
    pub needs: Vec<String>,
    /// On which ends of these it runs.
    pub when: Condition,
    /// It runs once for each item of a list.
    pub is_fan_out: bool,
    /// Its state, in a run.
    pub state: Option<&'static str>,
}

impl StepGraph {
    /// Returns the graph of a definition.
    #[must_use]
    pub fn of_definition(definition: &WorkflowDefinition) -> Self {
        let nodes = definition.steps.iter().map(|step| StepNode {
            name: step.name.clone(),
            kind: step.kind.clone(),
            needs: step.needs.clone(),
            when: step.when.clone(),
            is_fan_out: step.for_each.is_some(),
            state: None,
        });
        Self { title: definition.name.clone(), nodes: nodes.collect() }
    }

    /// Returns the graph of a workflow as it stands.
    #[must_use]
    pub fn of_workflow(snapshot: &Snapshot, workflow: &Workflow) -> Self {
        let steps = steps_of(snapshot, workflow);
        let name = |id: &crate::core::name::DocId| {
            let step = steps.iter().find(|step| step.id == *id).and_then(|step| step.execution.step.clone());
            step.unwrap_or_else(|| id.to_string())
        };
        let queue = snapshot.queue();
        let nodes = steps.iter().map(|step| StepNode {
            name: name(&step.id),
            kind: step.kind.clone(),
            needs: snapshot
                .dependencies(step)
                .iter()
                .filter_map(|(_, entry)| entry.and_then(|e| e.id.as_ref()))
                .map(name)
                .collect(),
            when: step.condition().clone(),
            is_fan_out: step.gates.for_each.usable().is_some(),
            state: Some(match (step.status, step.end()) {
                (_, Some(TaskEnd::Skipped | TaskEnd::SkippedByFailure)) => "skipped",
                (TaskStatus::Pending, _) => queue.outlook(step).word(),
                (status, _) => status.word(),
            }),
        });
        Self { title: workflow.id.to_string(), nodes: nodes.collect() }
    }

    /// Returns the graph as mermaid flowcharts: one, or several of at most 90 steps each.
    #[must_use]
    pub fn to_mermaid(&self) -> String {
        let mut out = String::new();
        let number: BTreeMap<&str, usize> =
            self.nodes.iter().enumerate().map(|(at, node)| (node.name.as_str(), at)).collect();
        for (part, nodes) in self.nodes.chunks(MERMAID_STEPS_MAX).enumerate() {
            if part > 0 {
                out.push('\n');
            }
            out.push_str("flowchart TD\n");
            let first = part * MERMAID_STEPS_MAX;
            let mut outside: Vec<usize> = Vec::new();
            for (at, node) in nodes.iter().enumerate() {
                let _ = writeln!(out, "  s{}[\"{}\"]", first + at, mermaid_text(&node.label()));
                let needs = node.needs.iter().filter_map(|need| number.get(need.as_str()));
                outside.extend(needs.filter(|need| !(first..first + nodes.len()).contains(*need)));
            }
            outside.sort_unstable();
            outside.dedup();
            for at in outside {
                let _ = writeln!(out, "  s{at}([\"{}\"])", mermaid_text(&self.nodes[at].name));
            }
            for (at, node) in nodes.iter().enumerate() {
                for need in node.needs.iter().filter_map(|need| number.get(need.as_str())) {
                    let label =
                        node.edge_label().map_or_else(String::new, |label| format!("|\"{}\"|", mermaid_text(&label)));
                    let _ = writeln!(out, "  s{need} -->{label} s{}", first + at);
                }
            }
        }
        out
    }

    /// Returns the graph in the language of Graphviz.
    #[must_use]
    pub fn to_dot(&self) -> String {
        let quoted = |text: &str| format!("\"{}\"", visible(text).replace('\\', "\\\\").replace('"', "\\\""));
        let mut out = format!("digraph {} {{\n", quoted(&self.title));
        for node in &self.nodes {
            let _ = writeln!(out, "  {} [label={}];", quoted(&node.name), quoted(&node.label()));
        }
        for node in &self.nodes {
            for need in &node.needs {
                let label = node.edge_label().map_or_else(String::new, |label| format!(" [label={}]", quoted(&label)));
                let _ = writeln!(out, "  {} -> {}{label};", quoted(need), quoted(&node.name));
            }
        }
        out.push_str("}\n");
        out
    }

    /// Returns the graph as an answer's data.
    #[must_use]
    pub fn to_json(&self) -> Json {
        let nodes = self.nodes.iter().map(|node| {
            json!({
                "step": node.name,
                "type": node.kind,
                "needs": node.needs,
                "when": node.when.text(),
                "fan_out": node.is_fan_out,
                "state": node.state,
            })
        });
        json!({ "title": self.title, "steps": nodes.collect::<Vec<_>>() })
    }

    /// Returns the length of the longest way to each step, in their order; 0 for those in a cycle.
    #[must_use]
    pub fn depths(&self) -> Vec<usize> {
        let mut depths: BTreeMap<&str, usize> = BTreeMap::new();
        // Each round places what needs only what is placed; what is left is in a cycle.
        for _ in 0..self.nodes.len() {
            for node in &self.nodes {
                let needs: Option<Vec<usize>> =
                    node.needs.iter().map(|need| depths.get(need.as_str()).copied()).collect();
                if let Some(needs) = needs {
                    depths.insert(&node.name, needs.into_iter().max().map_or(0, |depth| depth + 1));
                }
            }
        }
        self.nodes.iter().map(|node| depths.get(node.name.as_str()).copied().unwrap_or_default()).collect()
    }

    /// Returns the graph for a terminal: a line for each step, indented by the longest way to it.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut out = String::new();
        for (node, depth) in self.nodes.iter().zip(self.depths()) {
            let arrow = if depth == 0 { String::new() } else { format!("{}└─ ", "   ".repeat(depth - 1)) };
            let needs = if node.needs.is_empty() { String::new() } else { format!("  ← {}", node.needs.join(", ")) };
            let when = node.edge_label().map_or_else(String::new, |label| format!("  when {label}"));
            let state = node.state.map_or_else(String::new, |state| format!("  [{state}]"));
            let _ = writeln!(out, "{}", visible(&format!("{arrow}{}{state}{needs}{when}", node.label())));
        }
        out
    }
}

impl StepNode {
    fn label(&self) -> String {
        let kind = if self.kind == self.name { String::new() } else { format!(" ({})", self.kind) };
        format!("{}{kind}{}", self.name, if self.is_fan_out { " ×" } else { "" })
    }

    fn edge_label(&self) -> Option<String> {
        match &self.when {
            Condition::Success => None,
            Condition::Expression(text) => Some(text.clone()),
            other => Some(other.text()),
        }
    }
}

fn mermaid_text(text: &str) -> String {
    visible(text).replace('&', "#amp;").replace('"', "#quot;").replace('<', "#lt;").replace('>', "#gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::workflow::{read_definition, starter};

    #[test]
    fn a_branch_is_drawn_in_every_form() {
        let definition =
            read_definition("conditional", starter("conditional").expect("there")).definition.expect("sound");
        let graph = StepGraph::of_definition(&definition);
        assert_eq!(
            graph.to_text(),
            "build\n└─ publish  ← build\n└─ repair  ← build  when failure\n   └─ report  ← publish, repair  when any\n"
        );
        assert_eq!(
            graph.to_mermaid(),
            "flowchart TD\n  s0[\"build\"]\n  s1[\"publish\"]\n  s2[\"repair\"]\n  s3[\"report\"]\n  s0 --> s1\n  s0 -->|\"failure\"| s2\n  s1 -->|\"any\"| s3\n  s2 -->|\"any\"| s3\n"
        );
        assert!(graph.to_dot().contains("  \"build\" -> \"repair\" [label=\"failure\"];\n"), "{}", graph.to_dot());
        assert_eq!(graph.to_json()["steps"][2]["when"], "failure");
    }

    #[test]
    fn a_large_graph_is_several_diagrams() {
        let node = |n: usize| StepNode {
            name: format!("a\"{n}"),
            kind: "t".to_owned(),
            needs: (n > 0).then(|| format!("a\"{}", n - 1)).into_iter().collect(),
            when: Condition::Success,
            is_fan_out: false,
            state: None,
        };
        let graph = StepGraph { title: "large".to_owned(), nodes: (0..200).map(node).collect() };
        let text = graph.to_mermaid();
        assert_eq!(text.matches("flowchart TD").count(), 3);
        assert!(text.contains("  s89([\"a#quot;89\"])\n") && text.contains("  s89 --> s90\n"), "{text}");
        assert_eq!(text.matches("-->").count(), 199);
    }
}
