//! The exit codes, which scripts rely on: what is true now, as a number.

use std::process::ExitCode;

/// How the program ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Exit {
    /// What was asked for is done.
    Done,
    /// The check that was asked for said no.
    No,
    /// The command line makes no sense.
    Usage,
    /// Refused before anything was touched.
    Refused,
    /// The manifest has mistakes.
    Invalid,
    /// A file is missing or cannot be read.
    Unreadable,
    /// Nothing runs that could answer.
    Unavailable,
    /// A mistake of Mainstay's own.
    Bug,
    /// Not now; the same command may succeed later.
    TryAgain,
    /// Somebody pressed Ctrl-C.
    Interrupted,
}

impl Exit {
    /// The number; those from 65 on are the ones of `sysexits.h`.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::No => 1,
            Self::Usage => 2,
            Self::Refused => 12,
            Self::Invalid => 65,
            Self::Unreadable => 66,
            Self::Unavailable => 69,
            Self::Bug => 70,
            Self::TryAgain => 75,
            Self::Interrupted => 130,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
