//! Three versions of one value: which of them stands. Knows lists and maps, not what a key means.

use std::collections::BTreeSet;

use serde_json::{Map, Value as Json};

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
/// anew stands behind the one it was put behind.
pub(super) fn union<K: Ord + Clone>(base: &[K], a: &[K], b: &[K]) -> Vec<K> {
    let set = |items: &[K]| items.iter().cloned().collect::<BTreeSet<K>>();
    let (in_base, in_a, in_b) = (set(base), set(a), set(b));
    let stays = |item: &K| !in_base.contains(item) || in_a.contains(item) && in_b.contains(item);
    let mut out: Vec<K> = Vec::new();
    for item in a.iter().filter(|item| stays(item)) {
        if !out.contains(item) {
            out.push(item.clone());
        }
    }
    let mut behind: Option<usize> = None;
    for item in b.iter().filter(|item| stays(item)) {
        let at = out.iter().position(|other| other == item).unwrap_or_else(|| {
            // What the other side put at the same place stays in one piece before it.
            let mut at = behind.map_or(0, |at| at + 1);
            let ours = |item: &K| !in_base.contains(item) && !in_b.contains(item);
            while out.get(at).is_some_and(ours) {
                at += 1;
            }
            out.insert(at, item.clone());
            at
        });
        behind = Some(at);
    }
    out
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
