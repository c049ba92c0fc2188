//! Deliberate breaks, chosen by `MYCELIUM_SABOTAGE`, that show that the tests of watching bite. In debug builds only.

use crate::core::sabotage::sabotages;

sabotages! {
    pub(super) enum Sabotage {
        /// A directory that was replaced is not watched again.
        NoRearm = "no-rearm",
        /// Renames do not ring, so an editor that saves by renaming is missed.
        DeafToRenames = "deaf-to-renames",
        /// Reading rings too, so that every look causes the next.
        RingForReading = "ring-for-reading",
        /// The repository is not watched.
        IgnoreBranch = "ignore-branch",
        /// A watch that the kernel refuses is not told.
        HideLimit = "hide-limit",
        /// Files of settings are not watched.
        DeafToSettings = "deaf-to-settings",
    }
    fn on;
}
