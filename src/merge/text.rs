//! Merging by lines, and taking a text with conflict markers apart again. Knows lines, not what they say.

use std::fmt::Write as _;

use similar::{ConflictStyle, DiffTag, MergeResolution, TextDiff, TextMerge};

use super::{Conflict, Merged, Names};
use crate::document::Document;

/// Merges whole texts by lines.
pub(super) fn whole(base: Option<&Document>, ours: &Document, theirs: &Document, names: &Names<'_>) -> Merged {
    let clean =
        |document: &Document| Merged { document: document.clone(), conflicts: Vec::new(), decisions: Vec::new() };
    if ours == theirs || base == Some(theirs) {
        return clean(ours);
    }
    if base == Some(ours) {
        return clean(theirs);
    }
    let text = |document: &Document| std::str::from_utf8(document.bytes()).ok().map(str::to_owned);
    let (Some(mine), Some(other)) = (text(ours), text(theirs)) else {
        let conflict = Conflict {
            rule: "not text",
            what: "the file".to_owned(),
            ours: "its bytes".to_owned(),
            theirs: "other bytes".to_owned(),
        };
        return Merged { document: ours.clone(), conflicts: vec![conflict], decisions: Vec::new() };
    };
    let base = base.and_then(text).unwrap_or_else(|| common(&mine, &other));
    let (merged, conflicts) = lines(&base, &mine, &other, names);
    Merged { document: Document::parse(merged.into_bytes()), conflicts, decisions: Vec::new() }
}

/// The lines that two texts have alike, in order.
pub(super) fn common(a: &str, b: &str) -> String {
    let diff = TextDiff::from_lines(a, b);
    let alike = diff.ops().iter().filter(|op| op.tag() == DiffTag::Equal);
    alike.flat_map(|op| op.old_range()).map(|at| &diff.old_lookup()[at]).collect()
}

/// The merged lines, with markers around those that both changed differently.
pub(super) fn lines(base: &str, ours: &str, theirs: &str, names: &Names<'_>) -> (String, Vec<Conflict>) {
    let swap = names.same_from_both_sides && theirs < ours;
    let (ours, theirs) = if swap { (theirs, ours) } else { (ours, theirs) };
    let mut merge = TextMerge::from_lines(base, ours, theirs);
    merge.labels("base", names.ours, names.theirs).conflict_style(ConflictStyle::Diff3);
    let mut conflicts = Vec::new();
    for region in merge.regions().iter().filter(|region| region.resolution() == MergeResolution::Conflict) {
        let part = |range: std::ops::Range<usize>, line: &dyn Fn(usize) -> Option<String>| {
            range.filter_map(line).fold(String::new(), |mut text, line| {
                let _ = write!(text, "{line}");
                text
            })
        };
        conflicts.push(Conflict {
            rule: "same lines",
            what: "the text".to_owned(),
            ours: part(region.ours_range(), &|at| merge.ours_line(at).map(str::to_owned)),
            theirs: part(region.theirs_range(), &|at| merge.theirs_line(at).map(str::to_owned)),
        });
    }
    (merge.to_string(), conflicts)
}

/// The three versions of a text with conflict markers: base (where the markers have one, else the lines outside them), ours,
/// theirs. `None` if there is no whole conflict in it.
#[must_use]
pub fn sides(text: &str) -> Option<(String, String, String)> {
    #[derive(PartialEq)]
    enum At {
        Outside,
        Ours,
        Base,
        Theirs,
    }
    let (mut base, mut ours, mut theirs) = (String::new(), String::new(), String::new());
    let (mut at, mut found) = (At::Outside, false);
    for line in text.split_inclusive('\n') {
        let is = |mark: &str| {
            line.strip_prefix(mark).is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\r', '\n']))
        };
        at = match at {
            At::Outside if is("<<<<<<<") => At::Ours,
            At::Ours if is("|||||||") => At::Base,
            At::Ours | At::Base if is("=======") => At::Theirs,
            At::Theirs if is(">>>>>>>") => {
                found = true;
                At::Outside
            }
            now => {
                let into: &mut [&mut String] = match now {
                    At::Outside => &mut [&mut base, &mut ours, &mut theirs],
                    At::Ours => &mut [&mut ours],
                    At::Base => &mut [&mut base],
                    At::Theirs => &mut [&mut theirs],
                };
                into.iter_mut().for_each(|text| text.push_str(line));
                now
            }
        };
    }
    (found && at == At::Outside).then_some((base, ours, theirs))
}
