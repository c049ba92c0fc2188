//! The shape of Rust files: how long they and their functions are, how they start, what may not stand in them.

use std::ops::Range;

use super::source::{body, code, is_word, line, test_items, words};
use super::{Tree, is_tests};

/// Most lines of a file, its unit tests left out.
const FILE_LINES_MAX: usize = 500;
/// Most lines of a file that is nothing but tests.
const TEST_FILE_LINES_MAX: usize = 800;
/// Most lines of a function, from its signature to its closing brace.
const FUNCTION_LINES_MAX: usize = 70;
/// Where Rust files of the project lie.
const FOLDERS: &[&str] = &["src", "tests", "benches", "fuzz"];

/// No file is longer than [`FILE_LINES_MAX`], or [`TEST_FILE_LINES_MAX`] if it is nothing but tests.
pub(crate) fn file_length(tree: &Tree) -> Vec<String> {
    let mut faults = Vec::new();
    for (path, text) in tree.rust(FOLDERS) {
        let lines = text.lines().count();
        let (lines, what, max) = if is_tests(path) {
            (lines, "lines", TEST_FILE_LINES_MAX)
        } else {
            (lines - test_lines(text), "lines without tests", FILE_LINES_MAX)
        };
        if lines > max {
            faults.push(format!("{path}: {lines} {what}; at most {max}"));
        }
    }
    faults
}

fn test_lines(text: &str) -> usize {
    let code = code(text);
    let lines = |item: &Range<usize>| line(&code, item.end) - line(&code, item.start) + 1;
    test_items(&code).iter().map(lines).sum()
}

/// No function is longer than [`FUNCTION_LINES_MAX`].
pub(crate) fn function_length(tree: &Tree) -> Vec<String> {
    let mut faults = Vec::new();
    for (path, text) in tree.rust(FOLDERS) {
        let code = code(text);
        for at in words(&code, "fn") {
            let name = function_name(&code[at + 2..]);
            let Some((open, close)) = body(code.as_bytes(), at).filter(|(open, close)| open < close) else { continue };
            let lines = line(&code, close) - line(&code, at) + 1;
            if lines > FUNCTION_LINES_MAX && !name.is_empty() && open > at {
                let place = line(&code, at);
                faults.push(format!("{path}:{place}: `{name}` has {lines} lines; at most {FUNCTION_LINES_MAX}"));
            }
        }
    }
    faults
}

/// The name after `fn`; empty for a function pointer's type.
fn function_name(after: &str) -> &str {
    let after = after.trim_start();
    &after[..after.bytes().take_while(|b| is_word(*b)).count()]
}

/// Every file starts by saying what it is.
pub(crate) fn headline(tree: &Tree) -> Vec<String> {
    let silent =
        |text: &str| text.lines().next().and_then(|l| l.strip_prefix("//! ")).is_none_or(|l| l.trim().is_empty());
    let files = tree.rust(FOLDERS).filter(|(_, text)| silent(text));
    files.map(|(path, _)| format!("{path}:1: does not start with a `//!` line")).collect()
}

/// No test is switched off, save one that another test of the same folder runs: `#[ignore = "run by `name`"]`.
pub(crate) fn ignored(tree: &Tree) -> Vec<String> {
    let mut faults = Vec::new();
    for (path, text) in tree.rust(FOLDERS) {
        let code = code(text);
        for (at, _) in code.match_indices("#[ignore") {
            let reason = text[at..].lines().next().unwrap_or_default();
            let runner = reason.split_once("\"run by `").and_then(|(_, rest)| rest.split_once("`\"]"));
            if !runner.is_some_and(|(runner, _)| is_test(tree, path, runner)) {
                faults.push(format!("{path}:{}: a test is switched off", line(&code, at)));
            }
        }
    }
    faults
}

/// Whether a function of this name is in the file or in one beside it.
fn is_test(tree: &Tree, path: &str, name: &str) -> bool {
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    tree.rust(&[folder]).any(|(_, text)| text.contains(&format!("fn {name}()")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(rule: fn(&Tree) -> Vec<String>, text: &str, expected: &[&str]) {
        assert_eq!(rule(&Tree::of(&[("src/x.rs", text)])), expected);
    }

    #[test]
    fn files_stay_short() {
        let lines = |n: usize| "x;\n".repeat(n);
        check(file_length, &lines(500), &[]);
        check(file_length, &lines(501), &["src/x.rs: 501 lines without tests; at most 500"]);
        let tests = format!("\n#[cfg(test)]\nmod tests {{\n{}\n\n}}\n", lines(600));
        check(file_length, &(lines(499) + &tests), &[]);
        check(file_length, &(lines(500) + &tests), &["src/x.rs: 501 lines without tests; at most 500"]);
        let tests = [("src/x/tests.rs", lines(801)), ("tests/x.rs", lines(801)), ("tests/y.rs", lines(800))];
        let tests = tests.each_ref().map(|(path, text)| (*path, text.as_str()));
        let faults = ["src/x/tests.rs: 801 lines; at most 800", "tests/x.rs: 801 lines; at most 800"];
        assert_eq!(file_length(&Tree::of(&tests)), faults);
    }

    #[test]
    fn functions_stay_short() {
        let function = |n: usize| format!("\nfn f(a: [u8; 3]) -> fn() {{\n{}}}\n", "x; // {\n".repeat(n));
        check(function_length, &function(68), &[]);
        check(function_length, &function(69), &["src/x.rs:2: `f` has 71 lines; at most 70"]);
        let long = format!("trait T {{ fn f();\n{} }}", "\n".repeat(100));
        check(function_length, &long, &[]);
    }

    #[test]
    fn files_say_what_they_are() {
        let fault = "src/x.rs:1: does not start with a `//!` line";
        check(headline, "//! What it is.\n", &[]);
        check(headline, "//!\n", &[fault]);
        check(headline, "use x;\n//! Late.\n", &[fault]);
        check(headline, "", &[fault]);
    }

    #[test]
    fn no_test_is_switched_off() {
        check(ignored, "#[ignore]\nfn f() {}", &["src/x.rs:1: a test is switched off"]);
        check(ignored, "#[ignore = \"slow\"]", &["src/x.rs:1: a test is switched off"]);
        check(ignored, "// #[ignore]\n\"#[ignore]\"", &[]);
        let fault = "src/x.rs:1: a test is switched off";
        check(ignored, "#[ignore = \"run by `outer`\"]\nfn inner() {}\nfn outer() {}", &[]);
        check(ignored, "#[ignore = \"run by `gone`\"]\nfn inner() {}", &[fault]);
    }
}
