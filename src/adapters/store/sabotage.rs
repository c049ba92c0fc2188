//! Deliberate breaks, chosen at run time by `MYCELIUM_SABOTAGE` (one or more, with commas between), so that the tests can
//! show that they bite. Only in builds with debug assertions; a release build knows none of them.

use std::io::Write as _;

use crate::core::sabotage::sabotages;

/// Longest wait for another process.
const LINGER_MAX: std::time::Duration = std::time::Duration::from_secs(20);

sabotages! {
    pub(super) enum Sabotage {
        /// The bytes are compared neither under the lock nor after the exchange.
        NoCompare = "no-compare",
        /// Nothing breaks, but the file system knows no exchange, and no move that keeps off an existing file.
        NoExchange = "no-exchange",
        /// What comes out of an exchange is not looked at, neither at once nor later.
        NoExchangeCheck = "no-exchange-check",
        /// Nothing is synced to the disk.
        NoFsync = "no-fsync",
        /// New contents are not synced; folders and journal are.
        NoSyncFiles = "no-sync-files",
        /// Folders are not synced; contents and journal are.
        NoSyncFolders = "no-sync-folders",
        /// The answer is given before the journal and the folder are synced.
        EarlyAnswer = "early-answer",
        /// A write that finds the disk full counts as done.
        IgnoreFull = "ignore-full",
        /// Temporary files are never swept.
        NoSweep = "no-sweep",
        /// A half done operation of a dead process is not finished.
        IgnoreJournal = "ignore-journal",
        /// Documents are overwritten in place instead of exchanged.
        InPlace = "in-place",
        /// The folder is not locked.
        NoLock = "no-lock",
        /// Whoever gives a task to somebody does so without the lock.
        NoClaimLock = "no-claim-lock",
        /// The ledger of claims says nothing.
        NoLedger = "no-ledger",
        /// A symbolic link is followed.
        FollowLinks = "follow-links",
        /// The process dies before the record is appended.
        DieBeforeAppend = "die-before-append",
        /// The process dies after the record is appended.
        DieAfterAppend = "die-after-append",
        /// The process dies after the first of an operation's exchanges.
        DieAfterFirstExchange = "die-after-first-exchange",
        /// The process dies after all exchanges, before the record says so.
        DieAfterExchange = "die-after-exchange",
        /// The process dies while it puts a person's save back.
        DieBeforeUndo = "die-before-undo",
        /// No operation is told.
        TellNothing = "tell-nothing",
        /// An operation is told after the lock is given back.
        TellUnlocked = "tell-unlocked",
        /// The process dies after an operation is told, before the record says that it is done.
        DieAfterTelling = "die-after-telling",
        /// What was seen, and nobody had told, is not told.
        AddNothing = "add-nothing",
        /// Nothing breaks, but the moments between comparing, exchanging and looking are made long.
        Linger = "linger",
        /// The same, and nothing that comes out is looked at.
        LingerBlind = "linger-blind",
    }
    fn active;
}

/// Tells whether what comes out of an exchange is to be left unseen.
pub(super) fn is_blind() -> bool {
    active(Sabotage::NoExchangeCheck) || active(Sabotage::NoCompare) || active(Sabotage::LingerBlind)
}

/// Makes a moment long in which somebody could save, if that was asked for.
pub(super) fn linger() {
    if [Sabotage::Linger, Sabotage::LingerBlind, Sabotage::NoLock, Sabotage::NoClaimLock].into_iter().any(active) {
        std::thread::sleep(std::time::Duration::from_micros(500));
    }
}

/// Waits until another process has added to the files of a folder, for some seconds at most.
pub(super) fn linger_until_grown(folder: &std::path::Path) {
    let sizes = || -> u64 {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.metadata().ok()).map(|meta| meta.len()).sum()
    };
    let (began, before) = (std::time::Instant::now(), sizes());
    while began.elapsed() < LINGER_MAX && sizes() == before {
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
}

/// Overwrites a file as a careless program does: in two parts, with a moment between in which anybody sees one of them.
pub(super) fn write_in_place(path: &std::path::Path, bytes: &[u8]) -> std::io::Result<()> {
    let (first, second) = bytes.split_at(bytes.len() / 2);
    let mut file = std::fs::File::create(path)?;
    file.write_all(first)?;
    std::thread::sleep(std::time::Duration::from_millis(1));
    file.write_all(second)
}

/// Dies at once, as by `kill -9`, if that was asked for here.
pub(super) fn die_if(what: Sabotage) {
    if active(what) {
        std::process::abort();
    }
}
