//! Three versions of one value: which of them stands. Knows lists and maps, not what a key means.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value as Json};

use crate::core::document::Value;

/// What becomes of a value that a base and two sides have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Three<T> {
    /// This stands, and nobody loses anything by it.
    Is(T),
    /// Each side made something else of it.
    Clash,
}

/// A value that at most one side has changed, or both alike.
pub(super) fn plain<T: Clone>(base: &T, a: &T, b: &T, same: impl Fn(&T, &T) -> bool) -> Three<T> {
    match () {
        () if same(a, b) || same(base, b) => Three::Is(a.clone()),
        () if same(base, a) => Three::Is(b.clone()),
        () => Three::Clash,
    }
}

/// The members of a set that keeps its order: what both still have of the base, and what either added. A member that comes
/// anew stands behind the one it was put behind; what the other side put at the same place stays in one piece before it.
pub(super) fn union<K: Ord + Clone>(base: &[K], a: &[K], b: &[K]) -> Vec<K> {
    let [in_base, in_a, in_b] = [base, a, b].map(|items| items.iter().collect::<BTreeSet<&K>>());
    let stays = |item: &&K| !in_base.contains(item) || in_a.contains(item) && in_b.contains(item);
    // What only the other side has, by the member of this side that it stands behind.
    let mut behind: BTreeMap<Option<&K>, Vec<&K>> = BTreeMap::new();
    let (mut anchor, mut seen) = (None, BTreeSet::new());
    for item in b.iter().filter(stays) {
        if in_a.contains(item) {
            anchor = Some(item);
        } else if seen.insert(item) {
            behind.entry(anchor).or_default().push(item);
        }
    }
    let mut out: Vec<&K> = Vec::new();
    let mut waiting = behind.remove(&None).unwrap_or_default();
    for item in a.iter().filter(stays) {
        if !seen.insert(item) {
            continue;
        }
        let is_new_here = !in_base.contains(item) && !in_b.contains(item);
        if !is_new_here {
            out.append(&mut waiting);
        }
        out.push(item);
        if let Some(more) = behind.remove(&Some(item)) {
            waiting.extend(more);
        }
    }
    out.extend(waiting);
    out.into_iter().cloned().collect()
}

/// JSON: objects key by key, lists of single values as sets, anything else as a whole.
pub(super) fn json(base: Option<&Json>, a: Option<&Json>, b: Option<&Json>) -> Three<Option<Json>> {
    if let Three::Is(value) = plain(&base, &a, &b, |a, b| a == b) {
        return Three::Is(value.cloned());
    }
    match (base, a, b) {
        (None | Some(Json::Object(_)), Some(Json::Object(a)), Some(Json::Object(b))) => {
            objects(base.and_then(Json::as_object), a, b)
        }
        (None | Some(Json::Array(_)), Some(Json::Array(a)), Some(Json::Array(b))) => {
            let base = base.and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
            let texts = |items: &[Json]| -> Option<Vec<String>> {
                items.iter().map(|item| (!item.is_object() && !item.is_array()).then(|| item.to_string())).collect()
            };
            match (texts(base), texts(a), texts(b)) {
                (Some(base), Some(a), Some(b)) => {
                    let items = union(&base, &a, &b).into_iter();
                    let read = items.filter_map(|item| serde_json::from_str::<Json>(&item).ok());
                    Three::Is(Some(Json::Array(read.collect())))
                }
                _ => Three::Clash,
            }
        }
        _ => Three::Clash,
    }
}

fn objects(base: Option<&Map<String, Json>>, a: &Map<String, Json>, b: &Map<String, Json>) -> Three<Option<Json>> {
    let keys = |map: &Map<String, Json>| map.keys().cloned().collect::<Vec<_>>();
    let of = |map: Option<&Map<String, Json>>, key: &str| map.and_then(|map| map.get(key)).cloned();
    let order = union(&[], &keys(a), &keys(b));
    let mut out = Map::new();
    for key in order {
        match json(of(base, &key).as_ref(), a.get(&key), b.get(&key)) {
            Three::Is(Some(value)) => {
                out.insert(key, value);
            }
            Three::Is(None) => {}
            Three::Clash => return Three::Clash,
        }
    }
    Three::Is(Some(Json::Object(out)))
}

/// Values of the frontmatter: maps key by key, anything else as a whole. What nobody changed stays as it is written.
pub(super) fn maps(base: Option<&Value>, a: &Value, b: &Value) -> Three<Value> {
    let (Some(left), Some(right)) = (a.as_map(), b.as_map()) else { return Three::Clash };
    let of =
        |map: &[(String, Value)], key: &str| map.iter().find(|(name, _)| name == key).map(|(_, value)| value.clone());
    let names = |map: &[(String, Value)]| map.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    let old = base.and_then(Value::as_map).unwrap_or_default();
    let mut out = Vec::new();
    for key in union(&[], &names(left), &names(right)) {
        let (base, a, b) = (of(old, &key), of(left, &key), of(right, &key));
        let same = |a: &Option<Value>, b: &Option<Value>| match (a, b) {
            (Some(a), Some(b)) => a.means(b),
            (a, b) => a.is_none() && b.is_none(),
        };
        let value = match (plain(&base, &a, &b, same), &a, &b) {
            (Three::Is(value), ..) => value,
            (Three::Clash, Some(a), Some(b)) => match maps(base.as_ref(), a, b) {
                Three::Is(value) => Some(value),
                Three::Clash => return Three::Clash,
            },
            (Three::Clash, ..) => return Three::Clash,
        };
        out.extend(value.map(|value| (key, value)));
    }
    Three::Is(Value::Map(out))
}

#[cfg(test)]
mod tests {
    use serde_json::json as value;

    use super::*;

    #[test]
    fn sets_keep_their_order_and_lose_what_either_took_out() {
        for (base, a, b, all) in [
            ("", "a", "b", "ab"),
            ("ab", "ab", "abc", "abc"),
            ("abc", "ac", "abcd", "acd"),
            ("ab", "axb", "ayb", "axyb"),
            ("ab", "ba", "ab", "ba"),
            ("abc", "", "abc", ""),
            ("ab", "abxy", "abz", "abxyz"),
            ("a", "xa", "ya", "xya"),
        ] {
            let of = |text: &str| text.chars().collect::<Vec<_>>();
            let merged: String = union(&of(base), &of(a), &of(b)).into_iter().collect();
            assert_eq!(merged, all, "{base} {a} {b}");
        }
    }

    #[test]
    fn json_is_merged_key_by_key() {
        let base = value!({"a": 1, "b": {"c": 2}, "d": [1, 2]});
        let a = value!({"a": 5, "b": {"c": 2}, "d": [1, 2, 3]});
        let b = value!({"a": 1, "b": {"c": 2, "e": 3}, "d": [2]});
        let merged = value!({"a": 5, "b": {"c": 2, "e": 3}, "d": [2, 3]});
        assert_eq!(json(Some(&base), Some(&a), Some(&b)), Three::Is(Some(merged)));
        assert_eq!(json(Some(&base), Some(&a), Some(&value!({"a": 6}))), Three::Clash);
        assert_eq!(json(None, Some(&value!([{}])), Some(&value!([[]]))), Three::Clash);
    }
}
