//! Whether something was killed: what make, shells and package managers print of a child that ended
//! by signal 9.

use std::sync::LazyLock;

use regex::Regex;

use super::found;

// A verdict of who waited for the child: make, opkg, apk, xargs, a finalised root's scripts.
pattern!(
    VERDICT,
    r"\*\*\* \[[^\]]*\] (?:Killed|Error 137)|[Kk]illed by signal 9\b|terminated by signal 9\b|SIGKILL|script returned status (?:137|-9)\b|has failed with exit code 137\b|exited with error 137\b|\.(?:postinst|preinst) returned (?:137|-9)\b"
);
// A shell says so of each child, also of one that its script killed on purpose.
pattern!(SHELL, r"(?:^|[\s:])Killed(?:\s|$)");
pattern!(NO_MEMORY, r"Cannot allocate memory|[Oo]ut of memory|memory exhausted|std::bad_alloc");

/// What the lines have shown; the later, the surer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Killed {
    #[default]
    Nothing,
    /// A child of some shell: it counts when something failed that nothing else explains.
    Child,
    /// What a package manager or make waited for.
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
