//! Deliberate breaks, chosen by `MYCELIUM_SABOTAGE` (one or more, with commas between), that show that the tests bite. Exists in debug builds only; a release build has none.

use crate::core::sabotage::sabotages;

sabotages! {
    pub(super) enum Sabotage {
        /// `keep-cache-tree`: the index keeps cached trees of changed folders, so the user's next commit reverts ours.
        KeepCacheTree = "keep-cache-tree",
        /// `no-smudge`: racily clean index entries stay as they are, so an edit in the second of its `git add` is hidden.
        NoSmudge = "no-smudge",
        /// `no-fsync`: nothing is synced.
        NoFsync = "no-fsync",
        /// `no-recover`: leftovers of a crash stay.
        NoRecover = "no-recover",
        /// `no-index`: the index is not refreshed, so our change shows as staged for reversal.
        NoIndex = "no-index",
        /// `no-busy`: a merge or rebase under way does not stop a commit.
        NoBusy = "no-busy",
        /// `no-processes`: git processes at work in the worktree are not looked for.
        NoProcesses = "no-processes",
        /// `no-realign`: index entries that a git wrote back from an old index stay.
        NoRealign = "no-realign",
        /// `no-retry`: a folder of objects that vanishes under us is an error.
        NoRetry = "no-retry",
        /// `no-compare`: HEAD and the index are not compared again under the locks.
        NoCompare = "no-compare",
        /// `no-pack`: many objects are written one by one.
        NoPack = "no-pack",
        /// `no-sync-files`: the objects, the next index and the next branch are not synced; folders are.
        NoSyncFiles = "no-sync-files",
        /// `no-sync-folders`: the folders of objects, branch and index are not synced; files are.
        NoSyncFolders = "no-sync-folders",
        /// `late-sync`: the commit is acknowledged whatever became of its last syncs.
        LateSync = "late-sync",
        /// `steal-locks`: a lock that somebody holds is removed.
        StealLocks = "steal-locks",
        /// `no-sweep`: quarantines of dead commits stay.
        NoSweep = "no-sweep",
        /// `crash-before-swap`: the process ends with the locks held, before the branch moves.
        CrashBeforeSwap = "crash-before-swap",
        /// `crash-after-index`: the process ends between the swap of the index and the swap of the branch.
        CrashAfterIndex = "crash-after-index",
        /// `crash-after-ref`: the process ends after both swaps, with leftovers in place.
        CrashAfterRef = "crash-after-ref",
    }
    fn on;
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
