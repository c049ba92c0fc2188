//! Decides how a folder follows a branch that git does not check out: what git put there or took away is no edit. Pure.

use crate::core::name::ContentId;

/// The versions of one document: in the folder, on the branch that the folder follows, and in commits of the code branch.
#[derive(Debug, Clone, Default)]
pub struct DocumentVersions<'a> {
    /// In the folder; `None` if it is missing there.
    pub here: Option<&'a ContentId>,
    /// On the branch, when the folder was brought to it last.
    pub base: Option<&'a ContentId>,
    /// On the branch now.
    pub tip: Option<&'a ContentId>,
    /// In the commits that were checked out in this worktree since, newest first.
    pub code: Vec<&'a ContentId>,
    /// The commit that is checked out now holds it as it is here.
    pub is_checked_out: bool,
    /// The newest operation of the journal left it as it is here.
    pub is_own: bool,
    /// The branch held it once and removed it.
    pub was_removed: bool,
}

/// Whether files are left alone that are as the checked-out commit holds them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FollowScope {
    /// They are: git counts them as unchanged, and can go on with them. A watcher follows so.
    LeaveCheckedOut,
    /// They are not: who reads and decides needs what the branch holds. A command follows so.
    Everything,
}

/// What to do with one document of the folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FollowStep {
    /// Leave it: it is as on the branch, or it was edited here.
    Keep,
    /// Write what the branch holds, or remove what it does not hold.
    Take,
    /// Merge what was changed here with what was changed on the branch.
    Merge,
}

/// Decides what to do with one document.
///
/// - What git put there (it equals a commit that was checked out) is no edit: the branch's version replaces it. One that the
///   branch never held is kept, since it has yet to be moved there.
/// - What git took away (a commit that was checked out held it) is no removal: it is written again.
/// - What is missing for another reason stays missing as long as the branch does not change it: a person decides.
#[must_use]
pub fn decide(versions: &DocumentVersions<'_>, scope: FollowScope) -> FollowStep {
    let DocumentVersions { here, base, tip, code, .. } = versions;
    let has_moved = base != tip;
    if here == tip {
        return FollowStep::Keep;
    }
    if versions.is_own {
        // An operation that left the document as the branch had it (following is one) has changed nothing here.
        return match (has_moved, here == base) {
            (true, true) => FollowStep::Take,
            (true, false) => FollowStep::Merge,
            (false, _) => FollowStep::Keep,
        };
    }
    let Some(content) = here else {
        return if has_moved || !code.is_empty() { FollowStep::Take } else { FollowStep::Keep };
    };
    if code.contains(content) {
        let is_known = tip.is_some() || base.is_some() || versions.was_removed;
        let is_left = versions.is_checked_out && scope == FollowScope::LeaveCheckedOut;
        return if is_known && !is_left { FollowStep::Take } else { FollowStep::Keep };
    }
    match (has_moved, here == base) {
        (true, true) => FollowStep::Take,
        (true, false) => FollowStep::Merge,
        (false, _) => FollowStep::Keep,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One document as `here base tip code`, each a letter or `-`; the code may have several, newest first. A `*` behind
    /// `here` says that an operation wrote it, a `!` behind the code that the branch removed it once.
    fn step(text: &str, scope: FollowScope) -> FollowStep {
        let id = |letter: char| ContentId::new(format!("{:040x}", letter as u32));
        let words: Vec<&str> = text.split(' ').collect();
        let one = |word: &str| word.chars().next().filter(|letter| *letter != '-').and_then(id);
        let (here, base, tip) = (one(words[0]), one(words[1]), one(words[2]));
        let code: Vec<ContentId> = words[3].chars().filter(char::is_ascii_lowercase).filter_map(id).collect();
        let versions = DocumentVersions {
            here: here.as_ref(),
            base: base.as_ref(),
            tip: tip.as_ref(),
            code: code.iter().collect(),
            is_checked_out: here.is_some() && code.first() == here.as_ref(),
            is_own: words[0].ends_with('*'),
            was_removed: words[3].ends_with('!'),
        };
        decide(&versions, scope)
    }

    #[test]
    fn each_state_of_a_document_has_one_step() {
        use FollowStep::{Keep, Merge, Take};
        for (text, everything, leave) in [
            // Nobody but the branch.
            ("a a a -", Keep, Keep),
            ("a a b -", Take, Take),
            ("a a - -", Take, Take),
            ("- - a -", Take, Take),
            // An edit by hand, alone and beside the branch.
            ("b a a -", Keep, Keep),
            ("c a b -", Merge, Merge),
            ("c - - -", Keep, Keep),
            ("c a - -", Merge, Merge),
            // An operation that is not committed yet.
            ("b* a a -", Keep, Keep),
            ("b* a c -", Merge, Merge),
            ("a* a - -", Take, Take),
            ("a* a b o", Take, Take),
            ("-* a - a", Keep, Keep),
            ("-* a a a", Keep, Keep),
            ("b* a a b", Keep, Keep),
            // Missing by hand or by `git clean`: a person decides, unless the branch went on.
            ("- a a -", Keep, Keep),
            ("- a b -", Take, Take),
            // Taken away by git: a switch from a branch that tracks it, `git rm`.
            ("- a a a", Take, Take),
            ("- a a b", Take, Take),
            // Put there by git: an old branch, `checkout .`, `stash`, `reset --hard`.
            ("o a a o", Take, Keep),
            ("o a b o", Take, Keep),
            ("o a a po", Take, Take),
            ("o - b o", Take, Keep),
            // As the branch holds it, whatever git tracks.
            ("a a a o", Keep, Keep),
            // An edit by hand of a document that git tracks too.
            ("c a a o", Keep, Keep),
            ("c - b o", Merge, Merge),
            // Only on the code branch: yet to be moved, or a document that was removed and comes back with an old branch.
            ("o - - o", Keep, Keep),
            ("o - - o!", Take, Keep),
            ("o - - po!", Take, Take),
            ("c - - o!", Keep, Keep),
        ] {
            assert_eq!(step(text, FollowScope::Everything), everything, "{text}");
            assert_eq!(step(text, FollowScope::LeaveCheckedOut), leave, "{text}");
        }
    }

    #[test]
    fn what_git_did_is_never_left_as_a_removal_or_an_edit() {
        let letters = ["-", "a", "b", "c"];
        for here in letters {
            for base in letters {
                for tip in letters {
                    for code in letters {
                        let step = step(&format!("{here} {base} {tip} {code}"), FollowScope::Everything);
                        let was_git = (here == "-" && code != "-") || (here != "-" && here == code);
                        let is_settled = here == tip || (tip == "-" && base == "-");
                        assert!(
                            !was_git || is_settled || step == FollowStep::Take,
                            "{here} {base} {tip} {code}: {step:?}"
                        );
                    }
                }
            }
        }
    }
}
