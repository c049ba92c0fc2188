//! Opens a project to probe it and to fix it, even where it cannot be opened.

use super::{Opening, Project};
use crate::adapters::{git, watch};
use crate::core::health::{Facts, ProjectRoot};
use crate::services::maintenance::fault;
use crate::services::{Error, environment};

/// Fixes what can be fixed safely, and returns what was done; nothing where no project can be opened.
#[must_use]
pub fn fix_project(opening: Opening) -> Vec<String> {
    prepared(opening).map_or_else(|_| Vec::new(), |project| project.maintenance().fix())
}

/// Returns everything that can be probed here, and the project if it could be opened.
#[must_use]
pub fn probe_project(opening: Opening) -> (Facts, Option<Project>) {
    let (place, project) = match prepared(opening) {
        Ok(project) => {
            let root = project.root.display().to_string();
            let has_git_dir = project.root.join(".git").exists();
            (Ok(ProjectRoot { root, in_git: project.repository.is_some(), has_git_dir }), Some(project))
        }
        Err(error) => (Err(fault(&error)), None),
    };
    let facts = Facts {
        program: git::program_version(),
        place,
        inside: project.as_ref().map(|project| project.maintenance().probe(project.places())),
        limits: watch::limits(),
        now: environment::now(),
    };
    (facts, project)
}

fn prepared(opening: Opening) -> Result<Project, Error> {
    let project = Project::open(opening)?;
    let _ = project.prepare();
    Ok(project)
}
