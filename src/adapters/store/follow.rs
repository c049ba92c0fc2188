//! What a bridge remembers: small files in the run state, not waited for.
//!
//! What is remembered of each document can be lost at any moment: then more is compared, and nothing else is different. So its
//! file is written over where it is; one that is made new for each change of each document is what some file systems are
//! slowest at. Everything stands behind its checksum and its length; half of it is nothing.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::error::StoreError;
use super::plain::{read_bytes, unless_missing, write_below};
use super::record::checksum;
use super::{LocalState, share, temp};

/// Largest file that is read, in bytes: a document, its JSON quotes, and the digests of older versions.
const BYTES_MAX: usize = 4 * 1024 * 1024;
/// Bytes before what was remembered: its checksum and its length, little-endian.
const HEAD_BYTES: usize = 12;
/// How often, and after which pause, a file is read again that is just being written.
const TRIES: usize = 20;
const NAP: Duration = Duration::from_micros(100);

impl LocalState {
    /// What was remembered under a name, about one server; `None` if there is nothing that can be read.
    #[must_use]
    pub fn memory(&self, server: &str, name: &str) -> Option<Vec<u8>> {
        let path = self.memory_folder(server).join(name);
        for _ in 1..TRIES {
            let framed = read_bytes(&path, BYTES_MAX + HEAD_BYTES).ok().flatten()?;
            if let Some(bytes) = unframed(&framed) {
                return Some(bytes.to_vec());
            }
            std::thread::sleep(NAP);
        }
        unframed(&read_bytes(&path, BYTES_MAX + HEAD_BYTES).ok().flatten()?).map(<[u8]>::to_vec)
    }

    /// Every name under which something is remembered.
    ///
    /// # Errors
    /// [`StoreError::Io`] if the run state cannot be listed.
    pub fn memories(&self, server: &str) -> Result<Vec<String>, StoreError> {
        let path = self.memory_folder(server);
        let entries = unless_missing(fs::read_dir(&path)).map_err(|source| StoreError::io("list", &path, source))?;
        let names = entries.into_iter().flatten().flatten().filter_map(|entry| entry.file_name().into_string().ok());
        Ok(names.filter(|name| !name.starts_with('.')).collect())
    }

    /// Remembers bytes under a name, where a file of that name is written over: who is killed meanwhile has forgotten it.
    ///
    /// # Errors
    /// As [`LocalState::write_memory`].
    pub fn overwrite_memory(&self, server: &str, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        if write_over(&self.memory_folder(server).join(name), &framed(bytes)).is_ok_and(|is_written| is_written) {
            return Ok(());
        }
        self.write_memory(server, name, bytes)
    }

    /// Remembers bytes under a name, in one step.
    ///
    /// # Errors
    /// [`StoreError::Io`] if the run state cannot be written.
    pub fn write_memory(&self, server: &str, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let folder = self.memory_folder(server);
        let path = folder.join(name);
        let draft = folder.join(format!(".{}", temp::fresh_name()));
        let framed = framed(bytes);
        let write = || share::write(&draft, &framed).and_then(|()| fs::rename(&draft, &path));
        write_below(&folder, write).map_err(|source| {
            let _ = fs::remove_file(&draft);
            StoreError::io("write", &path, source)
        })
    }

    /// Forgets what was remembered under a name.
    ///
    /// # Errors
    /// [`StoreError::Io`] if the run state cannot be written.
    pub fn remove_memory(&self, server: &str, name: &str) -> Result<(), StoreError> {
        let path = self.memory_folder(server).join(name);
        unless_missing(fs::remove_file(&path)).map(drop).map_err(|source| StoreError::io("remove", &path, source))
    }

    fn memory_folder(&self, server: &str) -> PathBuf {
        self.state.run.join("bridge").join(server)
    }
}

/// Writes over a file, if there is one and nobody else is writing it.
fn write_over(path: &Path, bytes: &[u8]) -> io::Result<bool> {
    let no_follow = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).map_err(io::Error::other)?;
    let file: File = OpenOptions::new().write(true).custom_flags(no_follow).open(path)?;
    if file.try_lock().is_err() {
        return Ok(false);
    }
    file.write_all_at(bytes, 0)?;
    file.set_len(bytes.len() as u64)?;
    Ok(true)
}

/// With its checksum and its length before it.
fn framed(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    [&checksum(bytes).to_le_bytes()[..], &length.to_le_bytes()[..], bytes].concat()
}

/// What stands behind its checksum, if that is whole; what follows was not cut off yet.
fn unframed(framed: &[u8]) -> Option<&[u8]> {
    let (sum, rest) = framed.split_first_chunk::<8>()?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let bytes = rest.get(..usize::try_from(u32::from_le_bytes(*length)).ok()?)?;
    (checksum(bytes) == u64::from_le_bytes(*sum)).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::{framed, unframed};

    #[test]
    fn half_of_it_is_nothing() {
        let whole = framed(b"text");
        assert_eq!(unframed(&whole), Some(&b"text"[..]));
        assert_eq!(unframed(&[&whole[..], b" of before"].concat()), Some(&b"text"[..]));
        for end in 0..whole.len() {
            assert_eq!(unframed(&whole[..end]), None);
        }
        for at in 0..whole.len() {
            let mut torn = whole.clone();
            torn[at] ^= 1;
            assert_eq!(unframed(&torn), None, "{at}");
        }
    }
}
