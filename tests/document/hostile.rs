//! Hostile input is read or refused quickly, in little memory, with its place.
#![allow(clippy::disallowed_methods, reason = "time and memory are what is measured here")]

use std::process::Command;
use std::time::Duration;

use mycelium::diagnostic::{Code, Place};
use mycelium::document::{DEPTH_MAX, Document, FILE_BYTES_MAX, FRONTMATTER_BYTES_MAX, MARKUP_MAX, VALUES_MAX};

/// The promise is 100 ms; the tests run unoptimised and beside others.
const TIME_MAX: Duration = Duration::from_millis(1_500);
/// The promised memory for one file, in KiB.
const MEMORY_MAX_KIB: usize = 64 * 1024;

/// A file of about `size` bytes, by name.
type Maker = fn(usize) -> String;

fn repeat(pattern: &str, size: usize) -> String {
    pattern.repeat(size / pattern.len())
}

fn yaml(text: &str) -> String {
    format!("---\n{text}\n---\n")
}

fn nested_lists(size: usize) -> String {
    let mut out = String::new();
    for depth in 0.. {
        if out.len() >= size {
            break;
        }
        out.push_str(&"  ".repeat(depth));
        out.push_str("- [ ] a\n");
    }
    out
}

fn growing_ticks(size: usize) -> String {
    let mut out = String::new();
    for length in 1.. {
        if out.len() >= size {
            break;
        }
        out.push_str(&"`".repeat(length));
        out.push(' ');
    }
    out
}

/// Inputs that make bad parsers slow, in the body and (up to its limit) in the frontmatter.
const SLOW: [(&str, Maker); 42] = [
    ("brackets", |n| repeat("[", n)),
    ("images", |n| repeat("![", n)),
    ("links", |n| repeat("[a](", n)),
    ("angle links", |n| repeat("[a](<", n)),
    ("stars", |n| repeat("*a ", n)),
    ("mixed emphasis", |n| repeat("*a_ **b ", n)),
    ("quotes", |n| repeat(">", n)),
    ("quoted lists", |n| repeat("> - ", n)),
    ("ticks", growing_ticks),
    ("nested lists", nested_lists),
    ("numbers", |n| repeat("1) ", n)),
    ("dotted numbers", |n| repeat("1. ", n)),
    ("empty items", |n| repeat("-\n", n)),
    ("boxes", |n| repeat("- [ ] a\n", n)),
    ("headings", |n| repeat("## a\n", n)),
    ("notes", |n| format!("## Notes\n{}", repeat("- a\n", n))),
    ("labels", |n| repeat("**a**: b\n", n)),
    ("comments", |n| repeat("<!--", n)),
    ("tags", |n| repeat("<a b='", n)),
    ("instructions", |n| repeat("<?", n)),
    ("definitions", |n| repeat("[a]: b\n", n)),
    ("tables", |n| format!("|a|b|\n|-|-|\n{}", repeat("|a\n", n))),
    ("fences", |n| repeat("```a\n~~~\n", n)),
    ("lines", |n| repeat("\n", n)),
    ("raw json", |n| format!("## Payload\n{}", repeat("[", n))),
    ("json list", |n| format!("## Payload\n[0{}]", repeat(",0", n - 20))),
    ("json at its limit", |n| format!("## Payload\n[0{}]", repeat(",0", n / 2 - 20))),
    ("hidden labels", |n| repeat("```\n**status**: b\n```\n", n)),
    ("sections", |n| repeat("## a\n```json\n{}\n```\n", n)),
    ("half conflicts", |n| repeat("<<<<<<< a\n", n)),
    ("carriage returns", |n| repeat("\r", n)),
    ("yaml brackets", |n| yaml(&repeat("[", n.min(60_000)))),
    ("yaml braces", |n| yaml(&repeat("{a: ", n.min(60_000)))),
    ("yaml dashes", |n| yaml(&repeat("- ", n.min(60_000)))),
    ("yaml questions", |n| yaml(&repeat("? ", n.min(60_000)))),
    ("yaml list", |n| yaml(&format!("a: [{}]", repeat("1,", n.min(19_000))))),
    ("yaml keys", |n| yaml(&(0..n.min(60_000) / 10).map(|i| format!("k{i:06}: \n")).collect::<Vec<_>>().concat())),
    ("yaml same keys", |n| yaml(&repeat("k: \n", n.min(19_000)))),
    ("yaml quotes", |n| yaml(&format!("a: \"{}", repeat("\\n", n.min(60_000))))),
    ("yaml comments", |n| yaml(&repeat("#\n", n.min(60_000)))),
    ("yaml spaces", |n| yaml(&format!("a: {}b", repeat("x\n ", n.min(60_000))))),
    ("no end", |n| format!("---\n{}", repeat("a: 1\n", n))),
];

/// Reads a file as every command does.
fn read(text: &str) {
    let document = Document::parse(text.as_bytes());
    let _ = (
        document.body().title(),
        document.body().steps().len(),
        document.body().notes().len(),
        document.body().label("status"),
    );
    for section in document.body().sections().iter().take(9) {
        let _ = document.body().section_json(&section.heading);
    }
}

/// The time that this thread has had a processor for: other programs at work do not count.
fn busy() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(now).expect("a time that is not negative")
}

#[test]
fn hostile_files_are_quick_and_grow_in_line_with_their_size() {
    let time = |text: &str| {
        let start = busy();
        read(text);
        busy().saturating_sub(start)
    };
    for (name, make) in SLOW {
        let sizes = [MARKUP_MAX, FILE_BYTES_MAX / 3 * 2, FILE_BYTES_MAX - 100];
        let times = sizes.map(|size| time(&make(size)));
        assert!(times.iter().all(|time| *time <= TIME_MAX), "{name}: {times:?}");
        // Twice the input: quadratic work would take four times as long. Short times tell nothing.
        let (half, whole) = (time(&make(MARKUP_MAX / 2)), times[0]);
        assert!(
            whole < half * 3 || whole < Duration::from_millis(300),
            "{name}: {half:?} for a half, {whole:?} for all"
        );
    }
}

/// Reads one hostile file in this process, which is its own.
#[test]
#[ignore = "run by `hostile_files_need_little_memory`"]
fn memory_of_one_file() {
    let wanted = std::env::var("MYCELIUM_TEST_HOSTILE").expect("the name of a hostile file");
    let (_, make) = SLOW.iter().find(|(name, _)| *name == wanted).expect("a known name");
    // All of it; as much as is read where every byte is markup; and between the two.
    for size in [FILE_BYTES_MAX - 100, FILE_BYTES_MAX / 3 * 2, MARKUP_MAX] {
        read(&make(size));
    }
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    let kib: usize = peak.trim().trim_end_matches(" kB").parse().expect("a number");
    assert!(kib <= MEMORY_MAX_KIB, "{wanted}: {kib} KiB");
}

#[test]
#[cfg(target_os = "linux")]
fn hostile_files_need_little_memory() {
    let program = std::env::current_exe().expect("this program");
    for (name, _) in SLOW {
        let run = Command::new(&program)
            .args(["--exact", "hostile::memory_of_one_file", "--ignored", "--test-threads=1"])
            .env("MYCELIUM_TEST_HOSTILE", name)
            .output()
            .expect("the program starts");
        let said = String::from_utf8_lossy(&run.stdout);
        assert!(run.status.success() && said.contains("1 passed"), "{said}");
    }
}

#[test]
fn limits_hold_at_their_edges() {
    let first = |text: &[u8]| Document::parse(text).faults().first().map(|fault| fault.code);
    let sized = |size: usize| "x".repeat(size);
    assert_eq!(first(sized(FILE_BYTES_MAX).as_bytes()), None);
    assert_eq!(first(sized(FILE_BYTES_MAX + 1).as_bytes()), Some(Code::FileTooBig));
    let front = |size: usize| format!("---\na: {}\n---\n", "x".repeat(size - 4));
    assert_eq!(first(front(FRONTMATTER_BYTES_MAX).as_bytes()), None);
    assert_eq!(first(front(FRONTMATTER_BYTES_MAX + 1).as_bytes()), Some(Code::FrontmatterTooBig));
    let lines = |count: usize| format!("{}{}", sized(100_000), "\n".repeat(count));
    assert_eq!(first(lines(MARKUP_MAX).as_bytes()), None);
    assert_eq!(first(lines(MARKUP_MAX + 1).as_bytes()), Some(Code::TooManyValues));
    // The frontmatter is the first level and the first value, the list the second.
    let deep = |depth: usize| yaml(&format!("a: {}{}", "[".repeat(depth - 1), "]".repeat(depth - 1)));
    assert_eq!(first(deep(DEPTH_MAX).as_bytes()), None);
    assert_eq!(first(deep(DEPTH_MAX + 1).as_bytes()), Some(Code::TooDeep));
    let many = |count: usize| yaml(&format!("a: [{}]", vec!["1"; count - 2].join(",")));
    assert_eq!(first(many(VALUES_MAX).as_bytes()), None);
    assert_eq!(first(many(VALUES_MAX + 1).as_bytes()), Some(Code::TooManyValues));
}

#[test]
fn bombs_are_refused_at_their_place() {
    let mut bomb = "a0: &a0 [x, x]\n".to_owned();
    for level in 1..10 {
        let before = vec![format!("*a{}", level - 1); 10].join(", ");
        bomb = format!("{bomb}a{level}: &a{level} [{before}]\n");
    }
    let deep_block = (0..340).map(|depth| " ".repeat(depth) + "k:\n").collect::<Vec<_>>().concat();
    for (text, code, line, column) in [
        (bomb, Code::AnchorOrAlias, 2, 5),
        ("b: 1\na: *x".to_owned(), Code::AnchorOrAlias, 3, 4),
        (format!("a: {}", "[".repeat(20_000)), Code::TooDeep, 2, 36),
        (format!("a: {}", "{b: ".repeat(15_000)), Code::TooDeep, 2, 4 + 31 * 4),
        ("- ".repeat(20_000), Code::TooDeep, 2, 1 + 32 * 2),
        (deep_block, Code::TooDeep, 34, 33),
        ("a: 1\nb:\n  c: 1\n  c: 2".to_owned(), Code::DuplicateKey, 5, 3),
        ("é: \u{1f600} &x: b\n".to_owned(), Code::YamlSyntax, 2, 8),
    ] {
        let document = Document::parse(yaml(&text).into_bytes());
        let fault = document.faults().first().expect("a fault");
        assert_eq!((fault.code, fault.place), (code, Some(Place { line, column })), "{}", fault.message);
    }
}
