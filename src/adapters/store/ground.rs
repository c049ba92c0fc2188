//! What the folder stands on: rights, disk, file system, what lies in run state. Tries things out on files of its own only, and removes them.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustix::fs::{Access, CWD, RenameFlags};

use super::error::{StoreError, is_refusal};
use super::folder::stamp_of;
use super::{StateFolder, Store, TempFiles, read, sweep, temp};
use crate::core::health::{Ground, Presence};

/// What trying things out on two files tells.
#[derive(Default)]
struct Probe {
    exchange: Option<bool>,
    links: Option<bool>,
    skew_ms: Option<i64>,
}

impl Store {
    /// Looks at what the folder stands on. Nothing of anybody's is changed.
    ///
    /// # Errors
    /// [`StoreError`] if something else stands in the folder's place, or it cannot be looked at.
    pub fn ground(&self) -> Result<Ground, StoreError> {
        let folder = self.folder.path();
        let there = self.folder.open()?.is_some();
        // Where something can be made: the folder, or the nearest part of the way to it that is there.
        let place = folder.ancestors().find(|place| place.is_dir()).unwrap_or(&self.folder.root).to_owned();
        let run = self.log.state.run.ancestors().find(|place| place.is_dir()).unwrap_or(Path::new("/")).to_owned();
        // A sandbox may refuse what the rights of the folder allow, so it is tried.
        let (probe, refused) = match probe(&run) {
            Ok(probe) => (probe, None),
            Err(error) => (Probe::default(), is_refusal(&error).then(|| error.to_string())),
        };
        let run_unwritable = why_unwritable(&run).or(refused);
        let space = rustix::fs::statvfs(&place).ok();
        Ok(Ground {
            folder: if there { Presence::There } else { Presence::Missing },
            unwritable: why_unwritable(&place),
            file_system: None,
            apart: device(&place).is_some_and(|own| device(&run).is_some_and(|other| own != other)),
            exchange: probe.exchange,
            links: probe.links,
            run_unwritable,
            state: self.log.state.run.display().to_string(),
            skew_ms: probe.skew_ms,
            free_bytes: space.as_ref().map(|space| space.f_bavail.saturating_mul(space.f_frsize)),
            // Some file systems make files as they go and count none.
            free_files: space.as_ref().filter(|space| space.f_files > 0).map(|space| space.f_favail),
            temporary: self.log.temps.count_old()?,
            recovered: self.log.state.recovered(),
        })
    }
}

impl TempFiles {
    /// Temporary files that are old enough to be swept and belong to nobody alive.
    fn count_old(&self) -> Result<usize, StoreError> {
        if !self.state.has_journal()? || !self.state.temp_dir().is_dir() {
            return Ok(0);
        }
        let mut count = 0;
        for site in self.list()?.sites {
            let old = site
                .dir
                .stat(&site.name)?
                .is_some_and(|stat| read::age(&stamp_of(&stat)).is_some_and(|age| age >= sweep::KEPT));
            count += usize::from(old && site.is_unlocked().unwrap_or(false));
        }
        Ok(count)
    }
}

impl StateFolder {
    /// Copies of late saves, for a person to look at.
    fn recovered(&self) -> Vec<String> {
        let entries = fs::read_dir(self.run.join("recovered")).into_iter().flatten().flatten();
        let mut names: Vec<String> = entries.map(|entry| entry.path().display().to_string()).collect();
        names.sort();
        names
    }
}

fn why_unwritable(place: &Path) -> Option<String> {
    rustix::fs::access(place, Access::WRITE_OK | Access::EXEC_OK).err().map(|errno| io::Error::from(errno).to_string())
}

fn device(place: &Path) -> Option<u64> {
    rustix::fs::stat(place).ok().map(|stat| stat.st_dev)
}

/// Makes two files, exchanges them, gives one a second name, looks at its time, and removes all.
fn probe(folder: &Path) -> io::Result<Probe> {
    let name = || folder.join(format!("mycelium-probe-{}", temp::fresh_name()));
    let own = Own([name(), name(), name()]);
    let [one, two, three] = &own.0;
    let before = SystemTime::now();
    drop((File::create_new(one)?, File::create_new(two)?));
    let after = SystemTime::now();
    let exchanged = rustix::fs::renameat_with(CWD, one, CWD, two, RenameFlags::EXCHANGE);
    let made = fs::metadata(one)?.modified()?;
    Ok(Probe {
        exchange: Some(exchanged.is_ok()),
        links: Some(fs::hard_link(one, three).is_ok()),
        skew_ms: Some(if made < before { -apart_ms(made, before) } else { apart_ms(after, made) }),
    })
}

/// How many milliseconds the second moment is behind the first; 0 if it is not.
fn apart_ms(first: SystemTime, second: SystemTime) -> i64 {
    second.duration_since(first).map_or(0, |apart| i64::try_from(apart.as_millis()).unwrap_or(i64::MAX))
}

/// Files of ours that go with their owner.
struct Own([PathBuf; 3]);

impl Drop for Own {
    fn drop(&mut self) {
        for path in &self.0 {
            // What was not made cannot be removed.
            let _ = fs::remove_file(path);
        }
    }
}
