//! Reads commands and their expected output out of markdown. Runs nothing.

/// One command of a page.
#[derive(Debug, PartialEq)]
pub(crate) struct Step {
    /// Its line in the page, from 1.
    pub(crate) line: usize,
    /// The command line.
    pub(crate) command: String,
    /// What it prints; none if the page does not say.
    pub(crate) output: Option<String>,
    /// How it ends.
    pub(crate) code: i32,
}

/// The commands of all `console` and `sh` blocks, in order.
pub(crate) fn steps(text: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut language: Option<String> = None;
    for (index, line) in text.lines().enumerate() {
        let step = |command: &str, output| Step { line: index + 1, command: command.to_owned(), output, code: 0 };
        if let Some(fence) = line.strip_prefix("```") {
            language = if language.is_none() { Some(fence.trim().to_owned()) } else { None };
            continue;
        }
        match language.as_deref() {
            Some("console") => match (line.strip_prefix("$ "), steps.last_mut()) {
                (Some(command), _) => steps.push(step(command, Some(String::new()))),
                (None, Some(last)) => expect(last, line),
                (None, None) => panic!("line {}: output before the first command", index + 1),
            },
            Some("sh") => {
                let command = line.split(" # ").next().unwrap_or_default().trim();
                if !command.is_empty() && !command.starts_with('#') {
                    steps.push(step(command, None));
                }
            }
            _ => {}
        }
    }
    steps
}

/// Takes one line below a command: an exit code or a line of output.
fn expect(step: &mut Step, line: &str) {
    match line.strip_prefix("? ").and_then(|code| code.parse().ok()) {
        Some(code) => step.code = code,
        None => step.output.get_or_insert_default().extend([line, "\n"]),
    }
}

/// The `mycelium` commands named in prose and tables: line, and words up to the first that is not a command word.
pub(crate) fn inline_commands(text: &str) -> Vec<(usize, Vec<String>)> {
    let mut found = Vec::new();
    let mut fenced = false;
    for (index, line) in text.lines().enumerate() {
        if line.starts_with("```") {
            fenced = !fenced;
            continue;
        }
        for span in line.split('`').skip(1).step_by(2).filter(|_| !fenced) {
            if let Some(rest) = span.strip_prefix("mycelium ") {
                let is_word =
                    |word: &&str| word.bytes().all(|b| b.is_ascii_lowercase() || b == b'-') && !word.starts_with('-');
                let words = rest.split_whitespace().take_while(is_word).map(str::to_owned);
                found.push((index + 1, words.collect()));
            }
        }
    }
    found
}

/// Whether output is as expected: `[..]` is any text in a line, a line `...` any lines; blanks at line ends do not count.
pub(crate) fn matches(expected: &str, output: &str) -> bool {
    let lines = |text: &str| text.trim_end().lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>();
    lines_match(&lines(expected), &lines(output))
}

fn lines_match(expected: &[String], output: &[String]) -> bool {
    match expected.split_first() {
        None => output.is_empty(),
        Some((first, rest)) if first == "..." => (0..=output.len()).any(|skip| lines_match(rest, &output[skip..])),
        Some((first, rest)) => {
            output.split_first().is_some_and(|(line, more)| line_matches(first, line) && lines_match(rest, more))
        }
    }
}

fn line_matches(expected: &str, line: &str) -> bool {
    match expected.split_once("[..]") {
        None => expected == line,
        Some((start, rest)) => line.strip_prefix(start).is_some_and(|line| {
            line.char_indices().map(|(at, _)| at).chain([line.len()]).any(|at| line_matches(rest, &line[at..]))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_become_steps() {
        let text = "# T\n```console\n$ a b\nout\n\n? 2\n$ c\n```\n```sh\n# why\nd # then\n```\n```text\n$ no\n```\n";
        let step = |line, command: &str, output: Option<&str>, code| Step {
            line,
            command: command.to_owned(),
            output: output.map(str::to_owned),
            code,
        };
        let expected = [step(3, "a b", Some("out\n\n"), 2), step(7, "c", Some(""), 0), step(11, "d", None, 0)];
        assert_eq!(steps(text), expected);
    }

    #[test]
    fn commands_in_prose_are_seen() {
        let text = "run `mycelium task list --json` or `git x`\n```\n`mycelium no`\n```\n| `mycelium log ID` |\n";
        let words = |words: &[&str]| words.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>();
        assert_eq!(inline_commands(text), [(1, words(&["task", "list"])), (5, words(&["log"]))]);
    }

    #[test]
    fn output_is_compared_with_wildcards() {
        for (expected, output, fits) in [
            ("a\nb\n", "a\nb", true),
            ("a\n", "a\nb\n", false),
            ("a [..] c\n", "a b b c\n", true),
            ("a [..] c\n", "a b\n", false),
            ("[..]\n", "\u{e9}\n", true),
            ("a\n...\nd\n", "a\nb\nc\nd\n", true),
            ("a\n...\n", "a\n", true),
            ("a\n...\nd\n", "a\nb\n", false),
            ("", "a\n", false),
        ] {
            assert_eq!(matches(expected, output), fits, "{expected:?} {output:?}");
        }
    }
}
