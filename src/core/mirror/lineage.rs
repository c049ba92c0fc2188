//! Which version came from which: what two sides have in common, although either may have been told again by somebody who
//! was behind after the server lost its data.
//!
//! A version carries the digests of those that went into it, and last in which life of the server's data it was told.

use super::fields::digest;
use super::remote::{Base, Record};
use crate::core::sabotage::{self, Sabotage};

/// What a version without a text is called.
const GONE: &str = "gone";
/// So many revisions later an ancestor is still among those that are kept: each adds at most three.
const SURELY_KEPT: u64 = 8;

/// Which version it is.
pub(super) fn version(text: Option<&str>) -> String {
    text.map_or_else(|| GONE.to_owned(), |text| digest(text.as_bytes()))
}

/// The ancestry of a version.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Chain {
    digests: Vec<String>,
    life: Option<String>,
}

impl Chain {
    pub(super) fn read<'a>(words: impl IntoIterator<Item = &'a str>) -> Self {
        let mut chain = Self::default();
        for word in words {
            if word.starts_with('@') {
                chain.life = Some(word.to_owned());
            } else if !word.is_empty() && chain.digests.len() < Base::OLDER_MAX {
                chain.digests.push(word.to_owned());
            }
        }
        chain
    }

    pub(super) fn of_base(base: Option<&Base>) -> Self {
        base.map_or_else(Self::default, |base| Self::read(base.older.iter().map(String::as_str)))
    }

    pub(super) fn of_record(record: Option<&Record>) -> Self {
        record.map_or_else(Self::default, |record| Self::read(record.from.split_ascii_whitespace()))
    }

    pub(super) fn has(&self, version: &str) -> bool {
        self.digests.iter().any(|digest| digest == version)
    }

    fn is_full(&self) -> bool {
        self.digests.len() + 1 >= Base::OLDER_MAX
    }

    /// The ancestry of a version that came from these versions and all of their ancestors.
    pub(super) fn of_child(child: &str, parents: &[&str], chains: [&Self; 2], life: String) -> Self {
        if sabotage::on(Sabotage::ForgetAncestry) {
            return Self { digests: Vec::new(), life: Some(life) };
        }
        let mut digests: Vec<String> = Vec::new();
        let mut add = |digest: &str| {
            if digest != child && digests.len() + 1 < Base::OLDER_MAX && !digests.iter().any(|known| known == digest) {
                digests.push(digest.to_owned());
            }
        };
        for parent in parents {
            add(parent);
        }
        let longest = chains.iter().map(|chain| chain.digests.len()).max().unwrap_or(0);
        for index in 0..longest {
            for digest in chains.iter().filter_map(|chain| chain.digests.get(index)) {
                add(digest);
            }
        }
        Self { digests, life: Some(life) }
    }

    pub(super) fn life(&self) -> Option<&str> {
        self.life.as_deref()
    }

    pub(super) fn words(&self) -> Vec<String> {
        self.digests.iter().chain(&self.life).cloned().collect()
    }
}

/// What this clone's last agreed version and the server's have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Common {
    /// The one that was agreed on.
    Base,
    /// The server's: it is older.
    There,
    /// Nothing is known, or one before both, whose text nobody keeps.
    Unknown,
}

/// Finds what both have in common.
pub(super) fn common(base: Option<&Base>, record: &Record) -> Common {
    let Some(base) = base else { return Common::Unknown };
    let (known, chain) = (Chain::of_base(Some(base)), Chain::of_record(Some(record)));
    let (last, theirs) = (version(base.text.as_deref()), version(record_text(record)));
    if last == theirs || sabotage::on(Sabotage::AnySuccessor) || is_successor(base, &known, record, &chain) {
        return Common::Base;
    }
    for digest in std::iter::once(&last).chain(&known.digests) {
        if *digest == theirs {
            return Common::There;
        }
        if *digest == last && digest != GONE && chain.has(digest) {
            return Common::Base;
        }
    }
    Common::Unknown
}

/// Tells whether the server's version came from the one that was agreed on. Of two of the same life the later came from the
/// earlier; but a server that was put back to an earlier state lives on as the same, so the digests are asked where they reach.
fn is_successor(base: &Base, known: &Chain, record: &Record, chain: &Chain) -> bool {
    let Some(later) = record.revision.checked_sub(base.revision).filter(|later| *later > 0) else { return false };
    let same_life = known.life.is_some() && known.life == chain.life;
    chain.has(&version(base.text.as_deref())) || same_life && chain.is_full() && later > SURELY_KEPT
}

/// The text of a record; of one that is gone there is none.
pub(super) fn record_text(record: &Record) -> Option<&str> {
    if record.gone.is_some() { None } else { record.text.as_deref() }
}
