//! Deliberate breaks of the pure modules, planted by the tests that must catch them. In builds with debug assertions only.
//!
//! The pure modules read no environment, so whoever calls them says what to break, for one thread:
//!
//! ```ignore
//! let _planted = plant(Sabotage::named("tell-twice")?); // until it is dropped
//! ```

/// One deliberate break.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sabotage {
    /// Every change counts as settled at once.
    CommitUnsettled,
    /// When something has settled, everything that may be committed goes along.
    CommitAlong,
    /// A deletion settles as quickly as an edit.
    DeletionAtOnce,
    /// What does not parse may be committed.
    AdmitFaulty,
    /// Any number of deletions may be committed.
    NoDeletionGuard,
    /// What equals HEAD counts as an edit.
    EqualIsEdit,
    /// A wake-up in the middle of a round is forgotten.
    LoseWakeUp,
    /// After a start nothing is looked at until something happens.
    NoFirstLook,
    /// While file events do not come, nothing is looked at.
    NoSafetyScan,
    /// After a clock went back, time stands still until it is as late as it was.
    ClockBackForever,
    /// A refused or busy commit is not tried again.
    ForgetRetry,
    /// A path whose commit was refused is never taken again.
    SkipRefused,
    /// A commit is tried although a merge or the like is under way.
    IgnoreBusy,
    /// There is always one more look to come.
    NeverSleep,
    /// One round follows the other without a pause, and one try the other.
    NoPause,
    /// Everything is said again in each round.
    RepeatWords,
    /// The end of what was said is not told.
    SwallowEnd,
    /// Stopping does not look for the last changes.
    StopAtOnce,
    /// Stopping waits for as long as something is in the way.
    StopNever,
    /// What HEAD holds already is told again after a crash.
    TellTwice,
    /// All steps count for the author of the first.
    OneAuthor,
    /// A step is moved before one it builds on.
    MoveSteps,
    /// An edit by hand that an operation found is told as part of the operation.
    AbsorbEdits,
    /// Edits by hand are committed whether or not they were admitted.
    AdmitAllEdits,
    /// Operations that were put back by git are committed.
    TellPutBack,
    /// An operation that joins the commit of another is not named in it.
    LeaveUnnamed,
    /// A lease is over as soon as it begins.
    NoLease,
    /// What was noted before another start of the machine counts as noted in this one.
    AnyBoot,
    /// A new holder gets the fence of the old one.
    SameFence,
    /// Whoever has lost a task may change it all the same.
    NoFence,
    /// What was kept of a document that has changed since is believed.
    BelieveOldCache,
    /// What was kept is believed although it is torn.
    BelieveTornCache,
    /// A merge begins with whichever side is ours.
    OursFirst,
    /// A merge tells nobody what they lost.
    HideLosses,
    /// A merge that finds two values keeps one of them without a word.
    PickAValue,
    /// Whatever a server holds came from what was agreed on.
    AnySuccessor,
    /// What goes to a server does not say from which versions it came.
    ForgetAncestry,
    /// What a server has lost was removed.
    LostIsRemoved,
    /// What others wrote into a hash is written over.
    WriteOver,
    /// What stands here because HEAD was moved back counts as an edit.
    RollBack,
}

impl Sabotage {
    /// All of them, by name.
    pub const ALL: &[(&str, Self)] = &[
        ("commit-unsettled", Self::CommitUnsettled),
        ("commit-along", Self::CommitAlong),
        ("deletion-at-once", Self::DeletionAtOnce),
        ("admit-faulty", Self::AdmitFaulty),
        ("no-deletion-guard", Self::NoDeletionGuard),
        ("equal-is-edit", Self::EqualIsEdit),
        ("lose-wake-up", Self::LoseWakeUp),
        ("no-first-look", Self::NoFirstLook),
        ("no-safety-scan", Self::NoSafetyScan),
        ("clock-back-forever", Self::ClockBackForever),
        ("forget-retry", Self::ForgetRetry),
        ("skip-refused", Self::SkipRefused),
        ("ignore-busy", Self::IgnoreBusy),
        ("never-sleep", Self::NeverSleep),
        ("no-pause", Self::NoPause),
        ("repeat-words", Self::RepeatWords),
        ("swallow-end", Self::SwallowEnd),
        ("stop-at-once", Self::StopAtOnce),
        ("stop-never", Self::StopNever),
        ("tell-twice", Self::TellTwice),
        ("one-author", Self::OneAuthor),
        ("move-steps", Self::MoveSteps),
        ("absorb-edits", Self::AbsorbEdits),
        ("admit-all-edits", Self::AdmitAllEdits),
        ("tell-put-back", Self::TellPutBack),
        ("leave-unnamed", Self::LeaveUnnamed),
        ("no-lease", Self::NoLease),
        ("any-boot", Self::AnyBoot),
        ("same-fence", Self::SameFence),
        ("no-fence", Self::NoFence),
        ("believe-old-cache", Self::BelieveOldCache),
        ("believe-torn-cache", Self::BelieveTornCache),
        ("ours-first", Self::OursFirst),
        ("hide-losses", Self::HideLosses),
        ("pick-a-value", Self::PickAValue),
        ("any-successor", Self::AnySuccessor),
        ("forget-ancestry", Self::ForgetAncestry),
        ("lost-is-removed", Self::LostIsRemoved),
        ("write-over", Self::WriteOver),
        ("roll-back", Self::RollBack),
    ];

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
            Self::AnySuccessor | Self::ForgetAncestry | Self::LostIsRemoved | Self::WriteOver | Self::RollBack
        )
    }

    /// The one of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, sabotage)| *sabotage)
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
