//! A place where commands are run, each with `--json`, and what they show is noted.

use std::process::Command;

use crate::names::Names;
use crate::support::{Run, Sandbox};

/// A sandbox and the names seen there.
pub(crate) struct Stage {
    pub(crate) sandbox: Sandbox,
    pub(crate) names: Names,
    /// How the program is started there.
    start: fn(&Sandbox, &[&str]) -> Command,
    environment: Vec<(&'static str, String)>,
    /// Every command line that was run.
    pub(crate) lines: Vec<Vec<String>>,
}

impl Stage {
    pub(crate) fn new(sandbox: Sandbox) -> Self {
        Self {
            sandbox,
            names: Names::default(),
            start: Sandbox::mycelium_command,
            environment: Vec::new(),
            lines: Vec::new(),
        }
    }

    /// From now on the program is started so.
    pub(crate) fn start_by(&mut self, start: fn(&Sandbox, &[&str]) -> Command) {
        self.start = start;
    }

    /// From now on the program has this variable.
    pub(crate) fn set(&mut self, name: &'static str, value: &str) {
        self.environment.push((name, value.to_owned()));
    }

    /// Runs a command. Spaces divide its words.
    pub(crate) fn run(&mut self, line: &str) -> Run {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let arguments: Vec<&str> = words.iter().map(String::as_str).chain(["--json"]).collect();
        let run = Run::of((self.start)(&self.sandbox, &arguments).envs(self.environment.iter().cloned()));
        self.names.answer(&run);
        self.lines.push(words);
        run
    }

    /// Runs commands that must end with these codes, and looks at what they left.
    #[track_caller]
    pub(crate) fn play(&mut self, lines: &[(i32, &str)]) {
        self.ask(lines);
        self.look();
    }

    /// Runs commands that must end with these codes, beside a process whose files come and go.
    #[track_caller]
    pub(crate) fn ask(&mut self, lines: &[(i32, &str)]) {
        for (code, line) in lines {
            let run = self.run(line);
            assert_eq!(run.code, Some(*code), "{line}: {run:?}");
        }
    }

    /// Notes what lies in local state and in the documents now.
    pub(crate) fn look(&mut self) {
        self.names.state(&self.sandbox);
    }

    /// What is seen in the end.
    pub(crate) fn end(mut self) -> Names {
        self.look();
        self.names.history(&self.sandbox);
        self.names
    }
}
