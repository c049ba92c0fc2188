//! Deliberate breaks, chosen by `MYCELIUM_SABOTAGE`, that show that the tests of the library bite. In debug builds only.
#![allow(clippy::disallowed_methods, reason = "the break is named by the environment")]

use crate::core::sabotage::sabotages;

sabotages! {
    pub(super) enum Sabotage {
        /// What is held in memory is believed without a look at the file.
        TrustMemory = "trust-memory",
        /// What was withdrawn before it began is done all the same.
        IgnoreWithdrawal = "ignore-withdrawal",
    }
    fn on;
}
