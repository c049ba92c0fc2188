//! The scripts that run on the server, each as one step that nobody can come between.

use redis::Script;

/// A script with what several of them need before it.
macro_rules! script {
    ($file:literal) => {
        Script::new(concat!(include_str!("scripts/common.lua"), include_str!($file)))
    };
}

/// All of them; they are sent by their digest, and whole where the server does not know one.
pub(super) struct Scripts {
    pub(super) look: Script,
    pub(super) fetch: Script,
    pub(super) apply: Script,
    pub(super) queue: Script,
    pub(super) claim: Script,
    pub(super) unclaim: Script,
    pub(super) renew: Script,
    pub(super) space: Script,
    pub(super) hold: Script,
    pub(super) adopt: Script,
}

impl Scripts {
    pub(super) fn new() -> Self {
        Self {
            look: script!("scripts/look.lua"),
            fetch: script!("scripts/fetch.lua"),
            apply: script!("scripts/apply.lua"),
            queue: script!("scripts/queue.lua"),
            claim: script!("scripts/claim.lua"),
            unclaim: script!("scripts/unclaim.lua"),
            renew: script!("scripts/renew.lua"),
            space: script!("scripts/space.lua"),
            hold: script!("scripts/hold.lua"),
            adopt: script!("scripts/adopt.lua"),
        }
    }
}
