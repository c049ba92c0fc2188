//! Many new objects as one pack, indexed by the git program. Writes into the quarantine only; what does not work out is written loose.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use gix::ObjectId;
use gix::objs::Kind;
use gix::odb::pack::data::entry::Header;
use gix::odb::pack::data::{Version, header};
use gix::zlib::Compression;

use super::deflate::Deflater;
use super::durable::CommitDurability;
use super::error::GitError;
use super::program::Program;
use super::sabotage::{self, Sabotage};

/// From this many new objects on they go into one pack: git's own rule for what it fetches (`transfer.unpackLimit`).
pub(super) const OBJECTS_MIN: usize = 100;

/// A new object: its id, its kind and its bytes.
pub(super) type Object = (ObjectId, Kind, Vec<u8>);

/// A pack that is written but not yet in place.
pub(super) struct Pack {
    /// What its files are called in `objects/pack`, without an ending.
    pub(super) name: String,
    pub(super) data: (PathBuf, File),
    pub(super) index: (PathBuf, File),
}

/// A pack that was put in place for a commit that had to be tried again: its objects need not be written twice.
pub(super) struct Published {
    pub(super) index: PathBuf,
    pub(super) ids: HashSet<ObjectId>,
    pub(super) durability: CommitDurability,
}

impl Published {
    /// Tells whether the pack is still there, and as safe as it has to be.
    pub(super) fn serves(&self, durability: CommitDurability) -> bool {
        self.durability == durability && self.index.exists() && self.index.with_extension("pack").exists()
    }
}

/// Writes a pack and its index into a folder. Nothing is synced.
pub(super) fn write(
    dir: &Path,
    objects: &[&Object],
    level: Compression,
    hash: gix::hash::Kind,
    program: Program<'_>,
) -> Result<Pack, GitError> {
    if sabotage::on(Sabotage::NoPack) {
        return Err(GitError::refused("packs are switched off", ""));
    }
    let (path, index) = (dir.join("new.pack"), dir.join("new.idx"));
    let (pack, id) = write_stream(&path, objects, level, hash)?;
    // The files are synced by the caller, beside everything else of the commit.
    let program = program.with("core.fsync=none");
    let place = |path: &Path| {
        path.to_str().map(str::to_owned).ok_or_else(|| GitError::refused("the path of the objects is not UTF-8", ""))
    };
    program.ask(&["index-pack", "--no-rev-index", "-o", &place(&index)?, &place(&path)?])?;
    let file = File::open(&index).map_err(GitError::io("open", &index))?;
    Ok(Pack { name: format!("pack-{id}"), data: (path, pack), index: (index, file) })
}

/// The stream as gitformat-pack(5) has it: header, entries, and the hash of it all, which gives the pack its name.
fn write_stream(
    path: &Path,
    objects: &[&Object],
    level: Compression,
    hash: gix::hash::Kind,
) -> Result<(File, ObjectId), GitError> {
    let failed = || GitError::io("write pack", path);
    let count = u32::try_from(objects.len()).map_err(GitError::object("count the objects of a pack"))?;
    let file = OpenOptions::new().write(true).create_new(true).mode(0o444).open(path).map_err(failed())?;
    let mut out = gix::hash::io::Write::new(BufWriter::new(file), hash);
    out.write_all(&header::encode(Version::V2, count)).map_err(failed())?;
    let mut sorted = objects.to_vec();
    // Commits first, then trees, as git lays them out; and the same objects always give the same pack.
    sorted.sort_unstable_by_key(|(id, kind, _)| (header_of(*kind).as_type_id(), *id));
    let mut deflater = Deflater::new(level);
    for (_, kind, bytes) in sorted {
        write_entry(&mut out, *kind, bytes, &mut deflater).map_err(failed())?;
    }
    let id = out.hash.try_finalize().map_err(GitError::object("hash a pack"))?;
    let mut inner = out.inner;
    inner.write_all(id.as_slice()).map_err(failed())?;
    let file = inner.into_inner().map_err(io::IntoInnerError::into_error).map_err(failed())?;
    Ok((file, id))
}

fn write_entry(out: &mut impl Write, kind: Kind, bytes: &[u8], deflater: &mut Deflater) -> io::Result<()> {
    header_of(kind).write_to(bytes.len() as u64, out)?;
    out.write_all(deflater.deflate(&[bytes])?)
}

const fn header_of(kind: Kind) -> Header {
    match kind {
        Kind::Commit => Header::Commit,
        Kind::Tree => Header::Tree,
        Kind::Blob => Header::Blob,
        Kind::Tag => Header::Tag,
    }
}
