//! Deliberate breaks, chosen at run time by `MYCELIUM_SABOTAGE` (one or more, with commas between), so that the tests can
//! show that they bite. Only in builds with debug assertions; a release build knows none of them.

use std::io::Write as _;
use std::sync::OnceLock;

/// Longest wait for another process.
const LINGER_MAX: std::time::Duration = std::time::Duration::from_secs(20);

/// One way to break a promise, or one moment at which to die.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sabotage {
    /// The bytes are compared neither under the lock nor after the exchange.
    NoCompare,
    /// Nothing breaks, but the file system knows no exchange, and no move that keeps off an existing file.
    NoExchange,
    /// What comes out of an exchange is not looked at, neither at once nor later.
    NoExchangeCheck,
    /// Nothing is synced to the disk.
    NoFsync,
    /// New contents are not synced; folders and journal are.
    NoSyncFiles,
    /// Folders are not synced; contents and journal are.
    NoSyncFolders,
    /// The answer is given before the journal and the folder are synced.
    EarlyAnswer,
    /// A write that finds the disk full counts as done.
    IgnoreFull,
    /// Temporary files are never swept.
    NoSweep,
    /// A half done operation of a dead process is not finished.
    IgnoreJournal,
    /// Documents are overwritten in place instead of exchanged.
    InPlace,
    /// The folder is not locked.
    NoLock,
    /// Whoever gives a task to somebody does so without the lock.
    NoClaimLock,
    /// The ledger of claims says nothing.
    NoLedger,
    /// A symbolic link is followed.
    FollowLinks,
    /// The process dies after the record is appended.
    DieAfterAppend,
    /// The process dies after the first of an operation's exchanges.
    DieAfterFirstExchange,
    /// The process dies after all exchanges, before the record says so.
    DieAfterExchange,
    /// The process dies while it puts a person's save back.
    DieBeforeUndo,
    /// No operation is told.
    TellNothing,
    /// An operation is told after the lock is given back.
    TellUnlocked,
    /// The process dies after an operation is told, before the record says that it is done.
    DieAfterTelling,
    /// What was seen, and nobody had told, is not told.
    AddNothing,
    /// Nothing breaks, but the moments between comparing, exchanging and looking are made long.
    Linger,
    /// The same, and nothing that comes out is looked at.
    LingerBlind,
}

const NAMES: &[(&str, Sabotage)] = &[
    ("no-compare", Sabotage::NoCompare),
    ("no-exchange", Sabotage::NoExchange),
    ("no-exchange-check", Sabotage::NoExchangeCheck),
    ("no-fsync", Sabotage::NoFsync),
    ("no-sync-files", Sabotage::NoSyncFiles),
    ("no-sync-folders", Sabotage::NoSyncFolders),
    ("early-answer", Sabotage::EarlyAnswer),
    ("ignore-full", Sabotage::IgnoreFull),
    ("no-sweep", Sabotage::NoSweep),
    ("ignore-journal", Sabotage::IgnoreJournal),
    ("in-place", Sabotage::InPlace),
    ("no-lock", Sabotage::NoLock),
    ("no-claim-lock", Sabotage::NoClaimLock),
    ("no-ledger", Sabotage::NoLedger),
    ("follow-links", Sabotage::FollowLinks),
    ("die-after-append", Sabotage::DieAfterAppend),
    ("die-after-first-exchange", Sabotage::DieAfterFirstExchange),
    ("die-after-exchange", Sabotage::DieAfterExchange),
    ("die-before-undo", Sabotage::DieBeforeUndo),
    ("tell-nothing", Sabotage::TellNothing),
    ("tell-unlocked", Sabotage::TellUnlocked),
    ("die-after-telling", Sabotage::DieAfterTelling),
    ("add-nothing", Sabotage::AddNothing),
    ("linger", Sabotage::Linger),
    ("linger-blind", Sabotage::LingerBlind),
];

/// Tells whether a sabotage was asked for.
pub(super) fn active(what: Sabotage) -> bool {
    static CHOSEN: OnceLock<Vec<Sabotage>> = OnceLock::new();
    if !cfg!(debug_assertions) {
        return false;
    }
    let chosen = CHOSEN.get_or_init(|| {
        let names = std::env::var("MYCELIUM_SABOTAGE").unwrap_or_default();
        let by_name = |name| NAMES.iter().find(|(known, _)| *known == name).map(|(_, sabotage)| *sabotage);
        names.split(',').filter_map(by_name).collect()
    });
    chosen.contains(&what)
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
