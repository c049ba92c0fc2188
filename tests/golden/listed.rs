//! The tracked list: sections of names, and what differs from what was seen.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

const FILE: &str = "tests/golden/names.txt";

/// Names by their section.
pub(crate) type Sections = BTreeMap<String, BTreeSet<String>>;

/// The list as it is tracked.
pub(crate) struct List {
    head: String,
    sections: Sections,
    /// Those with a `?` behind them, which only some runs show.
    rare: Sections,
}

/// Whether new names are to be written into the list. None is ever removed from it but by hand.
pub(crate) fn wants_additions() -> bool {
    std::env::var_os("MYCELIUM_GOLDEN").is_some_and(|word| word == "add")
}

impl List {
    pub(crate) fn read() -> Self {
        Self::parse(&fs::read_to_string(place()).unwrap())
    }

    pub(crate) fn parse(text: &str) -> Self {
        let mut list = Self { head: String::new(), sections: Sections::new(), rare: Sections::new() };
        let mut section = String::new();
        for line in text.lines() {
            if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
                name.clone_into(&mut section);
            } else if section.is_empty() {
                list.head.push_str(line);
                list.head.push('\n');
            } else if let Some(name) = line.strip_suffix(" ?") {
                list.rare.entry(section.clone()).or_default().insert(name.to_owned());
            } else if !line.is_empty() {
                list.sections.entry(section.clone()).or_default().insert(line.to_owned());
            }
        }
        list
    }

    /// What differs. Sections of scenes that could not be played are left out.
    pub(crate) fn faults(&self, seen: &Sections, absent: &[&str]) -> Vec<String> {
        let mut faults = Vec::new();
        let none = BTreeSet::new();
        for (section, listed) in &self.sections {
            if absent.iter().any(|start| section.starts_with(start)) {
                continue;
            }
            for name in listed.difference(seen.get(section).unwrap_or(&none)) {
                faults.push(format!(
                    "`{name}` of [{section}] is gone: other clones, versions and programs read this name, and a removed or renamed \
                     one breaks them. Bring it back, or let the scene in tests/golden show it again"
                ));
            }
        }
        for (section, names) in seen {
            let rare = self.rare.get(section).unwrap_or(&none);
            for name in
                names.difference(self.sections.get(section).unwrap_or(&none)).filter(|name| !rare.contains(*name))
            {
                faults.push(format!(
                    "`{name}` of [{section}] is new: others will read it from now on. Check that it is the name you want (docs/glossary.md), \
                     then add it to {FILE}; `MYCELIUM_GOLDEN=add cargo test --test golden` does"
                ));
            }
        }
        faults
    }

    /// The list with what was seen besides.
    pub(crate) fn with(mut self, seen: &Sections) -> Self {
        for (section, names) in seen {
            let rare = self.rare.get(section);
            let new = names.iter().filter(|name| rare.is_none_or(|rare| !rare.contains(*name)));
            self.sections.entry(section.clone()).or_default().extend(new.cloned());
        }
        self
    }

    pub(crate) fn write(mut self) {
        for (section, names) in self.rare {
            self.sections.entry(section).or_default().extend(names.into_iter().map(|name| name + " ?"));
        }
        let mut text = self.head.trim_end().to_owned() + "\n";
        for (section, names) in &self.sections {
            let _ = writeln!(text, "\n[{section}]");
            for name in names {
                let _ = writeln!(text, "{name}");
            }
        }
        fs::write(place(), text).unwrap();
    }
}

fn place() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE)
}
