//! Detects killed processes: what make, shells and package managers print about a child that ended by
//! signal 9. Part of the classification of a build's output.

use std::sync::LazyLock;

use regex::Regex;

use super::found;

// Messages of the program that waited for the child: make, opkg, apk, xargs, and the scripts that
// finalise a root file system.
pattern!(
    VERDICT,
    r"\*\*\* \[[^\]]*\] (?:Killed|Error 137)|[Kk]illed by signal 9\b|terminated by signal 9\b|SIGKILL|script returned status (?:137|-9)\b|has failed with exit code 137\b|exited with error 137\b|\.(?:postinst|preinst) returned (?:137|-9)\b"
);
// A shell prints this for every killed child, also for one that its script killed on purpose.
pattern!(SHELL, r"(?:^|[\s:])Killed(?:\s|$)");
pattern!(NO_MEMORY, r"Cannot allocate memory|[Oo]ut of memory|memory exhausted|std::bad_alloc");

/// What the lines have shown, in the order of certainty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Killed {
    #[default]
    Nothing,
    /// A child of a shell was killed. It is the reason only of a failure without another explanation.
    Child,
    /// A process that make or a package manager waited for was killed.
    Step,
    /// A program was refused memory.
    NoMemory,
}

impl Killed {
    pub(super) fn line(&mut self, line: &str) {
        if found(&NO_MEMORY, line) {
            *self = Self::NoMemory;
        } else if found(&VERDICT, line) {
            *self = (*self).max(Self::Step);
        } else if found(&SHELL, line) {
            *self = (*self).max(Self::Child);
        }
    }
}
