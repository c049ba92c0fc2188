//! Exit codes: the one list of the ways in which a command ends. Decides nothing itself.

use std::process::ExitCode;

use crate::core::problem::ErrorClass;

/// How a command ended. The numbers are an interface: they never change their meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done; what was acknowledged is durable.
    Ok = 0,
    /// `check` found errors, or something failed that has no code of its own.
    Problems = 1,
    /// The command line or a given value is wrong; nothing was done.
    Usage = 2,
    /// There is no such document, file or setting.
    NotFound = 3,
    /// The change clashes with the state of the document (illegal step, id taken, lost claim); nothing was done.
    Conflict = 4,
    /// The repository or folder cannot be trusted or used safely; nothing was done.
    Unsafe = 5,
    /// Another process is at work; the same command may work in a moment.
    Busy = 75,
    /// Stopped by the user.
    Interrupted = 130,
}

impl Exit {
    /// Every exit code, in rising order.
    pub const ALL: [Self; 8] = [
        Self::Ok,
        Self::Problems,
        Self::Usage,
        Self::NotFound,
        Self::Conflict,
        Self::Unsafe,
        Self::Busy,
        Self::Interrupted,
    ];

    /// Returns how a command ends that failed so.
    #[must_use]
    pub const fn of(class: ErrorClass) -> Self {
        match class {
            ErrorClass::Problem => Self::Problems,
            ErrorClass::Usage => Self::Usage,
            ErrorClass::NotFound => Self::NotFound,
            ErrorClass::Conflict => Self::Conflict,
            ErrorClass::Unsafe => Self::Unsafe,
            ErrorClass::Busy => Self::Busy,
            ErrorClass::Interrupted => Self::Interrupted,
        }
    }

    /// The number that the process ends with.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// What it says, in a few words, as in `mycelium --help`.
    #[must_use]
    pub const fn about(self) -> &'static str {
        match self {
            Self::Ok => "done",
            Self::Problems => "problems found, or a failure without a code of its own",
            Self::Usage => "wrong command line or value",
            Self::NotFound => "no such document, file or setting",
            Self::Conflict => "clashes with the document's state",
            Self::Unsafe => "unsafe repository or folder",
            Self::Busy => "busy, try again",
            Self::Interrupted => "interrupted",
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_of_the_interface() {
        assert_eq!(Exit::ALL.map(Exit::code), [0, 1, 2, 3, 4, 5, 75, 130]);
    }
}
