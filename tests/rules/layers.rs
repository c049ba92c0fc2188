//! Who may use whom: ranks of modules, owners of foreign crates and of the parts of `std` that touch the world.

use std::collections::BTreeSet;

use super::source::{code, line, paths, without_tests};
use super::{Tree, is_tests};

/// One rank: its modules, and whether a module may use those written before it in the same rank.
struct Rank {
    modules: &'static [&'static str],
    siblings: Siblings,
}

#[derive(PartialEq)]
enum Siblings {
    InOrder,
    Apart,
}

const fn apart(modules: &'static [&'static str]) -> Rank {
    Rank { modules, siblings: Siblings::Apart }
}

/// From the bottom (rank 0) to the top. A module uses only modules of lower ranks.
const RANKS: &[Rank] = &[
    Rank { modules: &["name", "time", "diagnostic", "sabotage"], siblings: Siblings::InOrder },
    apart(&["document", "config", "template"]),
    apart(&["entity"]),
    apart(&["snapshot"]),
    apart(&["archive", "check", "change", "claim", "merge"]),
    apart(&["event", "follow", "health", "message", "mirror", "plan"]),
    apart(&["engine"]),
    apart(&["store", "git", "watch", "bridge"]),
    apart(&["runner"]),
    apart(&["client", "daemon"]),
    apart(&["cli", "mcp", "board", "web", "fuzzing"]),
];

/// Crate roots: they name every module and have no rank.
const ROOTS: &[&str] = &["src/lib.rs", "src/main.rs"];

/// Foreign crates, as they are written in code, and the modules that may use them.
const OWNERS: &[(&str, &[&str])] = &[
    ("adler2", &["git"]),
    ("anstream", &["cli"]),
    ("clap", &["cli"]),
    ("clap_complete", &["cli"]),
    ("clap_mangen", &["cli"]),
    ("comfy_table", &["cli"]),
    ("crc32fast", &["runner"]),
    ("data_encoding", &["runner"]),
    ("etcetera", &["runner"]),
    ("futures_core", &["client"]),
    ("getrandom", &["runner"]),
    ("gix", &["git"]),
    ("sha1", &["event", "git", "merge", "mirror"]),
    ("granit_parser", &["document"]),
    ("indicatif", &["cli"]),
    ("jiff", &["name", "time"]),
    ("minijinja", &["template"]),
    ("notify", &["watch"]),
    ("petgraph", &["snapshot"]),
    ("postcard", &["runner"]),
    ("pulldown_cmark", &["document"]),
    ("redis", &["bridge"]),
    ("rustls_native_certs", &["bridge"]),
    ("rustix", &["store", "git"]),
    ("sd_notify", &["cli"]),
    ("serde_yaml", &["document"]),
    ("signal_hook", &["cli"]),
    ("similar", &["change", "merge"]),
    ("terminal_size", &["cli"]),
    ("tokio", &["bridge", "client", "daemon"]),
    ("tokio_rustls", &["bridge"]),
    ("unicode_normalization", &["name"]),
    ("unicode_width", &["template", "cli"]),
];

/// Crates that only give a type its form; anybody may use them.
const FREE: &[&str] = &["serde", "serde_json", "thiserror"];

/// Parts of `std` that touch the world, and the modules (or parts of one, `cli/demo`) that may use them.
///
/// In `cli` only what never touches a document: the folder of `demo`, the file that `@file` names, the text for an editor.
const WORLD: &[(&[&str], &[&str])] = &[
    (&["fs"], &["store", "git", "watch", "cli/demo", "cli/input", "cli/scratch", "cli/task/edit"]),
    (&["process", "Command"], &["git", "cli", "daemon"]),
];

fn rank(module: &str) -> Option<usize> {
    RANKS.iter().position(|rank| rank.modules.contains(&module))
}

/// Whether `module` may name `other`; none if one of them has no rank.
fn may_use(module: &str, other: &str) -> Option<bool> {
    let (mine, its) = (rank(module)?, rank(other)?);
    let place = |name| RANKS[mine].modules.iter().position(|m| *m == name);
    Some(its < mine || its == mine && RANKS[mine].siblings == Siblings::InOrder && place(other) < place(module))
}

/// The top module that a file belongs to.
fn module(path: &str) -> &str {
    let inside = path.strip_prefix("src/").unwrap_or(path);
    inside.split('/').next().unwrap_or(inside).trim_end_matches(".rs")
}

/// The files that the rules are about, with their code alone.
fn modules(tree: &Tree) -> impl Iterator<Item = (&str, &str, String)> {
    let is_ours = |path: &str| !ROOTS.contains(&path) && !is_tests(path);
    tree.rust(&["src"])
        .filter(move |(path, _)| is_ours(path))
        .map(|(path, text)| (path, module(path), without_tests(&code(text))))
}

/// A module uses only modules of a lower rank, and every module has a rank.
pub(crate) fn ranks(tree: &Tree) -> Vec<String> {
    let mut faults = Vec::new();
    for (path, user, code) in modules(tree) {
        if rank(user).is_none() {
            faults.push(format!("{path}: module `{user}` has no rank"));
            continue;
        }
        for (at, used) in paths(&code, "crate") {
            let used = used.first().map_or("", String::as_str);
            let place = format!("{path}:{}", line(&code, at));
            match may_use(user, used) {
                _ if used == user => {}
                Some(true) => {}
                Some(false) => faults.push(format!("{place}: `{user}` may not use `{used}`")),
                None => faults.push(format!("{place}: `crate::{used}` is not a module with a rank")),
            }
        }
        faults.extend(way_out(path, &code));
    }
    faults
}

/// `super::super::x` may reach another top module unseen by [`ranks`].
fn way_out(path: &str, code: &str) -> Vec<String> {
    let inside = path.trim_start_matches("src/").trim_end_matches(".rs").trim_end_matches("/mod");
    let depth = inside.split('/').count();
    let steps = |path: &[String]| 1 + path.iter().take_while(|part| *part == "super").count();
    paths(code, "super")
        .into_iter()
        .filter(|(_, path)| steps(path) >= depth)
        .map(|(at, _)| format!("{path}:{}: `super::` leaves the top module; write `crate::`", line(code, at)))
        .collect()
}

/// `lib.rs` names the modules in the order of their ranks.
pub(crate) fn reading_order(tree: &Tree) -> Vec<String> {
    let code = code(tree.get("src/lib.rs").unwrap_or_default());
    let named =
        code.lines().filter_map(|line| line.trim().strip_prefix("pub mod ")?.strip_suffix(';').map(str::to_owned));
    let ranked: Vec<_> = named.map(|module| (rank(&module), module)).collect();
    ranked
        .windows(2)
        .filter(|pair| pair[0].0 > pair[1].0)
        .map(|pair| format!("src/lib.rs: `{}` stands after `{}`, which has a higher rank", pair[1].1, pair[0].1))
        .collect()
}

/// The page on architecture has every module in the row of its rank.
pub(crate) fn page(tree: &Tree) -> Vec<String> {
    let page = tree.get("docs/architecture.md").unwrap_or_default();
    let row = |rank: usize| page.lines().find(|line| line.starts_with(&format!("| {rank} |"))).unwrap_or_default();
    let modules: BTreeSet<&str> = modules(tree).map(|(_, module, _)| module).collect();
    let ranked = modules.into_iter().filter_map(|module| Some((module, rank(module)?)));
    ranked
        .filter(|(module, rank)| !row(*rank).contains(&format!("`{module}`")))
        .map(|(module, rank)| format!("docs/architecture.md: the row of rank {rank} does not name `{module}`"))
        .collect()
}

/// Every foreign crate, and every part of `std` that touches the world, is used by its owners only.
pub(crate) fn owners(tree: &Tree) -> Vec<String> {
    let mut faults = Vec::new();
    for (path, user, code) in modules(tree) {
        for (foreign, owners) in OWNERS.iter().filter(|(_, owners)| !owners.contains(&user)) {
            for (at, _) in paths(&code, foreign) {
                faults.push(format!("{path}:{}: {} may use `{foreign}`", line(&code, at), only(owners)));
            }
        }
        for (at, used) in paths(&code, "std") {
            for (part, owners) in WORLD.iter().filter(|(_, owners)| !owners.iter().any(|owner| is_part(path, owner))) {
                if reaches(&used, part) {
                    let part = part.join("::");
                    faults.push(format!("{path}:{}: {} may use `std::{part}`", line(&code, at), only(owners)));
                }
            }
        }
    }
    faults
}

/// Whether a file belongs to a module, or to a part of one (`cli/demo`).
fn is_part(path: &str, owner: &str) -> bool {
    let rest = path.strip_prefix("src/").and_then(|inside| inside.strip_prefix(owner));
    rest.is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
}

/// Whether a path names the part, something in it, or a parent of it as a whole.
fn reaches(used: &[String], part: &[&str]) -> bool {
    let named = used.iter().filter(|step| *step != "*" && *step != "self");
    named.zip(part).all(|(a, b)| a == b)
}

fn only(owners: &[&str]) -> String {
    format!("only `{}`", owners.join("`, `"))
}

/// Every dependency has an owner, comes from the registry, and is used.
pub(crate) fn dependencies(tree: &Tree) -> Vec<String> {
    let mut faults = Vec::new();
    for (name, value) in declared(tree, "[dependencies]") {
        let foreign = name.replace('-', "_");
        let owned = OWNERS.iter().any(|(owned, _)| *owned == foreign) || FREE.contains(&foreign.as_str());
        if !owned {
            faults.push(format!("Cargo.toml: `{name}` has no owner"));
        }
        if !modules(tree).any(|(_, _, code)| !paths(&code, &foreign).is_empty()) {
            faults.push(format!("Cargo.toml: nobody uses `{name}`"));
        }
        faults.extend(foreign_source(name, value));
    }
    for (name, value) in declared(tree, "[dev-dependencies]") {
        faults.extend(foreign_source(name, value));
    }
    faults
}

/// Name and value of each line of one table in `Cargo.toml`.
fn declared<'a>(tree: &'a Tree, table: &str) -> Vec<(&'a str, &'a str)> {
    let manifest = tree.get("Cargo.toml").unwrap_or_default();
    let lines = manifest.lines().skip_while(|line| line.trim() != table).skip(1);
    lines.take_while(|line| !line.starts_with('[')).filter_map(|line| line.split_once(" = ")).collect()
}

fn foreign_source(name: &str, value: &str) -> Option<String> {
    let elsewhere = ["git =", "path ="].iter().find(|key| value.contains(*key))?;
    Some(format!("Cargo.toml: `{name}` does not come from the registry: {elsewhere}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(rule: fn(&Tree) -> Vec<String>, files: &[(&str, &str)], expected: &[&str]) {
        assert_eq!(rule(&Tree::of(files)), expected, "{files:?}");
    }

    #[test]
    fn a_module_may_not_look_up() {
        check(
            ranks,
            &[("src/snapshot.rs", "use crate::engine::Input;")],
            &["src/snapshot.rs:1: `snapshot` may not use `engine`"],
        );
        check(
            ranks,
            &[("src/store/scan.rs", "\nfn f() { crate::git::x() }")],
            &["src/store/scan.rs:2: `store` may not use `git`"],
        );
        check(
            ranks,
            &[("src/name.rs", "use crate::{diagnostic::Code, name::X};")],
            &["src/name.rs:1: `name` may not use `diagnostic`"],
        );
        check(ranks, &[("src/diagnostic.rs", "use crate::name::DocPath;")], &[]);
        check(ranks, &[("src/engine/mod.rs", "use crate::{snapshot::Snapshot, engine::Input};")], &[]);
        check(ranks, &[("src/name.rs", "// crate::cli\nconst X: &str = \"crate::cli\";")], &[]);
        check(ranks, &[("src/name.rs", "#[cfg(test)]\nmod tests { use crate::cli::X; }")], &[]);
        check(ranks, &[("src/lib.rs", "pub use crate::cli::X;")], &[]);
    }

    #[test]
    fn a_module_needs_a_rank() {
        check(ranks, &[("src/helper.rs", "")], &["src/helper.rs: module `helper` has no rank"]);
        check(
            ranks,
            &[("src/cli/get.rs", "crate::VERSION")],
            &["src/cli/get.rs:1: `crate::VERSION` is not a module with a rank"],
        );
    }

    #[test]
    fn super_may_not_leave_the_top_module() {
        let fault = "src/store/scan.rs:1: `super::` leaves the top module; write `crate::`";
        check(ranks, &[("src/store/scan.rs", "use super::super::git::X;")], &[fault]);
        check(ranks, &[("src/store/mod.rs", "use super::git::X;")], &[&fault.replace("scan", "mod")]);
        check(ranks, &[("src/store/scan.rs", "use super::Place;")], &[]);
    }

    #[test]
    fn lib_reads_from_the_bottom_up() {
        let fault = "src/lib.rs: `name` stands after `store`, which has a higher rank";
        check(reading_order, &[("src/lib.rs", "pub mod store;\npub mod name;")], &[fault]);
        check(reading_order, &[("src/lib.rs", "pub mod name;\npub mod store;")], &[]);
    }

    #[test]
    fn the_page_names_every_module_in_its_rank() {
        let page = ("docs/architecture.md", "| 3 | `snapshot` |\n| 7 | `store` |");
        check(super::page, &[page, ("src/snapshot.rs", ""), ("src/store/scan.rs", "")], &[]);
        let fault = "docs/architecture.md: the row of rank 7 does not name `git`";
        check(super::page, &[page, ("src/git.rs", "")], &[fault]);
    }

    #[test]
    fn a_foreign_crate_stays_with_its_owner() {
        check(owners, &[("src/store.rs", "use gix::ObjectId;")], &["src/store.rs:1: only `git` may use `gix`"]);
        check(owners, &[("src/git/mod.rs", "use gix::ObjectId;")], &[]);
        check(
            owners,
            &[("src/entity/task.rs", "serde_yaml::from_str(x)")],
            &["src/entity/task.rs:1: only `document` may use `serde_yaml`"],
        );
    }

    #[test]
    fn the_world_stays_with_its_owner() {
        let fs = format!("src/runner/mod.rs:1: {} may use `std::fs`", only(WORLD[0].1));
        for text in ["use std::fs;", "use std::{io, fs::File};", "std::fs::read(x)", "use std::*;"] {
            let faults = owners(&Tree::of(&[("src/runner/mod.rs", text)]));
            assert!(faults.contains(&fs), "{text}: {faults:?}");
            check(owners, &[("src/store/scan.rs", &text.replace('*', "fs"))], &[]);
            assert_eq!(owners(&Tree::of(&[("src/cli/task/get.rs", text)])).len(), 1, "{text}");
        }
        let command = "src/runner/mod.rs:1: only `git`, `cli`, `daemon` may use `std::process::Command`";
        for text in ["use std::process;", "std::process::Command::new(x)", "use std::process::{Command, ExitCode};"] {
            check(owners, &[("src/runner/mod.rs", text)], &[command]);
        }
        for text in ["use std::process::ExitCode;", "use std::{io, path::Path};", "use std::io::*;"] {
            check(owners, &[("src/runner/mod.rs", text)], &[]);
        }
    }

    #[test]
    fn a_dependency_has_an_owner_a_user_and_the_registry() {
        let manifest =
            |line: &str| format!("[dependencies]\n{line}\n\n[dev-dependencies]\nx = {{ path = \"..\" }}\n[lints]\n");
        let dev = "Cargo.toml: `x` does not come from the registry: path =";
        let user = ("src/git.rs", "gix::x()");
        check(dependencies, &[("Cargo.toml", &manifest("gix = \"1\"")), user], &[dev]);
        check(dependencies, &[("Cargo.toml", &manifest("gix = \"1\""))], &["Cargo.toml: nobody uses `gix`", dev]);
        let git = "Cargo.toml: `gix` does not come from the registry: git =";
        check(dependencies, &[("Cargo.toml", &manifest("gix = { git = \"u\" }")), user], &[git, dev]);
        let own = "Cargo.toml: `left-pad` has no owner";
        check(
            dependencies,
            &[("Cargo.toml", &manifest("left-pad = \"1\"")), ("src/git.rs", "left_pad::x()")],
            &[own, dev],
        );
    }
}
