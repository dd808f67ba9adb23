//! The subcommand `build`: runs an ImageBuilder for one request and leaves an outcome for
//! `publish`. Package scripts of third-party feeds run below it, so its output is untrusted; it has
//! no credentials and no access to the artifact store.

mod blame;
mod check;
mod index;
mod indexes;
mod moved;
mod outcome;
mod prepare;
mod steps;

use std::{
    fs::{File, OpenOptions},
    io,
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicBool},
    time::{Duration, Instant},
};

use asu_core::{
    failure::{Disposition, Failure, FailureReason},
    plan::{BuildPlan, Marker, PLAN_SCHEMA, Workspace, paths as names},
    result::Outcome,
    stage::Stage,
};

use crate::{
    confine::{Confinement, choose_cpus},
    effective::{Effective, check_keys},
    files::{make_fresh_folder, put, read_json, read_text, remove_tree},
    memory::Memory,
    paths::Paths,
    run::{Bounds, Log, Runner, become_subreaper},
    tree, workspace,
};

use outcome::Times;

/// Exit code: an outcome of success was left.
pub const EXIT_SUCCESS: u8 = 0;
/// Exit code: the infrastructure failed.
pub const EXIT_INFRASTRUCTURE: u8 = 1;
/// Exit code: the request caused the failure. The Job's `podFailurePolicy` refers to it.
pub const EXIT_REQUEST: u8 = 42;

/// Maximum size of a tree's public key, in bytes.
const MAX_KEY: u64 = 4096;
/// By default wget waits 15 minutes for a silent server and tries 20 times, which is longer than
/// any build.
const WGET_SETTINGS: &[u8] = b"timeout = 60\ntries = 3\n";

/// The state of a running build.
struct Build<'a> {
    paths: &'a Paths,
    plan: &'a BuildPlan,
    marker: &'a Marker,
    effective: &'a Effective,
    runner: &'a Runner,
    times: &'a mut Times,
}

/// Why the build could not write an outcome.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The work folder cannot be used.
    #[error("the work folder cannot be used: {0}")]
    Work(#[from] io::Error),
    /// Another build holds the lock.
    #[error("another build holds the lock of the work folder: {0}")]
    Locked(rustix::io::Errno),
}

/// Locks the work folder, builds, and leaves an outcome there. Setting `stop` ends it without one.
///
/// # Errors
/// When not even an outcome could be left.
pub fn run(paths: &Paths, builder: &Path, stop: Arc<AtomicBool>) -> Result<u8, BuildError> {
    let work = paths.work();
    let _lock = lock(&work)?;
    let log_file = OpenOptions::new().create_new(true).append(true).open(work.join(names::LOG))?;
    set_stage(&work, Stage::ContainerSetup)?;
    become_subreaper()?;
    let memory = Memory::watch(paths.root());
    let started = Instant::now();
    let plan: Result<BuildPlan, _> = read_json(&paths.plan());
    let mut outcome = match plan {
        Ok(plan) if plan.schema == PLAN_SCHEMA => {
            let log = Arc::new(Log::new(Box::new(log_file), plan.limits.log_bytes));
            let runner = runner(paths, builder, &plan, started, stop, Arc::clone(&log))?;
            let mut outcome = build(paths, &plan, &runner);
            // An OOM kill takes precedence over any other outcome.
            outcome.failure = memory.exhausted().or(outcome.failure);
            outcome.memory_unknown = memory.is_unknown();
            if let Some(failure) = &outcome.failure {
                if failure.reason == FailureReason::NoSpace {
                    make_room(paths);
                }
                log.note_failure(&format!("{}: {}", failure.reason, failure.detail));
            }
            log.finish();
            outcome
        }
        Ok(plan) => outcome::internal(&format!("the plan has format {}", plan.schema)),
        Err(error) => outcome::internal(&error.to_string()),
    };
    if let Err(error) = outcome::write(&work, &outcome) {
        if !matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
            return Err(error.into());
        }
        outcome = without_room(paths, outcome, |outcome| outcome::write(&work, outcome))?;
    }
    Ok(exit_code(outcome.failure.as_ref()))
}

/// Leaves an outcome although the disk may be full. The images of a success are kept: only if there
/// is no room beside them, the build fails for lack of space.
fn without_room(
    paths: &Paths,
    outcome: Outcome,
    write: impl Fn(&Outcome) -> io::Result<()>,
) -> io::Result<Outcome> {
    // An error is ignored: if room is missing, leaving the outcome fails.
    let _ = remove_tree(&paths.work().join("ws"));
    if write(&outcome).is_ok() {
        return Ok(outcome);
    }
    make_room(paths);
    let failure = outcome.failure.clone().unwrap_or_else(|| {
        Failure::new(FailureReason::NoSpace, "There is no room to say that the build succeeded")
    });
    let failed = Outcome { failure: Some(failure), ..outcome };
    write(&failed)?;
    Ok(failed)
}

/// Removes the files of a failed build from a full disk: otherwise even the outcome and the end of
/// the log could not be written.
fn make_room(paths: &Paths) {
    for folder in [paths.work().join("ws"), paths.output()] {
        // An error is ignored: if room is missing, leaving the outcome fails.
        let _ = remove_tree(&folder);
    }
}

/// The exit code for a failure or a success.
fn exit_code(failure: Option<&Failure>) -> u8 {
    match failure.map(|failure| failure.reason.disposition()) {
        None => EXIT_SUCCESS,
        Some(Disposition::Request) => EXIT_REQUEST,
        Some(_) => EXIT_INFRASTRUCTURE,
    }
}

/// Takes the lock by which `publish` sees that this process is alive. Children do not inherit it:
/// the standard library opens files close-on-exec.
fn lock(work: &Path) -> Result<File, BuildError> {
    let file =
        OpenOptions::new().create(true).truncate(false).write(true).open(work.join(names::LOCK))?;
    rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive)
        .map_err(BuildError::Locked)?;
    Ok(file)
}

fn set_stage(work: &Path, stage: Stage) -> io::Result<()> {
    put(&work.join(names::STAGE), stage.as_str().as_bytes())
}

fn runner(
    paths: &Paths,
    builder: &Path,
    plan: &BuildPlan,
    started: Instant,
    stop: Arc<AtomicBool>,
    log: Arc<Log>,
) -> io::Result<Runner> {
    let home = paths.work().join("home");
    make_fresh_folder(&home)?;
    put(&home.join(".wgetrc"), WGET_SETTINGS)?;
    Ok(Runner {
        builder: builder.to_owned(),
        confinement: Confinement { cpus: choose_cpus(), no_network: false },
        bounds: Bounds {
            deadline: started + Duration::from_secs(plan.limits.seconds),
            space: Some((paths.work(), plan.limits.work_bytes)),
            stop,
        },
        home,
        log,
        reap: true,
    })
}

fn build(paths: &Paths, plan: &BuildPlan, runner: &Runner) -> Outcome {
    let mut outcome = outcome::empty();
    let mut times = Times::default();
    for note in &plan.notes {
        runner.log.note(note);
    }
    let result = prepared(paths, plan).and_then(|(marker, effective)| {
        runner.log.set_origins(effective.origins.clone());
        outcome.repositories_file.clone_from(&effective.repositories_file);
        set_stage(&paths.work(), Stage::ValidateRevision).map_err(|e| internal(&e))?;
        let build = Build {
            paths,
            plan,
            marker: &marker,
            effective: &effective,
            runner,
            times: &mut times,
        };
        build.attempts(&mut outcome)
    });
    outcome.failure = result.err();
    outcome.millis = times.millis();
    outcome
}

/// Reads the marker and applies the plan to the tree.
fn prepared(paths: &Paths, plan: &BuildPlan) -> Result<(Marker, Effective), Failure> {
    let marked = tree::marked(paths)?;
    let effective = Effective::new(plan, &marked)?;
    let keys = paths.tree().join("keys");
    check_keys(&effective.keys, |name| read_text(&keys.join(name), MAX_KEY).ok())?;
    Ok((marked.marker, effective))
}

fn internal(error: &dyn std::fmt::Display) -> Failure {
    Failure::new(FailureReason::Internal, error.to_string())
}

impl Build<'_> {
    fn workspace(&self) -> PathBuf {
        self.paths.work().join("ws")
    }

    /// Builds in a link farm, and again in a copy if the tree's rules tried to write through its
    /// links.
    fn attempts(mut self, outcome: &mut Outcome) -> Result<(), Failure> {
        let mut kind = self.plan.workspace;
        loop {
            outcome.workspace_copied = kind == Workspace::Copy;
            let result = self.attempt(kind, outcome);
            let classifier = self.runner.log.take_classifier();
            let Err(failure) = result else { return Ok(()) };
            if kind == Workspace::Copy || !classifier.is_read_only() {
                return Err(failure);
            }
            self.runner.log.note("the tree was written to; building again in a copy of it");
            kind = Workspace::Copy;
        }
    }

    fn attempt(&mut self, kind: Workspace, outcome: &mut Outcome) -> Result<(), Failure> {
        let space = self.workspace();
        let started = Instant::now();
        match kind {
            Workspace::LinkFarm => workspace::link_farm(&self.paths.tree(), &space),
            Workspace::Copy => workspace::copy_tree(&self.paths.tree(), &space),
        }
        .and_then(|()| workspace::adapt(&space, self.marker.package_manager, self.effective))
        .and_then(|()| make_fresh_folder(&self.paths.output()))
        .map_err(|error| prepare::of_io(&error))?;
        let overlay = prepare::overlay(self.paths, self.plan)?;
        self.times.add("workspace", started);
        if self.marker.single_resolution {
            self.single(overlay.as_deref(), outcome)?;
        } else {
            self.public(overlay.as_deref(), outcome)?;
        }
        self.check()
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, fs};

    use super::*;

    /// Makes a work folder with a workspace and an image, and returns which of them are left when
    /// the outcome finds room after this many tries.
    fn left(tries: u32) -> (Outcome, bool, bool) {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::new(root.path().to_owned(), None);
        let (space, image) = (paths.work().join("ws"), paths.output().join("i.bin"));
        fs::create_dir_all(&space).unwrap();
        fs::create_dir_all(paths.output()).unwrap();
        fs::write(&image, "image").unwrap();
        let done = Cell::new(0);
        let write = |_: &Outcome| {
            done.set(done.get() + 1);
            if done.get() < tries { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
        };
        let outcome = without_room(&paths, outcome::empty(), write).unwrap();
        (outcome, space.exists(), image.exists())
    }

    #[test]
    fn a_success_on_a_full_disk_deletes_the_workspace_and_keeps_the_images() {
        let (outcome, space, image) = left(1);
        assert_eq!((outcome.failure, space, image), (None, false, true));
    }

    #[test]
    fn a_success_that_cannot_be_written_fails_with_no_space() {
        let (outcome, space, image) = left(2);
        assert_eq!(outcome.failure.map(|failure| failure.reason), Some(FailureReason::NoSpace));
        assert_eq!((space, image), (false, false));
    }
}
