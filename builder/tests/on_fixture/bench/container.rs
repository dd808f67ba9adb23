//! Containers of pods: the folders that they mount, their users, and the program that runs in them.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, chown},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

use tempfile::TempDir;

pub(super) const BUILD_USER: u32 = 2001;
pub(super) const PUBLISH_USER: u32 = 2002;
pub(super) const GROUP: u32 = 2000;

/// A folder that other users can enter.
pub(crate) fn folder() -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let open = fs::Permissions::from_mode(0o755);
    fs::set_permissions(folder.path(), open).expect("an open folder");
    folder
}

/// A copy of the program that every user can execute.
pub(crate) fn program() -> &'static Path {
    static PLACE: OnceLock<(TempDir, PathBuf)> = OnceLock::new();
    let (_, program) = PLACE.get_or_init(|| {
        let place = folder();
        let program = place.path().join("asu-builder");
        fs::copy(env!("CARGO_BIN_EXE_asu-builder"), &program).expect("a copy of the program");
        (place, program)
    });
    program
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Makes a folder that belongs to this user, as a volume of a pod.
pub(super) fn volume(path: &Path, user: u32, mode: u32) {
    fs::create_dir_all(path).expect("a volume");
    if is_root() {
        chown(path, Some(user), Some(GROUP)).expect("the volume's owner");
    }
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("the volume's mode");
}

/// A container of this user below a pod's root.
pub(super) fn command(user: u32, subcommand: &str, root: &Path) -> Command {
    let mut command = if is_root() {
        let mut command = Command::new("setpriv");
        command.arg(format!("--reuid={user}")).arg(format!("--regid={GROUP}"));
        command.args(["--clear-groups", "--no-new-privs"]).arg(program());
        command
    } else {
        Command::new(program())
    };
    command.arg(subcommand).arg("--root").arg(root);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Lays down what the pod is told to do.
pub(super) fn put_plan(root: &Path, plan: &impl serde::Serialize) {
    let folder = root.join("asu/plan");
    fs::create_dir_all(&folder).expect("the plan's folder");
    let text = serde_json::to_vec(plan).expect("a plan as JSON");
    fs::write(folder.join("plan.json"), text).expect("the plan");
}
