//! Which version came from which: what two sides have in common, although either may have been sent again by a clone that
//! was behind after a remote lost its data.
//!
//! A version carries the digests of those that went into it, and last the epoch of the remote's data in which it was sent.

use super::digest::digest;
use super::sync_base::SyncBase;
use crate::core::sabotage::{self, Sabotage};

/// The name of a version without a text.
pub(super) const GONE: &str = "gone";
/// So many versions later an ancestor is still among those that are kept: each adds at most three.
const SURELY_KEPT: u64 = 8;

/// Returns the name of a version.
pub(super) fn version(text: Option<&str>) -> String {
    text.map_or_else(|| GONE.to_owned(), |text| digest(text.as_bytes()))
}

/// The ancestry of a version: digests, the newest first, at most [`SyncBase::OLDER_MAX`], and the epoch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ancestry {
    digests: Vec<String>,
    epoch: Option<String>,
}

impl Ancestry {
    /// Reads the words of an ancestry; the epoch begins with `@`.
    pub fn parse<'a>(words: impl IntoIterator<Item = &'a str>) -> Self {
        let mut ancestry = Self::default();
        for word in words {
            if word.starts_with('@') {
                ancestry.epoch = Some(word.to_owned());
            } else if !word.is_empty() && ancestry.digests.len() < SyncBase::OLDER_MAX {
                ancestry.digests.push(word.to_owned());
            }
        }
        ancestry
    }

    pub(super) fn of_base(base: Option<&SyncBase>) -> Self {
        base.map_or_else(Self::default, |base| Self::parse(base.older.iter().map(String::as_str)))
    }

    pub(super) fn has(&self, version: &str) -> bool {
        self.digests.iter().any(|digest| digest == version)
    }

    fn is_full(&self) -> bool {
        self.digests.len() + 1 >= SyncBase::OLDER_MAX
    }

    /// Returns the ancestry of a version that came from these versions and all of their ancestors.
    pub(super) fn of_child(child: &str, parents: &[&str], ancestries: [&Self; 2], epoch: Option<String>) -> Self {
        if sabotage::on(Sabotage::ForgetAncestry) {
            return Self { digests: Vec::new(), epoch };
        }
        let mut digests: Vec<String> = Vec::new();
        let mut add = |digest: &str| {
            if digest != child
                && digests.len() + 1 < SyncBase::OLDER_MAX
                && !digests.iter().any(|known| known == digest)
            {
                digests.push(digest.to_owned());
            }
        };
        for parent in parents {
            add(parent);
        }
        let longest = ancestries.iter().map(|ancestry| ancestry.digests.len()).max().unwrap_or(0);
        for index in 0..longest {
            for digest in ancestries.iter().filter_map(|ancestry| ancestry.digests.get(index)) {
                add(digest);
            }
        }
        Self { digests, epoch }
    }

    pub(super) fn epoch(&self) -> Option<&str> {
        self.epoch.as_deref()
    }

    /// Returns the words, to be read by [`Ancestry::parse`].
    #[must_use]
    pub fn words(&self) -> Vec<String> {
        self.digests.iter().chain(&self.epoch).cloned().collect()
    }
}

/// What this clone's sync base and the remote's version have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum CommonVersion {
    /// The sync base.
    Base,
    /// The remote's version: it is older.
    Remote,
    /// Nothing is known, or a version before both, whose text neither has.
    Unknown,
}

/// Finds what the sync base and the version of a remote, by its number, name and ancestry, have in common.
pub(super) fn common(base: Option<&SyncBase>, number: u64, theirs: &str, ancestry: &Ancestry) -> CommonVersion {
    let Some(base) = base else { return CommonVersion::Unknown };
    let (known, last) = (Ancestry::of_base(Some(base)), version(base.text.as_deref()));
    if last == theirs || sabotage::on(Sabotage::AnySuccessor) || is_successor(base, &known, number, ancestry) {
        return CommonVersion::Base;
    }
    for digest in std::iter::once(&last).chain(&known.digests) {
        if *digest == theirs {
            return CommonVersion::Remote;
        }
        if *digest == last && digest != GONE && ancestry.has(digest) {
            return CommonVersion::Base;
        }
    }
    CommonVersion::Unknown
}

/// Returns true if the remote's version came from the sync base. Of two of the same epoch the later came from the earlier; but
/// a server that was put back to an earlier state stays in its epoch, so the digests are asked where they reach.
fn is_successor(base: &SyncBase, known: &Ancestry, number: u64, ancestry: &Ancestry) -> bool {
    let Some(later) = number.checked_sub(base.revision).filter(|later| *later > 0) else { return false };
    let same_epoch = known.epoch.is_some() && known.epoch == ancestry.epoch;
    ancestry.has(&version(base.text.as_deref())) || same_epoch && ancestry.is_full() && later > SURELY_KEPT
}
