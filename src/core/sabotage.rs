//! Deliberate breaks of the pure modules, planted by the tests that must catch them. In builds with debug assertions only.
//!
//! The pure modules read no environment, so whoever calls them says what to break, for one thread:
//!
//! ```ignore
//! let _planted = plant(Sabotage::named("tell-twice")?); // until it is dropped
//! ```

/// Declares the deliberate breaks of a module, each with the name by which tests ask for it; with `fn`, also a function: it
/// returns true if `MYCELIUM_SABOTAGE` (one name or more, with commas between) asks for one. In debug builds only.
macro_rules! sabotages {
    ($vis:vis enum Sabotage { $($(#[$doc:meta])* $variant:ident = $name:literal,)* } $(fn $on:ident;)?) => {
        /// One deliberate break.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        $vis enum Sabotage { $($(#[$doc])* $variant,)* }

        impl Sabotage {
            /// All of them, by name.
            $vis const ALL: &[(&str, Self)] = &[$(($name, Self::$variant),)*];

            /// The one of this name.
            #[must_use]
            $vis fn named(name: &str) -> Option<Self> {
                Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, sabotage)| *sabotage)
            }
        }

        $(/// Returns true if a break was asked for.
        $vis fn $on(sabotage: Sabotage) -> bool {
            static CHOSEN: std::sync::OnceLock<Vec<Sabotage>> = std::sync::OnceLock::new();
            let read = || std::env::var("MYCELIUM_SABOTAGE").unwrap_or_default();
            let chosen = || CHOSEN.get_or_init(|| read().split(',').filter_map(Sabotage::named).collect());
            cfg!(debug_assertions) && chosen().contains(&sabotage)
        })?
    };
}
pub(crate) use sabotages;

sabotages! {
    pub enum Sabotage {
        /// Every change counts as settled at once.
        CommitUnsettled = "commit-unsettled",
        /// When something has settled, everything that may be committed goes along.
        CommitAlong = "commit-along",
        /// A deletion settles as quickly as an edit.
        DeletionAtOnce = "deletion-at-once",
        /// What does not parse may be committed.
        AdmitFaulty = "admit-faulty",
        /// Any number of deletions may be committed.
        NoDeletionGuard = "no-deletion-guard",
        /// What equals HEAD counts as an edit.
        EqualIsEdit = "equal-is-edit",
        /// A wake-up in the middle of a round is forgotten.
        LoseWakeUp = "lose-wake-up",
        /// After a start nothing is looked at until something happens.
        NoFirstLook = "no-first-look",
        /// While file events do not come, nothing is looked at.
        NoSafetyScan = "no-safety-scan",
        /// After a clock went back, time stands still until it is as late as it was.
        ClockBackForever = "clock-back-forever",
        /// A refused or busy commit is not tried again.
        ForgetRetry = "forget-retry",
        /// A path whose commit was refused is never taken again.
        SkipRefused = "skip-refused",
        /// A commit is tried although a merge or the like is under way.
        IgnoreBusy = "ignore-busy",
        /// There is always one more look to come.
        NeverSleep = "never-sleep",
        /// One round follows the other without a pause, and one try the other.
        NoPause = "no-pause",
        /// Everything is said again in each round.
        RepeatWords = "repeat-words",
        /// The end of what was said is not told.
        SwallowEnd = "swallow-end",
        /// Stopping does not look for the last changes.
        StopAtOnce = "stop-at-once",
        /// Stopping waits for as long as something is in the way.
        StopNever = "stop-never",
        /// What HEAD holds already is told again after a crash.
        TellTwice = "tell-twice",
        /// All steps count for the author of the first.
        OneAuthor = "one-author",
        /// A step is moved before one it builds on.
        MoveSteps = "move-steps",
        /// An edit by hand that an operation found is told as part of the operation.
        AbsorbEdits = "absorb-edits",
        /// Edits by hand are committed whether or not they were admitted.
        AdmitAllEdits = "admit-all-edits",
        /// Operations that were put back by git are committed.
        TellPutBack = "tell-put-back",
        /// An operation that joins the commit of another is not named in it.
        LeaveUnnamed = "leave-unnamed",
        /// A lease is over as soon as it begins.
        NoLease = "no-lease",
        /// What was noted before another start of the machine counts as noted in this one.
        AnyBoot = "any-boot",
        /// A new holder gets the fence of the old one.
        SameFence = "same-fence",
        /// Whoever has lost a task may change it all the same.
        NoFence = "no-fence",
        /// What was kept of a document that has changed since is believed.
        BelieveOldCache = "believe-old-cache",
        /// What was kept is believed although it is torn.
        BelieveTornCache = "believe-torn-cache",
        /// A merge begins with whichever side is ours.
        OursFirst = "ours-first",
        /// A merge tells nobody what they lost.
        HideLosses = "hide-losses",
        /// A merge that finds two values keeps one of them without a word.
        PickAValue = "pick-a-value",
        /// Whatever a server holds came from what was agreed on.
        AnySuccessor = "any-successor",
        /// What goes to a server does not say from which versions it came.
        ForgetAncestry = "forget-ancestry",
        /// What a server has lost was removed.
        LostIsRemoved = "lost-is-removed",
        /// What others wrote into a hash is written over.
        WriteOver = "write-over",
        /// What stands here because HEAD was moved back counts as an edit.
        RollBack = "roll-back",
        /// Where HEAD was is remembered at the end of a pass alone.
        ForgetHead = "forget-head",
        /// HEAD counts as reached although what changed with it was not compared.
        SettleUnread = "settle-unread",
        /// What was made of what HEAD moved back to counts as made of the sync base.
        MergeFromBase = "merge-from-base",
        /// What was read of a file is sent, however old it is.
        SendOldRead = "send-old-read",
        /// A `TaskQueue` server is written to by numbers that were read before the decision.
        WriteUnread = "write-unread",
        /// Of several items that show one task on a `TaskQueue` server all stay.
        KeepSurplus = "keep-surplus",
        /// A new item on a `TaskQueue` server counts as complete before it has its status.
        CompleteAtOnce = "complete-at-once",
        /// An approved item on a `TaskQueue` server is asked for again as long as a version of it is lost.
        AskFrozenAgain = "ask-frozen-again",
    }
}

impl Sabotage {
    /// Tells whether it breaks who may have a task, which the simulation does not ask.
    #[must_use]
    pub const fn is_about_claims(self) -> bool {
        matches!(self, Self::NoLease | Self::AnyBoot | Self::SameFence | Self::NoFence)
    }

    /// Tells whether it breaks how documents are read from the disk, which the simulation does not do.
    #[must_use]
    pub const fn is_about_reading(self) -> bool {
        matches!(self, Self::BelieveOldCache | Self::BelieveTornCache)
    }

    /// Tells whether it breaks how documents are merged, which the simulation does not do.
    #[must_use]
    pub const fn is_about_merging(self) -> bool {
        matches!(self, Self::OursFirst | Self::HideLosses | Self::PickAValue)
    }

    /// Tells whether it breaks how documents are mirrored, which the simulation does not do.
    #[must_use]
    pub const fn is_about_mirroring(self) -> bool {
        matches!(
            self,
            Self::AnySuccessor
                | Self::ForgetAncestry
                | Self::LostIsRemoved
                | Self::WriteOver
                | Self::RollBack
                | Self::ForgetHead
                | Self::SettleUnread
                | Self::MergeFromBase
                | Self::SendOldRead
        )
    }

    /// Returns true if it breaks how tasks are mirrored to a `TaskQueue` server, which no other remote meets.
    #[must_use]
    pub const fn is_about_taskqueue(self) -> bool {
        matches!(self, Self::WriteUnread | Self::KeepSurplus | Self::CompleteAtOnce | Self::AskFrozenAgain)
    }
}

#[cfg(debug_assertions)]
pub use planting::{Planted, plant};

#[cfg(debug_assertions)]
pub(crate) use planting::on;

#[cfg(debug_assertions)]
mod planting {
    use std::cell::Cell;

    use crate::core::sabotage::Sabotage;

    thread_local! {
        static PLANTED: Cell<Option<Sabotage>> = const { Cell::new(None) };
    }

    /// Ends a break when it is dropped.
    #[derive(Debug)]
    #[must_use]
    pub struct Planted(());

    impl Drop for Planted {
        fn drop(&mut self) {
            PLANTED.set(None);
        }
    }

    /// Breaks the pure modules for this thread.
    pub fn plant(sabotage: Sabotage) -> Planted {
        PLANTED.set(Some(sabotage));
        Planted(())
    }

    /// Tells whether a break was planted in this thread.
    pub(crate) fn on(sabotage: Sabotage) -> bool {
        PLANTED.get() == Some(sabotage)
    }
}

/// Tells whether a break was planted; never, in a release build.
#[cfg(not(debug_assertions))]
pub(crate) const fn on(_: Sabotage) -> bool {
    false
}
