//! One document of an operation and its temporary file: put the new content in place, or take it back, without ever
//! dropping bytes that somebody else put there. The caller holds the folder lock.

use super::error::StoreError;
use super::folder::{Renamed, Site};
use super::sabotage::{self, Sabotage};

/// How often taking back may be overtaken by a person's next save.
const BACK_MAX: u32 = 100;

/// A document with what it was and what it is to be. The temporary file holds `after` before the exchange, and what
/// came out of it afterwards.
#[derive(Debug)]
pub(super) struct Swap {
    pub(super) doc: Site,
    pub(super) temp: Site,
    pub(super) before: Option<Vec<u8>>,
    pub(super) after: Option<Vec<u8>>,
}

/// How putting the new content in place ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Forward {
    /// What was replaced is what was expected.
    Clean,
    /// In place, but something else came out: somebody saved in between.
    Slipped,
    /// Nothing was moved: somebody created or removed the document in between.
    Not,
    /// Nothing was moved: the temporary file is on another file system.
    OtherFileSystem,
}

/// Where the change of a dead process stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stand {
    /// Not made; can be made.
    Waiting,
    /// Made.
    Done,
    /// Made, and somebody's save came out.
    Slipped,
    /// Not made; the document has changed since.
    Overtaken,
}

/// What stands under a name.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Seen {
    Nothing,
    Bytes(Vec<u8>),
    /// A link, folder or device, or a file that cannot be read: it is not ours.
    Strange,
}

impl Seen {
    pub(super) fn at(site: &Site) -> Result<Self, StoreError> {
        match site.bytes() {
            Ok(Some(bytes)) => Ok(Self::Bytes(bytes)),
            Ok(None) => Ok(Self::Nothing),
            Err(error) if error.concerns_one_file() => Ok(Self::Strange),
            Err(error) => Err(error),
        }
    }

    pub(super) fn is(&self, content: Option<&[u8]>) -> bool {
        match self {
            Self::Nothing => content.is_none(),
            Self::Bytes(bytes) => content == Some(bytes),
            Self::Strange => false,
        }
    }
}

impl Swap {
    /// Puts the new content in place and looks at what was there.
    pub(super) fn forward(&self) -> Result<Forward, StoreError> {
        sabotage::linger();
        let renamed = match (&self.before, &self.after) {
            (Some(_), Some(after)) if sabotage::active(Sabotage::InPlace) => {
                sabotage::write_in_place(&self.doc.path(), after)
                    .map_err(|error| StoreError::io("write", &self.doc.path(), error))?;
                return Ok(Forward::Clean);
            }
            (Some(_), Some(_)) => self.doc.exchange(&self.temp)?,
            (None, _) => self.temp.move_to(&self.doc)?,
            (Some(_), None) => self.doc.move_to(&self.temp)?,
        };
        sabotage::linger();
        match renamed {
            Renamed::No => Ok(Forward::Not),
            Renamed::OtherFileSystem => Ok(Forward::OtherFileSystem),
            Renamed::Yes if sabotage::is_blind() => Ok(Forward::Clean),
            Renamed::Yes if Seen::at(&self.temp)?.is(self.before.as_deref()) => Ok(Forward::Clean),
            Renamed::Yes => Ok(Forward::Slipped),
        }
    }

    /// Takes the new content out again and puts back what had come out. A save that slips in now is the newest word
    /// and stays.
    pub(super) fn back(&self) -> Result<(), StoreError> {
        match (&self.before, &self.after) {
            (Some(_), Some(after)) => self.exchange_back(Seen::Bytes(after.clone())),
            (None, _) => {
                if self.doc.move_to(&self.temp)? == Renamed::Yes && !Seen::at(&self.temp)?.is(self.after.as_deref()) {
                    self.temp.move_to(&self.doc)?;
                }
                Ok(())
            }
            (Some(_), None) => self.temp.move_to(&self.doc).map(drop),
        }
    }

    fn exchange_back(&self, mut expected: Seen) -> Result<(), StoreError> {
        for _ in 0..BACK_MAX {
            let put = Seen::at(&self.temp)?;
            sabotage::linger();
            // `No`: the document was removed since, which is the newest word.
            if self.doc.exchange(&self.temp)? != Renamed::Yes || Seen::at(&self.temp)? == expected {
                return Ok(());
            }
            // A newer save came out; what we had put there was overtaken by it.
            expected = put;
        }
        Ok(())
    }

    /// Tells whether the document still is as the operation left it.
    pub(super) fn is_untouched(&self) -> Result<bool, StoreError> {
        Ok(Seen::at(&self.doc)?.is(self.after.as_deref()))
    }

    /// Tells whether somebody wrote to the replaced file after it was exchanged: an editor had it open.
    pub(super) fn has_late_save(&self) -> Result<bool, StoreError> {
        Ok(match Seen::at(&self.temp)? {
            _ if sabotage::is_blind() => false,
            Seen::Nothing | Seen::Strange => false,
            seen @ Seen::Bytes(_) => self.before.is_some() && !seen.is(self.before.as_deref()),
        })
    }

    /// Where the change stands, by the contents alone.
    pub(super) fn stand(&self) -> Result<Stand, StoreError> {
        let (doc, temp) = (Seen::at(&self.doc)?, Seen::at(&self.temp)?);
        let (before, after) = (self.before.as_deref(), self.after.as_deref());
        Ok(match (before, after) {
            (Some(_), Some(_)) if temp.is(after) && doc.is(before) => Stand::Waiting,
            (Some(_), Some(_)) if temp.is(before) || doc.is(after) && temp.is(after) => Stand::Done,
            (Some(_), Some(_)) if temp == Seen::Nothing && !doc.is(before) => Stand::Done,
            (Some(_), Some(_)) if temp != Seen::Nothing && !temp.is(after) && doc.is(after) => Stand::Slipped,
            (None, _) if temp.is(after) && doc == Seen::Nothing => Stand::Waiting,
            (None, _) if temp == Seen::Nothing && doc != Seen::Nothing => Stand::Done,
            (Some(_), None) if temp == Seen::Nothing && doc.is(before) => Stand::Waiting,
            (Some(_), None) if temp.is(before) || temp == Seen::Nothing && doc == Seen::Nothing => Stand::Done,
            (Some(_), None) if temp != Seen::Nothing && doc == Seen::Nothing => Stand::Slipped,
            _ => Stand::Overtaken,
        })
    }
}

/// Puts every change in place that is not yet; if one cannot be, takes all back that were. `Ok(None)`: all are in place.
pub(super) fn forward_all(swaps: &[Swap], waiting: &[usize]) -> Result<Option<Forward>, StoreError> {
    let mut moved = Vec::new();
    for &index in waiting {
        let outcome = swaps[index].forward();
        match outcome {
            Ok(Forward::Clean) => moved.push(index),
            Ok(other) => {
                if other == Forward::Slipped {
                    moved.push(index);
                }
                sabotage::die_if(Sabotage::DieBeforeUndo);
                back_all(swaps, &moved)?;
                return Ok(Some(other));
            }
            Err(error) => {
                // Reading what came out may have failed after the exchange: the stand tells.
                if !matches!(swaps[index].stand(), Ok(Stand::Waiting | Stand::Overtaken)) {
                    moved.push(index);
                }
                back_all(swaps, &moved)?;
                return Err(error);
            }
        }
        sabotage::die_if(Sabotage::DieAfterFirstExchange);
    }
    Ok(None)
}

/// Takes changes back, the newest first.
pub(super) fn back_all(swaps: &[Swap], moved: &[usize]) -> Result<(), StoreError> {
    moved.iter().rev().try_for_each(|&index| swaps[index].back())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::sync::Arc;

    use super::super::folder::Dir;
    use super::*;

    fn swap_in(home: &Path, before: Option<&str>, after: Option<&str>) -> Swap {
        let dir = Arc::new(Dir::open(home).expect("a folder").expect("a folder"));
        let site = |name: &str| Site { dir: Arc::clone(&dir), name: name.to_owned() };
        let bytes = |text: Option<&str>| text.map(|text| text.as_bytes().to_vec());
        Swap { doc: site("doc"), temp: site("temp"), before: bytes(before), after: bytes(after) }
    }

    fn put(path: &Path, text: Option<&str>) {
        match text {
            Some(text) => fs::write(path, text).expect("written"),
            None => drop(fs::remove_file(path)),
        }
    }

    #[test]
    fn contents_alone_tell_where_a_change_stands() {
        let (old, new, other) = (Some("old"), Some("new"), Some("other"));
        for (before, after, doc, temp, stand) in [
            (old, new, old, new, Stand::Waiting),
            (old, new, new, old, Stand::Done),
            (old, new, other, old, Stand::Done),
            (old, new, None, old, Stand::Done),
            (old, new, new, new, Stand::Done),
            (old, new, new, None, Stand::Done),
            (old, new, new, other, Stand::Slipped),
            (old, new, other, new, Stand::Overtaken),
            (old, new, None, new, Stand::Overtaken),
            (old, new, old, None, Stand::Overtaken),
            (old, new, old, other, Stand::Overtaken),
            (None, new, None, new, Stand::Waiting),
            (None, new, new, None, Stand::Done),
            (None, new, other, None, Stand::Done),
            (None, new, other, new, Stand::Overtaken),
            (None, new, None, None, Stand::Overtaken),
            (old, None, old, None, Stand::Waiting),
            (old, None, None, old, Stand::Done),
            (old, None, None, None, Stand::Done),
            (old, None, None, other, Stand::Slipped),
            (old, None, other, other, Stand::Overtaken),
            (old, None, other, None, Stand::Overtaken),
        ] {
            let home = tempfile::tempdir().expect("a temporary folder");
            put(&home.path().join("doc"), doc);
            put(&home.path().join("temp"), temp);
            let swap = swap_in(home.path(), before, after);
            assert_eq!(swap.stand().expect("readable"), stand, "{before:?} to {after:?}: {doc:?} and {temp:?}");
        }
    }

    #[test]
    fn forward_and_back_keep_what_somebody_else_put_there() {
        let (old, new, other) = (Some("old"), Some("new"), Some("other"));
        for (before, after, doc, forward) in [
            (old, new, old, Forward::Clean),
            (old, new, other, Forward::Slipped),
            (old, new, None, Forward::Not),
            (None, new, None, Forward::Clean),
            (None, new, other, Forward::Not),
            (old, None, old, Forward::Clean),
            (old, None, other, Forward::Slipped),
            (old, None, None, Forward::Not),
        ] {
            let home = tempfile::tempdir().expect("a temporary folder");
            put(&home.path().join("doc"), doc);
            put(&home.path().join("temp"), after);
            let swap = swap_in(home.path(), before, after);
            assert_eq!(swap.forward().expect("renamed"), forward, "{before:?} to {after:?} on {doc:?}");
            if forward != Forward::Not {
                assert!(swap.is_untouched().expect("readable"));
                swap.back().expect("renamed");
            }
            assert!(
                Seen::at(&swap.doc).expect("readable").is(doc.map(str::as_bytes)),
                "{before:?} to {after:?} on {doc:?}"
            );
        }
    }

    #[test]
    fn a_save_during_the_put_back_is_the_newest_word() {
        let home = tempfile::tempdir().expect("a temporary folder");
        // The exchange let `first` out; then somebody saved `second` over our new bytes.
        put(&home.path().join("doc"), Some("second"));
        put(&home.path().join("temp"), Some("first"));
        let swap = swap_in(home.path(), Some("old"), Some("new"));
        swap.back().expect("renamed");
        assert!(Seen::at(&swap.doc).expect("readable").is(Some(b"second")));
    }
}
