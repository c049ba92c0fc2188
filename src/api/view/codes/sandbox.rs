//! What the errors of a process in a sandbox mean. Words only; a test runs every example.

use super::page::{CodeExample, CodePage};

/// Every error of a process that a sandbox keeps from writing, by name.
pub(super) const PAGES: &[CodePage] = &[CodePage {
    code: "read-only-state",
    title: "local state is read-only for this process",
    means: "The command needs to write `.git/mycelium` (locks, leases, the journal), and the system refuses: sandboxes of coding agents keep `.git` read-only. Nothing was changed. The exit code is 75; trying again in the same sandbox changes nothing.",
    why: "A lease that cannot be written down would not keep others away. Reading, and changes of tasks that the agent holds already, work in the sandbox all the same.",
    example: CodeExample::Words("`mycelium task claim task-7` in a sandbox that keeps `.git` read-only"),
    remedy: "let the sandbox write the folder that the hint names, or run the command outside of the sandbox",
}];
