//! Public types and their methods: how many there are, and where they stand.

use std::collections::{BTreeMap, BTreeSet};

use super::source::{body, code, is_word, without_tests, words};
use super::{Tree, is_tests};
use crate::ratchet::{self, FILE, Figures};

/// Most methods of a type, in all its inherent impls.
const METHODS_MAX: usize = 40;
/// The words that declare a type.
const DECLARE: [&str; 5] = ["struct", "enum", "trait", "union", "type"];

/// An inherent impl.
struct Impl<'a> {
    path: &'a str,
    name: String,
    methods: usize,
}

/// No type has more than [`METHODS_MAX`] methods, save those of the ratchet.
pub(crate) fn methods(tree: &Tree) -> Vec<String> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for (of, block) in owned(tree) {
        *counts.entry(of).or_default() += block.methods;
    }
    counts.retain(|_, count| *count > METHODS_MAX);
    compare(tree, "methods of a type", counts)
}

/// The inherent impls of a type stand in the file that declares it or in that file's own folder, save those of the ratchet.
pub(crate) fn homes(tree: &Tree) -> Vec<String> {
    let mut files: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (of, block) in owned(tree) {
        files.entry(of).or_default().insert(block.path.to_owned());
    }
    let strays = |of: &str, files: &BTreeSet<String>| {
        let home = of.split(' ').next().unwrap();
        let below = home.strip_suffix("mod.rs").map_or_else(|| home.replace(".rs", "/"), str::to_owned);
        files.iter().any(|file| file != home && !file.starts_with(&below))
    };
    let counts = files.into_iter().filter(|(of, files)| strays(of, files)).map(|(of, files)| (of, files.len()));
    compare(tree, "files with methods of a type", counts.collect())
}

/// The name of a public type is that of one type, save those of the ratchet.
pub(crate) fn unique_names(tree: &Tree) -> Vec<String> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for (_, text) in sources(tree) {
        for (at, name) in declared(&text) {
            if text[..at].trim_end().ends_with("pub") {
                *counts.entry(name).or_default() += 1;
            }
        }
    }
    // Each floor has its own, named by its module.
    counts.retain(|name, count| *count > 1 && name != "Error");
    compare(tree, "public types of one name", counts)
}

fn compare(tree: &Tree, section: &str, counts: BTreeMap<String, usize>) -> Vec<String> {
    let now: Figures = counts.into_iter().map(|(name, count)| (name, count as u64)).collect();
    ratchet::faults(tree.get(FILE).unwrap_or_default(), section, &now, |_| 0)
}

/// The code of the program, without comments, strings and tests.
fn sources(tree: &Tree) -> Vec<(&str, String)> {
    let files = tree.rust(&["src", "crates"]).filter(|(path, _)| !is_tests(path));
    files.map(|(path, text)| (path, without_tests(&code(text)))).collect()
}

/// Every type that is declared, and where its `struct` or the like stands.
fn declared(code: &str) -> Vec<(usize, String)> {
    let of = |word: &'static str| {
        words(code, word).filter_map(move |at| {
            let rest = code[at + word.len()..].strip_prefix(' ')?;
            let name = identifier(rest);
            // An associated type is none of its own.
            let is_type = name.starts_with(|c: char| c.is_ascii_uppercase()) && depth(code, at) == 0;
            is_type.then_some((at, name))
        })
    };
    DECLARE.into_iter().flat_map(of).collect()
}

/// Every inherent impl, with `FILE NAME` of the type: of those of its name, the one that is declared nearest.
fn owned(tree: &Tree) -> Vec<(String, Impl<'_>)> {
    let sources = sources(tree);
    let mut homes: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (path, text) in &sources {
        for (_, name) in declared(text) {
            homes.entry(name).or_default().push(path);
        }
    }
    let nearness = |one: &str, other: &str| one.bytes().zip(other.bytes()).take_while(|(a, b)| a == b).count();
    let blocks = sources.iter().flat_map(|(path, text)| impls(path, text));
    blocks
        .filter_map(|block| {
            let home =
                homes.get(&block.name)?.iter().max_by_key(|home| (**home == block.path, nearness(home, block.path)))?;
            Some((format!("{home} {}", block.name), block))
        })
        .collect()
}

fn impls<'a>(path: &'a str, code: &str) -> Vec<Impl<'a>> {
    let mut found = Vec::new();
    for at in words(code, "impl") {
        // `impl Trait` in a signature is none.
        let before = code[..at].trim_end();
        if !(before.is_empty() || before.ends_with(['}', ';', ']', '{'])) {
            continue;
        }
        let Some((open, close)) = body(code.as_bytes(), at).filter(|(open, close)| open < close) else { continue };
        let head = without_generics(&code[at + "impl".len()..open]);
        if words(&head, "for").next().is_some() {
            continue;
        }
        let name =
            identifier(head.split_whitespace().next().unwrap_or_default().rsplit("::").next().unwrap_or_default());
        let inside = &code[open + 1..close];
        let methods = words(inside, "fn")
            .filter(|at| depth(inside, *at) == 0 && !identifier(inside[at + 2..].trim_start()).is_empty());
        found.push(Impl { path, name, methods: methods.count() });
    }
    found
}

/// How many braces are open there.
fn depth(code: &str, at: usize) -> usize {
    let count = |brace| code.as_bytes()[..at].iter().filter(|byte| **byte == brace).count();
    count(b'{').saturating_sub(count(b'}'))
}

/// A text without what stands in angle brackets; `->` is no bracket.
fn without_generics(text: &str) -> String {
    let mut depth = 0_usize;
    let mut out = String::new();
    let mut last = ' ';
    for c in text.chars() {
        match c {
            '<' => depth += 1,
            '>' if last != '-' => depth = depth.saturating_sub(1),
            c if depth == 0 => out.push(c),
            _ => {}
        }
        last = c;
    }
    out
}

fn identifier(text: &str) -> String {
    text.bytes().take_while(|byte| is_word(*byte)).map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[(&str, &str)], ratchet: &str) -> Tree {
        Tree::of(&[files, &[(FILE, ratchet)]].concat())
    }

    #[test]
    fn methods_are_counted_in_all_files() {
        let many = |count: usize| "pub fn f() { fn inner() {} }\n".repeat(count);
        let here = format!(
            "pub struct A<T>(T);\nimpl<T: Fn() -> u8> A<T> {{ {} }}\nimpl Drop for A<u8> {{ {} }}",
            many(40),
            many(9)
        );
        let files =
            |there: &'static str| [("src/x.rs".to_owned(), here.clone()), ("src/y.rs".to_owned(), there.to_owned())];
        let check = |there: &'static str, ratchet: &str| {
            let files = files(there);
            let files = files.each_ref().map(|(path, text)| (path.as_str(), text.as_str()));
            methods(&tree(&files, ratchet))
        };
        assert!(check("", "").is_empty());
        let line = "[methods of a type]\nsrc/x.rs A 41\n";
        assert_eq!(check("impl crate::x::A<u8> { fn g(&self) {} }", "").len(), 1);
        assert!(check("impl crate::x::A<u8> { fn g(&self) {} }", line).is_empty());
        assert_eq!(check("impl A<u8> { fn g(&self) {} const fn h() -> u8 { 1 } }", line).len(), 1);
        assert_eq!(
            check("fn f(x: impl A<u8>) { fn g() {} }", line),
            ["[methods of a type] src/x.rs A: none is left; remove its line from tests/ratchet.txt"]
        );
    }

    #[test]
    fn methods_stand_with_their_type() {
        let own = [("src/x/a.rs", "pub struct A; impl A {}"), ("src/x/a/b.rs", "impl super::A {}")];
        assert!(homes(&tree(&own, "")).is_empty());
        let folder = [("src/x/mod.rs", "pub struct A;"), ("src/x/b.rs", "impl A {}")];
        assert!(homes(&tree(&folder, "")).is_empty());
        let strays = [own[0], own[1], ("src/x/c.rs", "impl A {}"), ("src/x/tests.rs", "impl A {}")];
        assert_eq!(
            homes(&tree(&strays, "")),
            ["[files with methods of a type] src/x/a.rs A: 3, and no line of tests/ratchet.txt allows it"]
        );
        // Of two types of one name the nearest is meant.
        let twins = [own[0], ("src/y/a.rs", "struct A;"), ("src/y/b.rs", "impl A {}")];
        assert_eq!(homes(&tree(&twins, "[files with methods of a type]\nsrc/y/a.rs A 1\n")), Vec::<String>::new());
    }

    #[test]
    fn public_names_are_counted() {
        let files = [
            ("src/x.rs", "pub struct A; enum B {} pub(crate) enum C {}"),
            ("src/y.rs", "pub enum A {} enum B {} impl T for A { type D = u8; }"),
        ];
        assert_eq!(
            unique_names(&tree(&files, "")),
            ["[public types of one name] A: 2, and no line of tests/ratchet.txt allows it"]
        );
        assert!(unique_names(&tree(&files, "[public types of one name]\nA 2\n")).is_empty());
    }
}
