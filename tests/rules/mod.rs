//! The rules of the house, as pure functions over a tree of files. They start no program and change nothing.

pub(crate) mod layers;
pub(crate) mod licence;
pub(crate) mod papers;
pub(crate) mod sabotage;
pub(crate) mod shape;
pub(crate) mod source;
pub(crate) mod types;
pub(crate) mod vocabulary;

use std::collections::BTreeMap;
use std::path::Path;

/// Folders at the top that hold nothing of the project's own.
const NOT_OURS: &[&str] = &[".git", "target"];

/// Whether a file is nothing but tests.
pub(crate) fn is_tests(path: &str) -> bool {
    path.starts_with("tests/") || path.starts_with("src/") && (path.ends_with("/tests.rs") || path.contains("/tests/"))
}

/// Files of the project by their path from its root, as text.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    files: BTreeMap<String, String>,
}

impl Tree {
    /// A tree made up for a test.
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        Self { files: files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect() }
    }

    /// The tree on disk.
    pub(crate) fn read(root: &Path) -> Self {
        let mut tree = Self::default();
        for entry in std::fs::read_dir(root).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().to_string_lossy().into_owned();
            if !NOT_OURS.contains(&name.as_str()) {
                tree.take(&entry.path(), name);
            }
        }
        tree
    }

    fn take(&mut self, place: &Path, path: String) {
        let kind = std::fs::symlink_metadata(place).unwrap().file_type();
        if kind.is_dir() {
            for entry in std::fs::read_dir(place).unwrap() {
                let entry = entry.unwrap();
                self.take(&entry.path(), format!("{path}/{}", entry.file_name().to_string_lossy()));
            }
        } else if kind.is_file() {
            let text = String::from_utf8_lossy(&std::fs::read(place).unwrap()).into_owned();
            self.files.insert(path, text);
        }
    }

    /// The text of one file.
    pub(crate) fn get(&self, path: &str) -> Option<&str> {
        self.files.get(path).map(String::as_str)
    }

    /// Every file.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// The Rust files below one of these folders.
    pub(crate) fn rust(&self, folders: &[&str]) -> impl Iterator<Item = (&str, &str)> {
        self.files().filter(move |(path, _)| {
            path.ends_with(".rs")
                && folders.iter().any(|folder| path.strip_prefix(folder).is_some_and(|p| p.starts_with('/')))
        })
    }

    /// Tells whether a file or a folder of this path exists.
    pub(crate) fn has(&self, path: &str) -> bool {
        let below = format!("{path}/");
        self.files.contains_key(path)
            || self.files.range(below.clone()..).next().is_some_and(|(p, _)| p.starts_with(&below))
    }
}
