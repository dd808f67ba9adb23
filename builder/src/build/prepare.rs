//! Prepares the overlay of the root file system with the private first-boot script. Called by
//! `build` before the first command. The script must never appear in a log or message.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, UNIX_EPOCH},
};

use asu_core::{
    digest::Digest,
    failure::{Failure, FailureReason},
    plan::BuildPlan,
    request::DefaultsDigest,
};

use crate::{
    files::{make_folder, make_fresh_folder, put, read_bounded},
    paths::Paths,
};

/// Name of the script in an image; scripts in that folder run once, in order of their names.
const SCRIPT: &str = "99-asu-defaults";

/// Makes the folder that is copied over the root file system, if the request has a first-boot
/// script.
pub(super) fn overlay(paths: &Paths, plan: &BuildPlan) -> Result<Option<PathBuf>, Failure> {
    let Some(known) = &plan.request.defaults else {
        return Ok(None);
    };
    let script = script(&paths.defaults(), known)?;
    let folder = paths.work().join("files");
    lay_out(&folder, &script).map_err(|error| of_io(&error))?;
    Ok(Some(folder))
}

/// Reads the script. No message contains any part of it.
fn script(file: &Path, known: &DefaultsDigest) -> Result<Vec<u8>, Failure> {
    let missing = |detail: &str| Failure::new(FailureReason::DefaultsMissing, detail);
    let bytes = read_bounded(file, u64::from(known.length))
        .map_err(|_| missing("The first-boot script is not there or too long"))?;
    if bytes.len() as u64 != u64::from(known.length) || Digest::of(&bytes) != known.sha256 {
        return Err(missing("The first-boot script is not the one of the request"));
    }
    Ok(bytes)
}

fn lay_out(folder: &Path, script: &[u8]) -> io::Result<()> {
    make_fresh_folder(folder)?;
    make_folder(&folder.join("etc"))?;
    let scripts = folder.join("etc/uci-defaults");
    make_folder(&scripts)?;
    let file = scripts.join(SCRIPT);
    put(&file, script)?;
    // The modification time is part of the image, which must not depend on the time of the build.
    fs::File::options().write(true).open(&file)?.set_modified(UNIX_EPOCH + Duration::ZERO)
}

/// The failure for an I/O error while files are prepared.
pub(super) fn of_io(error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            Failure::new(FailureReason::NoSpace, "The build ran out of scratch space")
        }
        _ => Failure::new(FailureReason::Internal, error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn known(text: &[u8]) -> DefaultsDigest {
        DefaultsDigest { sha256: Digest::of(text), length: u32::try_from(text.len()).unwrap() }
    }

    #[test]
    fn only_the_script_of_the_request_is_used() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("defaults");
        let text = b"uci set secret=1";
        assert!(script(&file, &known(text)).is_err());
        for other in [&b"uci set secret=2"[..], b"uci", b"uci set secret=1 and more"] {
            fs::write(&file, other).unwrap();
            let failure = script(&file, &known(text)).unwrap_err();
            assert_eq!(failure.reason, FailureReason::DefaultsMissing);
            assert!(!failure.detail.contains("uci"));
        }
        fs::write(&file, text).unwrap();
        assert_eq!(script(&file, &known(text)).unwrap(), text);
    }

    #[test]
    fn the_script_is_written_to_uci_defaults() {
        let folder = tempfile::tempdir().unwrap();
        let files = folder.path().join("files");
        lay_out(&files, b"x").unwrap();
        let info = fs::metadata(files.join("etc/uci-defaults/99-asu-defaults")).unwrap();
        assert_eq!(info.permissions().mode() & 0o7777, 0o644);
        assert_eq!(info.modified().unwrap(), UNIX_EPOCH);
    }
}
