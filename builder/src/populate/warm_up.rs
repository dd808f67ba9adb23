//! Runs the first `make` of a tree at the path where builds use it: its rules create absolute links
//! to the host's tools, a prerequisite stamp, and signing keys, so that builds need not write them.
//! Called by `populate`.

use std::{
    fs::{self, OpenOptions},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    sync::Arc,
    time::Instant,
};

use asu_core::{
    build_log::Unmark,
    make_info::{self, MakeInfo},
    plan::PackageManager,
    request::Filesystem,
};

use super::PopulateError;
use crate::{
    confine::{Confinement, choose_cpus},
    files::{make_fresh_folder, remove_tree},
    run::{Bounds, Exit, Finished, Log, Runner},
    tree,
};

/// Maximum size of the warm-up's log, in bytes.
const MAX_OUTPUT: u64 = 1 << 20;

/// The input of a warm-up.
#[derive(Clone, Copy, Debug)]
pub struct WarmUp<'a> {
    /// The tree, at its final place.
    pub tree: &'a Path,
    /// An existing folder as the commands' home.
    pub home: &'a Path,
    /// Path of this program.
    pub builder: &'a Path,
    /// Deadline of the warm-up.
    pub deadline: Instant,
}

/// The properties of a tree that the warm-up found.
#[derive(Clone, Debug)]
pub struct TreeFacts {
    /// Package generation.
    pub package_manager: PackageManager,
    /// Output of `make info`.
    pub info: MakeInfo,
    /// Root file systems that its `.config` enables.
    pub filesystems: Vec<Filesystem>,
    /// Whether inner goals can be run one by one.
    pub single_resolution: bool,
}

/// Warms up a tree, without network.
///
/// # Errors
/// When a command fails or prints something unexpected.
pub fn warm_up(what: &WarmUp<'_>) -> Result<TreeFacts, PopulateError> {
    let package_manager = tree::package_manager(what.tree)
        .ok_or_else(|| PopulateError::WarmUp("the tree has no repositories file".into()))?;
    let log_file = what.home.join("warm-up.log");
    let log = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&log_file)
        .map_err(PopulateError::io("write", &log_file))?;
    let runner = Runner {
        builder: what.builder.to_owned(),
        confinement: Confinement { cpus: choose_cpus(), no_network: true },
        bounds: Bounds::until(what.deadline),
        home: what.home.to_owned(),
        log: Arc::new(Log::new(Box::new(log), MAX_OUTPUT)),
        reap: false,
    };
    let temporary = what.tree.join("tmp");
    make_fresh_folder(&temporary).map_err(PopulateError::io("make", &temporary))?;
    let ran = commands(what, &runner, &log_file);
    remove_tree(&temporary).map_err(PopulateError::io("remove", &temporary))?;
    let config = tree::config(what.tree).map_err(|e| PopulateError::WarmUp(e.to_string()))?;
    Ok(TreeFacts {
        package_manager,
        info: ran?,
        filesystems: tree::filesystems(&config),
        single_resolution: tree::has_single_resolution(what.tree),
    })
}

fn commands(
    what: &WarmUp<'_>,
    runner: &Runner,
    log_file: &Path,
) -> Result<MakeInfo, PopulateError> {
    let make = |goals: &[&str]| -> Result<Finished, PopulateError> {
        let argv: Vec<String> =
            [&["make"], goals].concat().iter().map(ToString::to_string).collect();
        let done =
            runner.run(what.tree, &argv).map_err(PopulateError::io("start", Path::new("make")))?;
        runner.log.finish();
        match done.ended {
            Exit::Code(0) => Ok(done),
            Exit::TimedOut => Err(PopulateError::TimedOut),
            ended => Err(PopulateError::WarmUp(format!(
                "'{}' ended with {ended:?}: {}",
                argv.join(" "),
                last_lines(log_file)
            ))),
        }
    };
    let info = make_info::parse(&make(&["info"])?.stdout)?;
    for problem in &info.left_out {
        println!("populate: a profile is left out: {problem}");
    }
    make(&[tree::PREREQ_STAMP])?;
    if !tree::is_checked(what.tree) {
        return Err(PopulateError::WarmUp("it left no prerequisite stamp".into()));
    }
    if tree::has_keys_goal(what.tree) {
        make(&["-s", tree::KEYS_GOAL])?;
        open_keys(what.tree).map_err(PopulateError::io("open", what.tree))?;
    }
    Ok(info)
}

/// Makes the signing keys readable: openssl writes them for their owner alone, but builds run as
/// another user and copy them. The keys are discarded with the tree and are not trusted anywhere
/// else.
fn open_keys(tree: &Path) -> std::io::Result<()> {
    let own = fs::read_dir(tree)?.chain(fs::read_dir(tree.join("keys")).into_iter().flatten());
    for entry in own {
        let entry = entry?;
        let name = entry.file_name();
        let is_key =
            entry.path().parent() != Some(tree) || name.to_string_lossy().starts_with("key-build");
        if is_key && entry.file_type()?.is_file() {
            fs::set_permissions(entry.path(), fs::Permissions::from_mode(0o644))?;
        }
    }
    Ok(())
}

fn last_lines(log_file: &Path) -> String {
    let text = Unmark::default().chunk(&fs::read(log_file).unwrap_or_default());
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with("[asu]")).collect();
    let from = lines.len().saturating_sub(12);
    lines.get(from..).unwrap_or_default().join(" | ")
}
