//! Serves the given ImageBuilder like a download server: a tarball and a `sha256sums`, so that
//! `populate` downloads it as in a pod.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Child, Stdio},
};

use asu_core::{catalog::TarballDigest, digest::Digest};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use tokio::process::Command;

use super::{Error, io};
use crate::exec;

/// Path below the server's root, like a target's folder.
pub(super) const TARGET_PATH: &str = "targets/given";
/// Files that an unpacked tree may have from earlier runs, which are not packed. Without the stamp, the
/// links to this machine's tools are created again.
const LEFTOVERS: [&str; 5] =
    ["tmp", "dl", "bin", "staging_dir/host/.prereq-build", "build_dir/*/root*"];
/// Number of bytes that are read at a time.
const CHUNK: usize = 1 << 20;

/// A served tarball. The server is stopped when the value is dropped.
#[derive(Debug)]
pub(super) struct Source {
    _folder: TempDir,
    server: Child,
    port: u16,
    /// File name of the tarball.
    pub(super) file: String,
    /// Its digest.
    pub(super) sha256: TarballDigest,
}

impl Source {
    /// Serves a tarball, or packs an unpacked tree and serves it.
    pub(super) async fn of(given: &Path) -> Result<Self, Error> {
        let given = given.canonicalize().map_err(io(given.display()))?;
        let folder = tempfile::tempdir().map_err(io("a temporary folder"))?;
        let target = folder.path().join(TARGET_PATH);
        fs::create_dir_all(&target).map_err(io(target.display()))?;
        let file = if given.is_dir() {
            pack(&given, &target).await?
        } else {
            let name = plain_name(&given)?;
            symlink(&given, target.join(&name)).map_err(io(&name))?;
            name
        };
        let sha256 = digest(&target.join(&file))?;
        fs::write(target.join("sha256sums"), format!("{sha256} *{file}\n"))
            .map_err(io("sha256sums"))?;
        let (server, port) = serve(folder.path())?;
        Ok(Self { _folder: folder, server, port, file, sha256: sha256.into() })
    }

    /// Base URL of the server.
    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        // Fails when it has exited already, which is fine.
        drop(self.server.kill());
        drop(self.server.wait());
    }
}

fn plain_name(path: &Path) -> Result<String, Error> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    name.filter(|name| asu_core::result::is_plain_file_name(name)).ok_or_else(|| Error::Source {
        path: path.to_owned(),
        problem: "its name has characters that a download server's files have not",
    })
}

/// Packs a tree, which is only read.
async fn pack(tree: &Path, to: &Path) -> Result<String, Error> {
    let refuse = |problem| Error::Source { path: tree.to_owned(), problem };
    if !tree.join("Makefile").is_file() || !tree.join("staging_dir").is_dir() {
        return Err(refuse("an ImageBuilder's folder has a Makefile and a staging_dir"));
    }
    let name = plain_name(tree)?;
    let parent = tree.parent().ok_or_else(|| refuse("it has no parent folder"))?;
    let file = format!("{name}.tar.zst");
    let mut command = Command::new("tar");
    command.args(["--zstd", "--numeric-owner", "--anchored", "-cf"]).arg(to.join(&file));
    for left in LEFTOVERS {
        command.arg(format!("--exclude={name}/{left}"));
    }
    command.arg("-C").arg(parent).arg(&name);
    exec::run(command).await?;
    Ok(file)
}

fn digest(path: &PathBuf) -> Result<Digest, Error> {
    let mut file = fs::File::open(path).map_err(io(path.display()))?;
    let (mut hasher, mut chunk) = (Sha256::new(), vec![0; CHUNK]);
    loop {
        let read = file.read(&mut chunk).map_err(io(path.display()))?;
        if read == 0 {
            return Ok(Digest::from_hasher(hasher));
        }
        hasher.update(chunk.get(..read).unwrap_or_default());
    }
}

/// Starts a server of static files on a free loopback port.
fn serve(root: &Path) -> Result<(Child, u16), Error> {
    let mut child = std::process::Command::new("python3")
        .args(["-u", "-m", "http.server", "--bind", "127.0.0.1", "--directory"])
        .arg(root)
        .arg("0")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(io("python3"))?;
    let mut line = String::new();
    if let Some(stdout) = child.stdout.take() {
        BufReader::new(stdout).read_line(&mut line).map_err(io("python3 -m http.server"))?;
    }
    // "Serving HTTP on 127.0.0.1 port 40123 (http://…) ..."
    let mut words = line.split_whitespace().skip_while(|word| *word != "port");
    if let Some(port) = words.nth(1).and_then(|port| port.parse().ok()) {
        return Ok((child, port));
    }
    // It failed to start, or printed another message.
    drop(child.kill());
    drop(child.wait());
    Err(Error::Server(line))
}
