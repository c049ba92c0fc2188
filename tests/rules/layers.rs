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
    Rank { modules: &["name", "time", "diagnostic", "problem", "sabotage"], siblings: Siblings::InOrder },
    apart(&["document", "config", "template"]),
    apart(&["entity"]),
    apart(&["snapshot"]),
    apart(&["archive", "check", "change", "lease", "merge"]),
    apart(&["event", "follow", "health", "commit_message", "plan", "reconcile"]),
    apart(&["engine", "operation"]),
    apart(&["workflow"]),
    apart(&["process"]),
    apart(&["store", "git", "watch", "redis", "taskqueue"]),
    apart(&["services"]),
    apart(&["view"]),
    apart(&["client", "daemon"]),
    apart(&["cli", "mcp", "board", "web", "fuzzing"]),
];

/// Crate roots: they name every module and have no rank.
const ROOTS: &[&str] = &["src/lib.rs", "src/main.rs"];

/// The floors of the house, from the bottom: folders of `src`, and the ranks that are on each. `services` is one module.
const FLOORS: &[(&str, std::ops::RangeInclusive<usize>)] =
    &[("core", 0..=7), ("adapters", 8..=9), ("services", 10..=10), ("api", 11..=12), ("faces", 13..=13)];

/// The one floor that is a module by itself.
const ONE: &str = "services";

/// Foreign crates, as they are written in code, and the modules that may use them.
const OWNERS: &[(&str, &[&str])] = &[
    ("adler2", &["git"]),
    ("anstream", &["cli"]),
    ("clap", &["cli"]),
    ("clap_complete", &["cli"]),
    ("clap_mangen", &["cli"]),
    ("comfy_table", &["cli"]),
    ("crc32fast", &["services"]),
    ("data_encoding", &["services"]),
    ("etcetera", &["services"]),
    ("futures_core", &["client"]),
    ("getrandom", &["services"]),
    ("gix", &["git"]),
    ("sha1", &["event", "git", "merge", "reconcile"]),
    ("granit_parser", &["document"]),
    ("indicatif", &["cli"]),
    ("jiff", &["name", "time"]),
    ("minijinja", &["template"]),
    ("notify", &["watch"]),
    ("petgraph", &["snapshot"]),
    ("postcard", &["services"]),
    ("pulldown_cmark", &["document"]),
    ("redis", &["redis"]),
    ("rustls_native_certs", &["redis"]),
    ("rustix", &["process", "store", "git", "taskqueue"]),
    ("sd_notify", &["cli"]),
    ("serde_yaml", &["document"]),
    ("signal_hook", &["cli"]),
    ("similar", &["change", "merge"]),
    ("terminal_size", &["cli"]),
    ("tokio", &["redis", "client", "daemon", "view"]),
    ("tokio_rustls", &["redis"]),
    ("unicode_normalization", &["name"]),
    ("unicode_width", &["template", "view", "cli"]),
];

/// Crates that only give a type its form; anybody may use them.
const FREE: &[&str] = &["serde", "serde_json", "thiserror"];

/// Parts of `std` that touch the world, and the modules (or parts of one, `cli/demo`) that may use them.
///
/// In `cli` only what never touches a document: the folder of `demo`, the file that `@file` names, the text for an editor.
const WORLD: &[(&[&str], &[&str])] = &[
    (&["fs"], &["store", "git", "watch", "process", "cli/demo", "cli/input", "cli/scratch", "cli/task/edit"]),
    (&["process", "Command"], &["process", "git", "taskqueue", "cli", "daemon"]),
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

/// The path of a file from the module down: without `src` and without the floor.
fn inside(path: &str) -> &str {
    let path = path.strip_prefix("src/").unwrap_or(path);
    let above = |floor: &&str| *floor != ONE && path.strip_prefix(floor).is_some_and(|rest| rest.starts_with('/'));
    let floor = FLOORS.iter().map(|(floor, _)| *floor).find(above);
    floor.map_or(path, |floor| &path[floor.len() + 1..])
}

/// The module that a file belongs to.
fn module(path: &str) -> &str {
    inside(path).split('/').next().unwrap_or(path).trim_end_matches(".rs")
}

/// Whether the file only names the modules of a floor.
fn is_floor(path: &str) -> bool {
    FLOORS.iter().any(|(floor, _)| *floor != ONE && path == format!("src/{floor}/mod.rs"))
}

/// The module that a path from the crate's root names.
fn named(path: &[String]) -> &str {
    let part = |at: usize| path.get(at).map_or("", String::as_str);
    let is_floor = |name: &str| name != ONE && FLOORS.iter().any(|(floor, _)| *floor == name);
    if is_floor(part(0)) { part(1) } else { part(0) }
}

/// The files that the rules are about, with their code alone.
fn modules(tree: &Tree) -> impl Iterator<Item = (&str, &str, String)> {
    let is_ours = |path: &str| !ROOTS.contains(&path) && !is_floor(path) && !is_tests(path);
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
            let used = named(&used);
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
    let inside = inside(path).trim_end_matches(".rs").trim_end_matches("/mod");
    let depth = inside.split('/').count();
    let steps = |path: &[String]| 1 + path.iter().take_while(|part| *part == "super").count();
    paths(code, "super")
        .into_iter()
        .filter(|(_, path)| steps(path) >= depth)
        .map(|(at, _)| format!("{path}:{}: `super::` leaves the top module; write `crate::`", line(code, at)))
        .collect()
}

/// `lib.rs` names the floors from the bottom up, and each floor its modules in the order of their ranks.
pub(crate) fn reading_order(tree: &Tree) -> Vec<String> {
    let mut faults = Vec::new();
    let place = |name: &str| FLOORS.iter().position(|(floor, _)| *floor == name);
    let floors = FLOORS.iter().filter(|(floor, _)| *floor != ONE).map(|(floor, _)| format!("src/{floor}/mod.rs"));
    let ranks = floors.map(|file| (file, &rank as &dyn Fn(&str) -> Option<usize>));
    for (file, order) in
        std::iter::once(("src/lib.rs".to_owned(), &place as &dyn Fn(&str) -> Option<usize>)).chain(ranks)
    {
        let code = code(tree.get(&file).unwrap_or_default());
        let named = code.lines().filter_map(|line| line.trim().strip_prefix("pub mod ")?.strip_suffix(';'));
        let ordered: Vec<_> = named.filter(|module| order(module).is_some()).collect();
        let wrong = ordered.windows(2).filter(|pair| order(pair[0]) > order(pair[1]));
        faults.extend(wrong.map(|pair| format!("{file}: `{}` stands after `{}`, which is above it", pair[1], pair[0])));
    }
    faults
}

/// A module is on the floor of its rank.
pub(crate) fn floors(tree: &Tree) -> Vec<String> {
    let wrong = |path: &str, module: &str| {
        let floor = FLOORS.iter().find(|(_, ranks)| rank(module).is_some_and(|rank| ranks.contains(&rank)))?.0;
        let is_there = path.strip_prefix("src/").is_some_and(|path| path.split('/').next() == Some(floor));
        (!is_there && module != "fuzzing").then(|| format!("{path}: `{module}` belongs on the floor `{floor}`"))
    };
    modules(tree).filter_map(|(path, module, _)| wrong(path, module)).collect()
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

/// Where documents are written: what takes the folder as its own goes through this file.
const WRITER: &str = "src/services/document_writer.rs";
/// The methods of the store that write documents, as they are called.
const WRITES: [&str; 4] = ["log.apply(", "log().apply(", ".apply_unsynced(", ".apply_as("];

/// Above the store only [`WRITER`] writes documents.
pub(crate) fn one_writer(tree: &Tree) -> Vec<String> {
    let above = tree.rust(&["src"]).filter(|(path, _)| !path.starts_with("src/adapters/store/") && !is_tests(path));
    let writes = |text: &str| {
        let text: String = without_tests(&code(text)).split_whitespace().collect();
        WRITES.iter().any(|call| text.contains(call))
    };
    let callers: Vec<&str> = above.filter(|(_, text)| writes(text)).map(|(path, _)| path).collect();
    if callers == [WRITER] {
        return Vec::new();
    }
    let others = callers.into_iter().filter(|path| *path != WRITER);
    let faults: Vec<String> = others.map(|path| format!("{path}: only {WRITER} may write documents")).collect();
    if faults.is_empty() { vec![format!("{WRITER}: no method that writes documents is called there")] } else { faults }
}

/// The modules of `services`, from the bottom up: each uses only those before it.
const SERVICES: &[&str] = &[
    "error",
    "environment",
    "progress",
    "backend_id",
    "claim_arbiter",
    "after_write",
    "remote_events",
    "intake",
    "document_writer",
    "index",
    "commits",
    "configuration",
    "leases",
    "operations",
    "workflows",
    "events",
    "conflicts",
    "history",
    "bridge",
    "sync",
    "monitor",
    "maintenance",
    "workers",
    "project",
];
/// Opens a project and hands out its services; and the one below it that opens a project of its own.
const ROOT: (&str, &[&str]) = ("project", &["bridge"]);
/// The adapters of backends, each with the only folder that may name it. All may meet their errors.
const BACKENDS: &[(&str, &str)] =
    &[("redis", "src/services/bridge/redis/"), ("taskqueue", "src/services/bridge/taskqueue/")];
/// The files that name the errors of all adapters.
const ERRORS: [&str; 2] = ["src/services/error.rs", "src/services/error/backend.rs"];

/// Between the services no arrow goes up, so there is no cycle; and a backend is named in its own folder alone.
pub(crate) fn services(tree: &Tree) -> Vec<String> {
    let facade = without_tests(&code(tree.get("src/services/mod.rs").unwrap_or_default()));
    let handed_on = |module: &'static str| paths(&facade, module).into_iter().map(move |(_, path)| (path, module));
    let named: Vec<(Vec<String>, &str)> = SERVICES.iter().flat_map(|module| handed_on(module)).collect();
    let owner = |name: &String| {
        let module = SERVICES.iter().copied().find(|module| module == name);
        module.or_else(|| named.iter().find(|(path, _)| path.first() == Some(name)).map(|(_, module)| *module))
    };
    let place = |module: &str| SERVICES.iter().position(|other| *other == module);
    let mut faults = Vec::new();
    for (path, _, code) in modules(tree).filter(|(path, user, _)| *user == ONE && *path != "src/services/mod.rs") {
        let inside = path.trim_start_matches("src/services/").trim_end_matches(".rs").trim_end_matches("/mod");
        let user = inside.split('/').next().unwrap_or(inside);
        let Some(height) = place(user) else {
            faults.push(format!("{path}: `{user}` has no place among the services"));
            continue;
        };
        for (at, used) in named_services(&code, inside.split('/').count()) {
            let Some(module) = owner(&used).filter(|module| *module != user) else { continue };
            let may = place(module) < Some(height) || module == ROOT.0 && ROOT.1.contains(&user);
            if !may {
                faults.push(format!("{path}:{}: `{user}` may not use `{module}`, which is above it", line(&code, at)));
            }
        }
        for (backend, folder) in
            BACKENDS.iter().filter(|(_, folder)| !ERRORS.contains(&path) && !path.starts_with(folder))
        {
            let named = paths(&code, "crate").into_iter().filter(|(_, path)| named_adapter(path) == *backend);
            faults
                .extend(named.map(|(at, _)| format!("{path}:{}: only {folder} may use `{backend}`", line(&code, at))));
        }
    }
    faults
}

/// The names of `services` that a file of it uses, with their places: by paths, and by what it asks a project for.
fn named_services(code: &str, depth: usize) -> Vec<(usize, String)> {
    let below = |(at, path): (usize, Vec<String>)| {
        let name = path.get(1).filter(|_| path.first().is_some_and(|first| first == ONE));
        name.map(|name| (at, name.clone()))
    };
    let above = |(at, path): (usize, Vec<String>)| {
        let steps = path.iter().take_while(|part| *part == "super").count();
        path.get(steps).filter(|_| steps + 1 == depth).map(|name| (at, name.clone()))
    };
    let asked = code.match_indices("project.").filter_map(|(at, found)| {
        let rest = &code[at + found.len()..];
        rest.split_once("()").map(|(name, _)| (at, name.to_owned()))
    });
    let by_path = paths(code, "crate").into_iter().filter_map(below);
    by_path.chain(paths(code, "super").into_iter().filter_map(above)).chain(asked).collect()
}

/// The adapter that a path from the crate's root names.
fn named_adapter(path: &[String]) -> &str {
    if path.first().is_some_and(|first| first == "adapters") { path.get(1).map_or("", String::as_str) } else { "" }
}

/// Whether a file belongs to a module, or to a part of one (`cli/demo`).
fn is_part(path: &str, owner: &str) -> bool {
    let rest = inside(path).strip_prefix(owner);
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
            &[("src/core/snapshot.rs", "use crate::core::engine::Input;")],
            &["src/core/snapshot.rs:1: `snapshot` may not use `engine`"],
        );
        check(
            ranks,
            &[("src/adapters/store/scan.rs", "\nfn f() { crate::adapters::git::x() }")],
            &["src/adapters/store/scan.rs:2: `store` may not use `git`"],
        );
        check(
            ranks,
            &[("src/core/name.rs", "use crate::core::{diagnostic::Code, name::X};")],
            &["src/core/name.rs:1: `name` may not use `diagnostic`"],
        );
        check(ranks, &[("src/core/diagnostic.rs", "use crate::core::name::DocPath;")], &[]);
        check(ranks, &[("src/core/engine/mod.rs", "use crate::{core::snapshot::Snapshot, core::engine::Input};")], &[]);
        check(ranks, &[("src/core/name.rs", "// crate::faces::cli\nconst X: &str = \"crate::faces::cli\";")], &[]);
        check(ranks, &[("src/core/name.rs", "#[cfg(test)]\nmod tests { use crate::faces::cli::X; }")], &[]);
        check(ranks, &[("src/lib.rs", "pub use crate::faces::cli::X;")], &[]);
    }

    #[test]
    fn a_module_needs_a_rank() {
        check(ranks, &[("src/helper.rs", "")], &["src/helper.rs: module `helper` has no rank"]);
        check(
            ranks,
            &[("src/faces/cli/get.rs", "crate::VERSION")],
            &["src/faces/cli/get.rs:1: `crate::VERSION` is not a module with a rank"],
        );
    }

    #[test]
    fn super_may_not_leave_the_top_module() {
        let fault = "src/adapters/store/scan.rs:1: `super::` leaves the top module; write `crate::`";
        check(ranks, &[("src/adapters/store/scan.rs", "use super::super::git::X;")], &[fault]);
        check(ranks, &[("src/adapters/store/mod.rs", "use super::git::X;")], &[&fault.replace("scan", "mod")]);
        check(ranks, &[("src/adapters/store/scan.rs", "use super::Place;")], &[]);
    }

    #[test]
    fn lib_reads_from_the_bottom_up() {
        let fault = "src/lib.rs: `core` stands after `services`, which is above it";
        check(reading_order, &[("src/lib.rs", "pub mod services;\npub mod core;")], &[fault]);
        check(reading_order, &[("src/lib.rs", "pub mod core;\npub mod services;")], &[]);
        let fault = "src/core/mod.rs: `name` stands after `entity`, which is above it";
        check(reading_order, &[("src/core/mod.rs", "pub mod entity;\npub mod name;")], &[fault]);
    }

    #[test]
    fn a_module_is_on_its_floor() {
        let fault = "src/core/store/scan.rs: `store` belongs on the floor `adapters`";
        check(floors, &[("src/core/store/scan.rs", "")], &[fault]);
        check(floors, &[("src/adapters/store/scan.rs", ""), ("src/services/x.rs", "")], &[]);
    }

    #[test]
    fn the_page_names_every_module_in_its_rank() {
        let page = ("docs/architecture.md", "| 3 | `snapshot` |\n| 9 | `store` |");
        check(super::page, &[page, ("src/core/snapshot.rs", ""), ("src/adapters/store/scan.rs", "")], &[]);
        let fault = "docs/architecture.md: the row of rank 9 does not name `git`";
        check(super::page, &[page, ("src/adapters/git.rs", "")], &[fault]);
    }

    #[test]
    fn a_foreign_crate_stays_with_its_owner() {
        check(
            owners,
            &[("src/adapters/store.rs", "use gix::ObjectId;")],
            &["src/adapters/store.rs:1: only `git` may use `gix`"],
        );
        check(owners, &[("src/adapters/git/mod.rs", "use gix::ObjectId;")], &[]);
        check(
            owners,
            &[("src/core/entity/task.rs", "serde_yaml::from_str(x)")],
            &["src/core/entity/task.rs:1: only `document` may use `serde_yaml`"],
        );
    }

    #[test]
    fn the_world_stays_with_its_owner() {
        let fs = format!("src/services/mod.rs:1: {} may use `std::fs`", only(WORLD[0].1));
        for text in ["use std::fs;", "use std::{io, fs::File};", "std::fs::read(x)", "use std::*;"] {
            let faults = owners(&Tree::of(&[("src/services/mod.rs", text)]));
            assert!(faults.contains(&fs), "{text}: {faults:?}");
            check(owners, &[("src/adapters/store/scan.rs", &text.replace('*', "fs"))], &[]);
            assert_eq!(owners(&Tree::of(&[("src/faces/cli/task/get.rs", text)])).len(), 1, "{text}");
        }
        let command = "src/services/mod.rs:1: only `process`, `git`, `taskqueue`, `cli`, `daemon` may use `std::process::Command`";
        for text in ["use std::process;", "std::process::Command::new(x)", "use std::process::{Command, ExitCode};"] {
            check(owners, &[("src/services/mod.rs", text)], &[command]);
        }
        for text in ["use std::process::ExitCode;", "use std::{io, path::Path};", "use std::io::*;"] {
            check(owners, &[("src/services/mod.rs", text)], &[]);
        }
    }

    #[test]
    fn no_arrow_between_services_goes_up() {
        let facade = ("src/services/mod.rs", "pub use bridge::{Backends, Follower};\npub use leases::Leases;");
        let up = |at: &str, user: &str, used: &str| format!("{at}:1: `{user}` may not use `{used}`, which is above it");
        for (path, text, fault) in [
            ("src/services/events/hub.rs", "use crate::services::Backends;", Some(("events", "bridge"))),
            ("src/services/events/hub.rs", "use crate::services::{Leases, bridge::X};", Some(("events", "bridge"))),
            ("src/services/events/hub.rs", "use super::super::bridge::X;", Some(("events", "bridge"))),
            ("src/services/events/hub.rs", "use super::bridge::X;", None),
            ("src/services/events/mod.rs", "use super::Follower;", Some(("events", "bridge"))),
            ("src/services/events/mod.rs", "fn f() { project.bridge().x() }", Some(("events", "bridge"))),
            ("src/services/events/mod.rs", "fn f() { project.leases().x() }", None),
            ("src/services/sync/mod.rs", "use super::Backends;", None),
            ("src/services/leases.rs", "use super::project::Project;", Some(("leases", "project"))),
            ("src/services/events/hub.rs", "use crate::services::project::Project;", Some(("events", "project"))),
            ("src/services/error.rs", "use super::bridge::AGREE;", Some(("error", "bridge"))),
        ] {
            let expected: Vec<String> = fault.map(|(user, used)| up(path, user, used)).into_iter().collect();
            let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
            check(services, &[facade, (path, text)], &expected);
        }
        check(services, &[("src/services/x.rs", "")], &["src/services/x.rs: `x` has no place among the services"]);
        for path in ["src/services/events/hub.rs", "src/services/bridge/pass.rs", "src/services/bridge/taskqueue/x.rs"]
        {
            let fault = format!("{path}:1: only src/services/bridge/redis/ may use `redis`");
            check(services, &[(path, "use crate::adapters::redis::Link;")], &[&fault]);
        }
        check(services, &[("src/services/bridge/redis/x.rs", "use crate::adapters::redis::Link;")], &[]);
        check(services, &[(ERRORS[0], "use crate::adapters::redis::BridgeError;")], &[]);
    }

    #[test]
    fn documents_are_written_in_one_place() {
        let writer = (WRITER, "fn write(&self) { self.store.apply_unsynced(operation) }");
        check(one_writer, &[writer, ("src/adapters/store/apply.rs", "fn f() { log.apply(x) }")], &[]);
        for call in
            ["project\n.store.log\n.apply(x)", "self.store().log().apply(x)", "x.apply_unsynced(y)", "x.apply_as(y)"]
        {
            let other = format!("fn f() {{ {call} }}\n");
            let fault = format!("src/services/a.rs: only {WRITER} may write documents");
            check(one_writer, &[writer, ("src/services/a.rs", &other)], &[&fault]);
        }
        check(one_writer, &[writer, ("src/services/a.rs", "fn f() { change.apply(document) }")], &[]);
        assert_eq!(one_writer(&Tree::of(&[(WRITER, "fn write() {}")])).len(), 1, "the rule sees the writer");
    }

    #[test]
    fn a_dependency_has_an_owner_a_user_and_the_registry() {
        let manifest =
            |line: &str| format!("[dependencies]\n{line}\n\n[dev-dependencies]\nx = {{ path = \"..\" }}\n[lints]\n");
        let dev = "Cargo.toml: `x` does not come from the registry: path =";
        let user = ("src/adapters/git.rs", "gix::x()");
        check(dependencies, &[("Cargo.toml", &manifest("gix = \"1\"")), user], &[dev]);
        check(dependencies, &[("Cargo.toml", &manifest("gix = \"1\""))], &["Cargo.toml: nobody uses `gix`", dev]);
        let git = "Cargo.toml: `gix` does not come from the registry: git =";
        check(dependencies, &[("Cargo.toml", &manifest("gix = { git = \"u\" }")), user], &[git, dev]);
        let own = "Cargo.toml: `left-pad` has no owner";
        check(
            dependencies,
            &[("Cargo.toml", &manifest("left-pad = \"1\"")), ("src/adapters/git.rs", "left_pad::x()")],
            &[own, dev],
        );
    }
}
