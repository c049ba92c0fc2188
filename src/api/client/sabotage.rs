//! Deliberate breaks, chosen by `MYCELIUM_SABOTAGE`, that show that the tests of the library bite. In debug builds only.
#![allow(clippy::disallowed_methods, reason = "the break is named by the environment")]

use std::sync::OnceLock;

/// One deliberate break.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sabotage {
    /// What is held in memory is believed without a look at the file.
    TrustMemory,
    /// What was withdrawn before it began is done all the same.
    IgnoreWithdrawal,
}

const NAMES: &[(&str, Sabotage)] = &[
    ("trust-memory", Sabotage::TrustMemory), // one a line: a test reads this table
    ("ignore-withdrawal", Sabotage::IgnoreWithdrawal),
];

/// Tells whether a break was asked for.
pub(super) fn on(what: Sabotage) -> bool {
    static CHOSEN: OnceLock<Option<Sabotage>> = OnceLock::new();
    if !cfg!(debug_assertions) {
        return false;
    }
    *CHOSEN.get_or_init(|| {
        let name = std::env::var("MYCELIUM_SABOTAGE").ok()?;
        NAMES.iter().find(|(known, _)| *known == name).map(|(_, sabotage)| *sabotage)
    }) == Some(what)
}
