//! Deliberate breaks, chosen by `MYCELIUM_SABOTAGE` (one or more, with commas between), that show that the tests bite. Exists in debug builds only; a release build has none.

/// One deliberate break. The text in `MYCELIUM_SABOTAGE` is its name in kebab case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sabotage {
    /// `keep-cache-tree`: the index keeps cached trees of changed folders, so the user's next commit reverts ours.
    KeepCacheTree,
    /// `no-smudge`: racily clean index entries stay as they are, so an edit in the second of its `git add` is hidden.
    NoSmudge,
    /// `no-fsync`: nothing is synced.
    NoFsync,
    /// `no-recover`: leftovers of a crash stay.
    NoRecover,
    /// `no-index`: the index is not refreshed, so our change shows as staged for reversal.
    NoIndex,
    /// `no-busy`: a merge or rebase under way does not stop a commit.
    NoBusy,
    /// `no-processes`: git processes at work in the worktree are not looked for.
    NoProcesses,
    /// `no-realign`: index entries that a git wrote back from an old index stay.
    NoRealign,
    /// `no-retry`: a folder of objects that vanishes under us is an error.
    NoRetry,
    /// `no-compare`: HEAD and the index are not compared again under the locks.
    NoCompare,
    /// `no-pack`: many objects are written one by one.
    NoPack,
    /// `no-sync-files`: the objects, the next index and the next branch are not synced; folders are.
    NoSyncFiles,
    /// `no-sync-folders`: the folders of objects, branch and index are not synced; files are.
    NoSyncFolders,
    /// `late-sync`: the commit is acknowledged whatever became of its last syncs.
    LateSync,
    /// `steal-locks`: a lock that somebody holds is removed.
    StealLocks,
    /// `no-sweep`: quarantines of dead commits stay.
    NoSweep,
    /// `crash-before-swap`: the process ends with the locks held, before the branch moves.
    CrashBeforeSwap,
    /// `crash-after-index`: the process ends between the swap of the index and the swap of the branch.
    CrashAfterIndex,
    /// `crash-after-ref`: the process ends after both swaps, with leftovers in place.
    CrashAfterRef,
}

#[cfg(debug_assertions)]
impl Sabotage {
    const ALL: [(&'static str, Self); 19] = [
        ("keep-cache-tree", Self::KeepCacheTree),
        ("no-smudge", Self::NoSmudge),
        ("no-fsync", Self::NoFsync),
        ("no-recover", Self::NoRecover),
        ("no-index", Self::NoIndex),
        ("no-busy", Self::NoBusy),
        ("no-processes", Self::NoProcesses),
        ("no-realign", Self::NoRealign),
        ("no-retry", Self::NoRetry),
        ("no-compare", Self::NoCompare),
        ("no-pack", Self::NoPack),
        ("no-sync-files", Self::NoSyncFiles),
        ("no-sync-folders", Self::NoSyncFolders),
        ("late-sync", Self::LateSync),
        ("steal-locks", Self::StealLocks),
        ("no-sweep", Self::NoSweep),
        ("crash-before-swap", Self::CrashBeforeSwap),
        ("crash-after-ref", Self::CrashAfterRef),
        ("crash-after-index", Self::CrashAfterIndex),
    ];
}

/// Tells whether a break is switched on; read once from the environment.
#[cfg(debug_assertions)]
pub(super) fn on(sabotage: Sabotage) -> bool {
    static CHOSEN: std::sync::OnceLock<Vec<Sabotage>> = std::sync::OnceLock::new();
    let chosen = CHOSEN.get_or_init(|| {
        let names = std::env::var("MYCELIUM_SABOTAGE").unwrap_or_default();
        let by_name = |name| Sabotage::ALL.iter().find(|(text, _)| *text == name).map(|(_, sabotage)| *sabotage);
        names.split(',').filter_map(by_name).collect()
    });
    chosen.contains(&sabotage)
}

/// Tells whether a break is switched on; never, in a release build.
#[cfg(not(debug_assertions))]
pub(super) const fn on(_: Sabotage) -> bool {
    false
}

/// Ends the process as a power cut would, if that break is switched on.
pub(super) fn crash(sabotage: Sabotage) {
    if on(sabotage) {
        std::process::abort();
    }
}

/// Waits where others can slip in, if that break is switched on: a race that is lost once in a thousand is then lost at once.
pub(super) fn widen(sabotage: Sabotage) {
    if on(sabotage) {
        std::thread::sleep(std::time::Duration::from_millis(3));
    }
}
