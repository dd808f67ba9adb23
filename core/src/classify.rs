//! Reads the output of an ImageBuilder line by line and determines the failure reason. Called by the
//! builder; must not depend on anything but the text.
//!
//! Knows the messages of opkg (to 24.10) and of apk (from 25.12). Infrastructure failures take
//! precedence, because they cause misleading messages: with an unreadable feed every package is
//! "unknown", and with a full disk opkg reports that it cannot install a package. Exit codes of inner
//! commands are ignored, except that of a kill: apk's exit code is the number of errors.

use std::{
    collections::BTreeSet,
    sync::{Arc, LazyLock},
};

use regex::Regex;

use crate::failure::{Failure, FailureReason};

/// Declares a regular expression and a test that it compiles. One that does not compile would never
/// match.
macro_rules! pattern {
    ($name:ident, $text:literal) => {
        static $name: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new($text).ok());

        #[cfg(test)]
        #[expect(non_snake_case, reason = "named after its pattern")]
        mod $name {
            #[test]
            fn compiles() {
                assert!(super::$name.is_some());
            }
        }
    };
}

mod feeds;
mod killed;
mod too_big;

pub use feeds::Origins;

use feeds::Feeds;
use killed::Killed;
use too_big::TooBig;

/// Maximum number of names of one kind that are kept; more are of no use in a message.
const MAX_NAMES: usize = 100;
/// Number of bytes at the beginning of a line that are read.
const MAX_LINE: usize = 4096;

/// What was found in the lines so far. Must get every line of the output, including those that are cut
/// from the stored log.
#[derive(Clone, Debug, Default)]
pub struct Classifier {
    disk: Disk,
    feeds: Feeds,
    killed: Killed,
    too_big: Option<TooBig>,
    scripts: BTreeSet<String>,
    missing: BTreeSet<String>,
    conflicts: BTreeSet<String>,
    unknown_profile: bool,
    read_only: bool,
    /// What the next line belongs to: a list of conflicting packages (opkg), or a package (apk).
    context: Context,
}

/// State of disks and network volumes, in the order of severity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Disk {
    #[default]
    Fine,
    Failed,
    Full,
}

#[derive(Clone, Debug, Default)]
enum Context {
    #[default]
    None,
    OpkgConflicts,
    ApkPackage(String),
}

pattern!(
    NO_SPACE,
    r"No space left on device|Disk quota exceeded|verify_pkg_installable: Only have \d+kb available|wget returned 3\.|FATAL ERROR: Failed to write to output filesystem"
);
// Linux's messages for a failing disk, network volume or FUSE mount (EIO, ESTALE, ENOTCONN).
pattern!(
    VOLUME,
    r"Input/output error|Stale file handle|Stale NFS file handle|Transport endpoint is not connected"
);
pattern!(READ_ONLY, r"Read-only file system|staging_dir/.*: Permission denied");
pattern!(
    SCRIPT_OPKG,
    r#"pkg_run_script: package "?([A-Za-z0-9_.+-]+)"? \S+ script returned status"#
);
pattern!(
    SCRIPT_ROOTFS,
    r"(?:post|pre)inst script \S*/([A-Za-z0-9_.+~=-]+) has failed with exit code"
);
pattern!(MISSING_OPKG, r"Cannot install package ([A-Za-z0-9_.+=~-]+?)\.(?:\s|$)");
pattern!(MISSING_APK, r"^\s+([A-Za-z0-9_.+=~:-]+) \(no such package\)");
pattern!(DEPENDENCY, r"cannot find dependency ([A-Za-z0-9_.+-]+) .*for ([A-Za-z0-9_.+-]+)");
pattern!(CLASH_OPKG, r"check_data_file_clashes: Package ([A-Za-z0-9_.+-]+) wants to");
pattern!(CLASH_OWNER, r"is already provided by package\s+\*\s+([A-Za-z0-9_.+-]+)\s*$");
pattern!(
    CONFLICT_HEAD,
    r"check_conflicts_for: The following packages conflict with ([A-Za-z0-9_.+-]+):"
);
pattern!(CONFLICT_LIST, r"check_conflicts_for:\s+(.*\*)\s*$");
pattern!(
    CLASH_APK,
    r"ERROR: ([A-Za-z0-9_.+~-]+): trying to overwrite \S+ owned by ([A-Za-z0-9_.+~-]+?)\.?$"
);
pattern!(APK_BLOCK, r"^  ([A-Za-z0-9_.+~-]+):$");
pattern!(APK_CONFLICT, r"^\s+(?:conflicts|breaks): ([A-Za-z0-9_.+~-]+)\[");
pattern!(NO_PROFILE, r#"^Profile ".*" does not exist!"#);

// Matches every line that another pattern can match. A package may print a hundred thousand other
// lines; this one check saves matching each of them against all patterns. A `RegexSet` would not do
// more: most rules need the captured names, and some the line before.
pattern!(
    INTERESTING,
    r"space|Input/output|Stale |Transport|Only have|quota|to write|ermission|Read-only|ownload|ignature|WARNING|ERROR|Checksum|big|partition|script|annot |no such package|onflict|breaks: |clashes|already provided|does not exist|illed|SIGKILL|signal 9|(?:rror|tatus|code|returned) (?:137|-9)|memory|bad_alloc|opkg_update:|^  [^ ]+:$"
);

fn found(pattern: &LazyLock<Option<Regex>>, line: &str) -> bool {
    pattern.as_ref().is_some_and(|regex| regex.is_match(line))
}

fn group(pattern: &LazyLock<Option<Regex>>, line: &str, index: usize) -> Option<String> {
    let captures = pattern.as_ref()?.captures(line)?;
    captures.get(index).map(|part| part.as_str().to_owned())
}

fn remember(names: &mut BTreeSet<String>, name: Option<String>) {
    if names.len() < MAX_NAMES {
        names.extend(name);
    }
}

pattern!(VERSIONED, r"^(.+?)-\d[^-]*(?:-r\d+)?(?:\.\S*)?$");

/// Removes the version from `name-1.0-r1`. A name without a version is returned unchanged.
fn without_version(text: &str) -> String {
    group(&VERSIONED, text, 1).unwrap_or_else(|| text.to_owned())
}

/// The package of a script, from the script's file name.
fn script_owner(file: &str) -> String {
    let name = [".postinst", ".preinst", ".post-install", ".pre-install"]
        .iter()
        .find_map(|end| file.strip_suffix(end));
    match name {
        Some(name) if file.ends_with("-install") => without_version(name),
        Some(name) => name.to_owned(),
        None => file.to_owned(),
    }
}

fn list(names: &BTreeSet<String>) -> String {
    names.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

impl Classifier {
    /// A classifier that distinguishes the Distribution's feeds from the request's repositories. With
    /// [`Self::default`] all feeds count as the Distribution's.
    pub fn of(origins: Origins) -> Self {
        Self { feeds: Feeds::of(Arc::new(origins)), ..Self::default() }
    }

    /// A new classifier with the same origins, for another run of the same build.
    #[must_use]
    pub fn renewed(&self) -> Self {
        Self { feeds: self.feeds.renewed(), ..Self::default() }
    }

    /// A classifier that has read all lines of `text`.
    pub fn read(text: &str) -> Self {
        let mut classifier = Self::default();
        for line in text.lines() {
            classifier.line(line);
        }
        classifier
    }

    /// Reads one line.
    pub fn line(&mut self, line: &str) {
        let mut end = line.len().min(MAX_LINE);
        while !line.is_char_boundary(end) {
            end -= 1;
        }
        let line = line.get(..end).unwrap_or_default();
        if !found(&INTERESTING, line) {
            self.context = Context::None;
            return;
        }
        self.infrastructure(line);
        self.request(line);
    }

    fn infrastructure(&mut self, line: &str) {
        if found(&NO_SPACE, line) {
            self.disk = Disk::Full;
        } else if found(&VOLUME, line) {
            self.disk = self.disk.max(Disk::Failed);
        }
        self.read_only |= found(&READ_ONLY, line);
        self.feeds.line(line);
        self.killed.line(line);
    }

    fn request(&mut self, line: &str) {
        if self.too_big.is_none() {
            self.too_big = TooBig::read(line);
        }
        remember(&mut self.scripts, group(&SCRIPT_OPKG, line, 1));
        remember(&mut self.scripts, group(&SCRIPT_ROOTFS, line, 1).map(|file| script_owner(&file)));
        remember(&mut self.missing, group(&MISSING_OPKG, line, 1));
        remember(&mut self.missing, group(&MISSING_APK, line, 1));
        remember(&mut self.missing, group(&DEPENDENCY, line, 1));
        self.unknown_profile |= found(&NO_PROFILE, line);
        self.clashes(line);
    }

    fn clashes(&mut self, line: &str) {
        remember(&mut self.conflicts, group(&CLASH_OPKG, line, 1));
        remember(&mut self.conflicts, group(&CLASH_OWNER, line, 1));
        for index in [1, 2] {
            let name = group(&CLASH_APK, line, index).map(|name| without_version(&name));
            remember(&mut self.conflicts, name);
        }
        if let Some(name) = group(&CONFLICT_HEAD, line, 1) {
            remember(&mut self.conflicts, Some(name));
            self.context = Context::OpkgConflicts;
        } else if matches!(self.context, Context::OpkgConflicts) {
            let names = group(&CONFLICT_LIST, line, 1).unwrap_or_default();
            for name in names.split('*').map(str::trim).filter(|n| !n.is_empty()) {
                remember(&mut self.conflicts, Some(name.to_owned()));
            }
            if names.is_empty() {
                self.context = Context::None;
            }
        } else if let Some(name) = group(&APK_BLOCK, line, 1) {
            self.context = Context::ApkPackage(without_version(&name));
        } else if let Some(other) = group(&APK_CONFLICT, line, 1) {
            if let Context::ApkPackage(name) = &self.context {
                remember(&mut self.conflicts, Some(name.clone()));
            }
            // apk's name for what was asked for, which is no package.
            remember(
                &mut self.conflicts,
                Some(without_version(&other)).filter(|name| name != "world"),
            );
        }
    }

    /// Whether a file could not be written because it is read-only. The caller may then repeat the
    /// build with a copy of the tree.
    pub fn is_read_only(&self) -> bool {
        self.read_only
    }

    /// Packages that could not be downloaded and whose feed is not in the output. The caller may find
    /// the feed in the indexes, and pass it to [`place`](Self::place).
    pub fn packages_of_unknown_feed(&self) -> Vec<String> {
        self.feeds.packages_of_unknown_feed()
    }

    /// Whether an image was too big and the output does not contain the size limit.
    pub fn lacks_image_size(&self) -> bool {
        matches!(self.too_big, Some(TooBig::By { limit: None, .. }))
    }

    /// Sets the maximum size of the device's image in bytes, for the message of the failure.
    pub fn limit_image_size(&mut self, bytes: u64) {
        if let Some(TooBig::By { limit, .. }) = &mut self.too_big {
            *limit = Some(bytes);
        }
    }

    /// Records that this repository of the request is the only feed with this package.
    pub fn place(&mut self, package: String, repository: String) {
        self.feeds.place(package, repository);
    }

    /// The failure of a build whose downloads from these URLs did not end within its time limit.
    pub fn stalled(&self, urls: &[String]) -> Failure {
        self.feeds.stalled(urls)
    }

    /// A failure that invalidates a build even when make succeeded: a failed disk or feed. With an
    /// unread index the image would have other packages than requested.
    pub fn failure_despite_success(&self) -> Option<Failure> {
        self.disk().or_else(|| self.feeds.failure())
    }

    fn disk(&self) -> Option<Failure> {
        let (reason, detail) = match self.disk {
            Disk::Fine => return None,
            Disk::Failed => {
                (FailureReason::Internal, "A disk or a network volume failed during the build")
            }
            Disk::Full => (FailureReason::NoSpace, "The build ran out of scratch space"),
        };
        Some(Failure::new(reason, detail))
    }

    /// The failure when a step of the build was killed. It takes precedence over messages that may be
    /// consequences of the kill.
    fn killed(&self) -> Option<Failure> {
        match self.killed {
            Killed::Nothing | Killed::Child => None,
            Killed::Step => Some(self.killed_by()),
            Killed::NoMemory => Some(Failure::new(
                FailureReason::OutOfMemory,
                "A program of the build was refused memory",
            )),
        }
    }

    fn killed_by(&self) -> Failure {
        let scripts = if self.scripts.is_empty() {
            String::new()
        } else {
            format!(", in a script of {}", list(&self.scripts))
        };
        Failure::new(
            FailureReason::BuilderDied,
            format!("A process of the build was killed by signal 9{scripts}"),
        )
    }

    /// The failure of a build that failed. `BuildFailed` when no line was recognised.
    pub fn failure(&self) -> Failure {
        let first = self.disk().or_else(|| self.killed()).or_else(|| self.feeds.failure());
        if let Some(failure) = first {
            return failure;
        }
        if let Some(too_big) = &self.too_big {
            return too_big.failure();
        }
        if !self.scripts.is_empty() {
            if self.killed == Killed::Child {
                return self.killed_by();
            }
            return Failure::new(
                FailureReason::PackageScript,
                format!("A script of the package failed: {}", list(&self.scripts)),
            );
        }
        let missing: BTreeSet<String> = self.missing.difference(&self.conflicts).cloned().collect();
        if !missing.is_empty() || !self.conflicts.is_empty() {
            return Failure::new(
                FailureReason::PackageSelection,
                selection(&missing, &self.conflicts),
            );
        }
        if self.unknown_profile {
            return Failure::new(
                FailureReason::ProfileNotBuilt,
                "The ImageBuilder does not know the profile",
            );
        }
        if self.killed == Killed::Child {
            return self.killed_by();
        }
        Failure::new(FailureReason::BuildFailed, "Error while building firmware. See stdout/stderr")
    }
}

/// The message for missing and conflicting packages, in the words of the public server (`asu`).
fn selection(missing: &BTreeSet<String>, conflicts: &BTreeSet<String>) -> String {
    let mut parts = vec!["Impossible package selection:".to_owned()];
    if !missing.is_empty() {
        parts.push(format!("missing ({})", list(missing)));
    }
    if !conflicts.is_empty() {
        parts.push(format!("conflicts ({})", list(conflicts)));
    }
    parts.join(" ")
}

#[cfg(test)]
#[path = "classify_tests.rs"]
mod tests;
