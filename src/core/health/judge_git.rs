//! Verdicts on the git program and the repository. Pure.

use super::facts::{GitFacts, Inside};
use super::judge::plural;
use super::{Check, Group, Verdict};
use crate::core::time::{Timestamp, ago};

/// The oldest git that is known to work.
const GIT_OLDEST: (u32, u32) = (2, 39);
/// A lock that nobody seems to hold is worth a word after this long, in seconds.
const LOCK_OLD_S: u64 = 10;
/// Most broken references that are named.
const BROKEN_MAX: usize = 5;
/// A commit may be this much ahead of the clock, in seconds.
const FUTURE_S_MAX: i64 = 60;

/// The git program: there, and not too old.
pub(super) fn program(told: &Result<String, String>) -> Check {
    let check = |verdict, message: String| Check::new(Group::Git, "git-program", verdict, message);
    let install = format!("install git {}.{} or newer", GIT_OLDEST.0, GIT_OLDEST.1);
    match told {
        Err(why) => check(Verdict::Problem, format!("it cannot be started: {why}")).fix(install),
        Ok(text) => {
            let shown = text.trim().to_owned();
            match version(text) {
                None => check(Verdict::Warning, format!("its version is not understood: {shown}")).fix(install),
                Some(version) if version < GIT_OLDEST => {
                    check(Verdict::Problem, format!("{shown} is too old")).fix(install)
                }
                Some(_) => check(Verdict::Ok, shown),
            }
        }
    }
}

/// The first two numbers of `git version 2.39.5 (Apple Git-154)`.
fn version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.trim().strip_prefix("git version ")?.split('.');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()?))
}

/// Everything about the repository.
pub(super) fn repository(git: &GitFacts, inside: &Inside, now: Timestamp) -> Vec<Check> {
    let mut checks = vec![branch(git, inside), identity(git)];
    checks.extend(git.faults.iter().map(|fault| {
        Check::new(Group::Git, "contents", Verdict::Problem, fault.message.clone()).maybe(fault.hint.as_ref())
    }));
    checks.extend(broken(git));
    checks.extend(operation(git));
    checks.extend(locks(git));
    checks.extend(unmerged(git));
    checks.push(ignored(git, inside));
    checks.extend(still_tracked(git, inside));
    checks.extend(left_to_git(git));
    checks.push(hooks(git));
    checks.extend(future(git, now));
    for remote in &git.secret_remotes {
        let message =
            format!("the address of the remote `{remote}` holds a password, which every program here can read");
        checks.push(
            Check::new(Group::Git, "remote", Verdict::Warning, message)
                .fix(format!("run `git remote set-url {remote} URL` without it, and use a credential helper")),
        );
    }
    checks
}

fn branch(git: &GitFacts, inside: &Inside) -> Check {
    let check = |verdict, message: String| Check::new(Group::Git, "branch", verdict, message);
    if let Some(fault) = &git.head_fault {
        return check(Verdict::Problem, fault.message.clone()).maybe(fault.hint.as_ref());
    }
    let (branch, revision) = git.head.clone().unwrap_or_default();
    let at = revision.as_deref().map(|revision| revision.get(..7).unwrap_or(revision).to_owned());
    match (branch, at, &inside.own_branch) {
        (Some(branch), at, own) => {
            let at = at.map_or_else(|| ", without a commit yet".to_owned(), |at| format!(" at {at}"));
            let own = own.as_ref().map_or("", |_| " (`commit.branch`)");
            check(Verdict::Ok, format!("commits go to {branch}{own}{at}"))
        }
        (None, at, _) => {
            let at = at.map_or_else(String::new, |at| format!(" at {at}"));
            check(Verdict::Warning, format!("HEAD is detached{at}: commits made here are on no branch"))
                .fix("run `git switch BRANCH`, or `git switch --create BRANCH` to keep them")
        }
    }
}

fn identity(git: &GitFacts) -> Check {
    let check = |verdict, message: &str| Check::new(Group::Commits, "identity", verdict, message);
    match &git.identity {
        None => check(Verdict::Ok, "git knows who commits"),
        Some(fault) => check(Verdict::Problem, &fault.message).maybe(fault.hint.as_ref()),
    }
}

/// Broken references, each with its own way out; the rest is counted.
fn broken(git: &GitFacts) -> Vec<Check> {
    let check = |message: String| Check::new(Group::Git, "references", Verdict::Problem, message);
    let named = git.broken.iter().take(BROKEN_MAX);
    let mut checks: Vec<Check> = named.map(|one| check(one.message.clone()).maybe(one.hint.as_ref())).collect();
    let more = git.broken.len().saturating_sub(BROKEN_MAX);
    if more > 0 {
        checks.push(check(format!("{more} more references are broken")).fix("run `git fsck` to see all of them"));
    }
    checks
}

fn operation(git: &GitFacts) -> Option<Check> {
    let fault = git.operation.as_ref()?;
    Some(Check::new(Group::Commits, "under-way", Verdict::Warning, fault.message.clone()).maybe(fault.hint.as_ref()))
}

fn locks(git: &GitFacts) -> Vec<Check> {
    let name = "locks";
    let mut checks: Vec<Check> = git
        .locks
        .iter()
        .map(|lock| {
            let old = !lock.alive && lock.age_s >= LOCK_OLD_S;
            let verdict = if old { Verdict::Warning } else { Verdict::Ok };
            let check = Check::new(Group::Commits, name, verdict, lock.message.clone());
            if old { check.fix(lock.hint.clone()) } else { check }
        })
        .collect();
    if git.leftovers > 0 {
        let message = match git.leftovers {
            1 => "a commit that was killed left something behind".to_owned(),
            n => format!("{n} commits that were killed left something behind"),
        };
        checks.push(
            Check::new(Group::Commits, name, Verdict::Warning, message)
                .fix("run `mycelium doctor --fix`, or any write"),
        );
    }
    if checks.is_empty() {
        checks.push(Check::new(Group::Commits, name, Verdict::Ok, "none is held, nothing is left of a killed commit"));
    }
    checks
}

fn unmerged(git: &GitFacts) -> Option<Check> {
    (git.unmerged > 0).then(|| {
        let message = format!("{} with an unresolved merge", plural(git.unmerged, "document"));
        Check::new(Group::Documents, "merges", Verdict::Problem, message)
            .fix("run `mycelium resolve`, which merges what can be merged and stages it")
    })
}

fn ignored(git: &GitFacts, inside: &Inside) -> Check {
    let check = |verdict, message: String| Check::new(Group::Commits, "ignored", verdict, message);
    let folder = &inside.folder;
    match (&inside.own_branch, &git.ignored) {
        (None, None) => check(Verdict::Ok, format!("git does not ignore `{folder}`")),
        (None, Some(way_out)) => {
            check(Verdict::Problem, format!("git ignores `{folder}`: nothing in it is committed")).fix(way_out.clone())
        }
        (Some(_), _) if git.excluded || inside.documents.as_ref().is_ok_and(|documents| documents.count == 0) => {
            check(Verdict::Ok, format!("`{folder}` is kept out of your own commits"))
        }
        (Some(branch), _) => {
            let message = format!("`{folder}` goes to {branch}, and nothing keeps it out of your own commits");
            check(Verdict::Warning, message).fix("run `mycelium doctor --fix`")
        }
    }
}

/// Documents on two branches: what git does with the one must not be taken for an edit of the other.
fn still_tracked(git: &GitFacts, inside: &Inside) -> Option<Check> {
    let branch = inside.own_branch.as_ref().filter(|_| git.still_tracked > 0)?;
    let documents = plural(git.still_tracked, "document");
    let message = format!("the branch that is checked out still tracks {documents}, which should be on {branch} only");
    let fix = format!("run `mycelium config set commit.branch {} --untrack`", crate::core::name::shell_word(branch));
    Some(Check::new(Group::Commits, "still-tracked", Verdict::Warning, message).fix(fix))
}

fn left_to_git(git: &GitFacts) -> Option<Check> {
    let (count, fault) = git.left_to_git.as_ref()?;
    let message = format!("{} left to git, such as {}", plural(*count, "document"), fault.message);
    Some(Check::new(Group::Commits, "left-to-git", Verdict::Warning, message).maybe(fault.hint.as_ref()))
}

fn hooks(git: &GitFacts) -> Check {
    let check = |message: String| Check::new(Group::Commits, "hooks", Verdict::Ok, message);
    let names = git.hooks.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" and ");
    match (git.hooks.is_empty(), git.hooks_run) {
        (true, _) => check("none that commits of documents could run".to_owned()),
        (false, true) => check(format!("{names} run with commits of documents (`commit.hooks`)")),
        (false, false) => check(format!("{names} do not run with commits of documents")),
    }
}

fn future(git: &GitFacts, now: Timestamp) -> Option<Check> {
    let at = git.committed_at?;
    (at.unix_s() - now.unix_s() > FUTURE_S_MAX).then(|| {
        let message = format!("the newest commit is from the future, {} from now", ago(now, at));
        Check::new(Group::Machine, "commit-times", Verdict::Warning, message)
            .fix("set the clock of this machine, or of the one that made the commit")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        for (text, expected) in [
            ("git version 2.39.5 (Apple Git-154)", Some((2, 39))),
            ("git version 2.47.3\n", Some((2, 47))),
            ("git version 2.51-rc1", Some((2, 51))),
            ("git version 3.0", Some((3, 0))),
            ("git version two", None),
            ("hub version 2.0", None),
        ] {
            assert_eq!(version(text), expected, "{text}");
        }
    }
}
