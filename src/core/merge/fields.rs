//! The keys of the frontmatter, one by one: which value stands, which is a person's to choose.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use super::claim::{self, Contest, Side, shown};
use super::three::{self, Three, union};
use super::{Conflict, Decision};
use crate::core::document::{Document, Value};
use crate::core::name::Kind;
use crate::core::sabotage::{self, Sabotage};

/// What becomes of the keys.
#[derive(Debug, Default)]
pub(super) struct Fields {
    /// The value of each key that was decided; `None` takes it away.
    pub(super) decided: Vec<(String, Option<Value>)>,
    /// Keys that keep both values.
    pub(super) conflicts: Vec<(String, Conflict)>,
    pub(super) decisions: Vec<Decision>,
}

/// Three versions of a document and what is known of them.
pub(super) struct Versions<'a> {
    pub(super) contest: Contest<'a>,
    /// The side that counts for the claim as a whole, if both have moved it on.
    pub(super) claim: Option<Side>,
}

/// Goes through every key that one of the three has.
pub(super) fn merge(versions: &Versions<'_>) -> Fields {
    let mut fields = Fields::default();
    let all = [versions.contest.base, versions.contest.a, versions.contest.b];
    let mut seen = BTreeSet::new();
    for key in all.iter().flat_map(|document| document.fields()).map(|field| field.key.as_str()) {
        if seen.insert(key) {
            versions.key(key, &mut fields);
        }
    }
    fields
}

fn same(a: Option<&Value>, b: Option<&Value>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => a.means(b),
        (None, None) => true,
        _ => false,
    }
}

fn json(value: Option<&Value>) -> String {
    value.map_or_else(
        || "nothing".to_owned(),
        |value| match value.to_json() {
            Json::String(text) => shown(&text),
            other => shown(&other.to_string()),
        },
    )
}

impl Versions<'_> {
    fn key(&self, key: &str, fields: &mut Fields) {
        let value = |document: &Document| document.field(key).map(|field| field.value.clone());
        let Contest { kind, base, a, b, .. } = self.contest;
        let (base, a, b) = (value(base), value(a), value(b));
        if let (true, Some(side)) = (claim::has(kind, key), self.claim) {
            return fields.decided.push((key.to_owned(), if side == Side::A { a } else { b }));
        }
        if let Three::Is(value) = three::plain(&base, &a, &b, |a, b| same(a.as_ref(), b.as_ref())) {
            return fields.decided.push((key.to_owned(), value));
        }
        let parts = (base.as_ref(), a.as_ref(), b.as_ref());
        if let Some(value) = lists(parts).or_else(|| maps(parts)) {
            return fields.decided.push((key.to_owned(), Some(value)));
        }
        let Some((side, rule)) = self.side(key, a.as_ref(), b.as_ref()) else {
            let (ours, theirs) = (json(a.as_ref()), json(b.as_ref()));
            let conflict = Conflict { rule: "two values", what: format!("`{key}`"), ours, theirs };
            return fields.conflicts.push((key.to_owned(), conflict));
        };
        let (kept, lost) = if side == Side::A { (a, b) } else { (b, a) };
        // An agent's later word about itself replaces its earlier one; nobody loses anything.
        if kind != Kind::Agent {
            fields.decisions.push(Decision {
                rule,
                what: format!("`{key}`"),
                kept: json(kept.as_ref()),
                lost: json(lost.as_ref()),
                loser: None,
                winner: None,
            });
        }
        fields.decided.push((key.to_owned(), kept));
    }

    /// The side that counts for a key of which both made something else, if there is a rule.
    fn side(&self, key: &str, a: Option<&Value>, b: Option<&Value>) -> Option<(Side, &'static str)> {
        let number = |value: Option<&Value>| value.and_then(Value::as_text).and_then(|text| text.parse::<f64>().ok());
        let side = |is_a: bool| if is_a { Side::A } else { Side::B };
        match (a, b) {
            _ if self.contest.kind == Kind::Agent => Some(self.contest.winner()),
            (Some(_), None) => Some((Side::A, "change before removal")),
            (None, Some(_)) => Some((Side::B, "change before removal")),
            _ if key == "progress" => Some((side(number(a)? >= number(b)?), "further on")),
            _ if claim::has(self.contest.kind, key) => Some(self.contest.winner()),
            // Approved is approved; of two names one is as good as the other.
            (Some(a), Some(b)) if key == "approved" => Some((side(a.as_text()? <= b.as_text()?), "drawn")),
            _ => sabotage::on(Sabotage::PickAValue).then_some((Side::A, "picked")),
        }
    }
}

type Parts<'a> = (Option<&'a Value>, Option<&'a Value>, Option<&'a Value>);

/// Lists of texts are sets that keep their order.
fn lists((base, a, b): Parts<'_>) -> Option<Value> {
    if ![a, b].iter().any(|value| value.is_some_and(|value| value.as_list().is_some())) {
        return None;
    }
    let items = |value: Option<&Value>| -> Option<Vec<String>> {
        let texts = value.map_or(Some(Vec::new()), Value::texts)?;
        Some(texts.into_iter().filter(|text| !text.is_empty()).map(str::to_owned).collect())
    };
    let all = union(&items(base)?, &items(a)?, &items(b)?);
    let known = |text: &String| {
        let of = |value: Option<&Value>| value?.as_list()?.iter().find(|item| item.as_text() == Some(text)).cloned();
        of(a).or_else(|| of(b)).unwrap_or_else(|| Value::text(text.as_str()))
    };
    Some(Value::List(all.iter().map(known).collect()))
}

/// Maps are merged key by key.
fn maps((base, a, b): Parts<'_>) -> Option<Value> {
    match three::maps(base, a?, b?) {
        Three::Is(value) => Some(value),
        Three::Clash => None,
    }
}
