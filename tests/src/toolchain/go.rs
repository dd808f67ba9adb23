//! Builds the programs of one family with Go.

use std::path::{Path, PathBuf};

use tokio::fs;

use super::{Error, Family, Program, cache};
use crate::exec;
use crate::progress::Progress;

/// Builds the missing programs of a family and returns their folder.
pub(super) async fn ensure(family: Family, progress: &Progress) -> Result<PathBuf, Error> {
    let folder = cache::family_dir(family)?;
    let bin = folder.join("bin");
    let missing: Vec<_> =
        family.programs().iter().filter(|program| !bin.join(program.name).is_file()).collect();
    if missing.is_empty() {
        return Ok(bin);
    }
    require_go().await?;
    fs::create_dir_all(&bin).await.map_err(Error::io(&bin))?;
    let module = build_dir(family, &folder).await?;
    for program in missing {
        progress
            .step(&format!("building {}", program.name), build(family, program, &module, &bin))
            .await?;
    }
    drop_build_dir(family, &folder).await;
    Ok(bin)
}

async fn require_go() -> Result<(), Error> {
    missing().await.map_or(Ok(()), |what| Err(Error::Missing(vec![what])))
}

/// Minimum version of Go: the highest that a family's module requires.
const OLDEST: [u32; 2] = [1, 26];

/// What to install when Go is missing or too old.
pub(super) async fn missing() -> Option<String> {
    let found = exec::output("go", ["version"]).await.unwrap_or_default();
    let fits = version(&found).is_some_and(|version| version >= OLDEST);
    (!fits).then(|| format!("go ({}.{} or newer)", OLDEST[0], OLDEST[1]))
}

/// Major and minor version in the output of `go version`.
fn version(printed: &str) -> Option<[u32; 2]> {
    let word = printed.split_whitespace().find_map(|word| word.strip_prefix("go1."))?;
    let minor: String = word.chars().take_while(char::is_ascii_digit).collect();
    Some([1, minor.parse().ok()?])
}

async fn build(family: Family, program: &Program, module: &Path, bin: &Path) -> Result<(), Error> {
    let partial = bin.join(format!(".{}.{}", program.name, std::process::id()));
    let mut command = tokio::process::Command::new("nice");
    command
        .args(["-n", "10", "go", "build"])
        .args(family.flags())
        .arg("-o")
        .arg(&partial)
        .arg(program.package)
        .current_dir(module)
        .env("CGO_ENABLED", if family.cgo() { "1" } else { "0" })
        .env("GOFLAGS", "-mod=readonly");
    let built = exec::run(command).await.map_err(|error| failed(program.name, &error));
    if let Err(error) = built {
        let _ = fs::remove_file(&partial).await;
        return Err(error);
    }
    let target = bin.join(program.name);
    fs::rename(&partial, &target).await.map_err(Error::io(target))
}

fn failed(name: &str, error: &exec::Error) -> Error {
    Error::Failed {
        program: format!("go build of {name}"),
        status: error.status(),
        output: error.output(),
    }
}

/// The folder to build in. Usually the committed module; if a module's archive lacks a file, a copy whose `replace`
/// refers to a completed copy of that module (Go refuses an overlay below the module cache).
async fn build_dir(family: Family, folder: &Path) -> Result<PathBuf, Error> {
    let committed = cache::module_dir(family);
    let Some((module, file)) = family.missing_file() else {
        return Ok(committed);
    };
    let work = folder.join("src");
    if fs::try_exists(&work).await.unwrap_or(false) {
        fs::remove_dir_all(&work).await.map_err(Error::io(&work))?;
    }
    fs::create_dir_all(&work).await.map_err(Error::io(&work))?;
    for name in ["go.mod", "go.sum", "tools.go"] {
        let to = work.join(name);
        fs::copy(committed.join(name), &to).await.map_err(Error::io(to))?;
    }
    let copy = work.join("module");
    copy_module(module, &committed, &copy).await?;
    let page = copy.join(file);
    if let Some(parent) = page.parent() {
        fs::create_dir_all(parent).await.map_err(Error::io(parent))?;
    }
    fs::write(&page, "<!doctype html>\n<title>no web page in this build</title>\n")
        .await
        .map_err(Error::io(&page))?;
    let mut edit = tokio::process::Command::new("go");
    edit.args(["mod", "edit", "-replace", &format!("{module}=./module")]).current_dir(&work);
    exec::run(edit).await.map_err(|error| failed(module, &error))?;
    Ok(work)
}

/// Folder of a module in the module cache, with the version that the committed module pins.
pub(super) async fn sources(module: &str, committed: &Path) -> Result<PathBuf, Error> {
    let mut download = tokio::process::Command::new("go");
    download.args(["mod", "download", module]).current_dir(committed);
    exec::run(download).await.map_err(|error| failed(module, &error))?;
    let mut list = tokio::process::Command::new("go");
    list.args(["list", "-m", "-f", "{{.Dir}}", module]).current_dir(committed);
    let dir = exec::run(list).await.map_err(|error| failed(module, &error))?;
    Ok(PathBuf::from(dir.trim()))
}

/// Copies a module from the module cache, whose files are read-only, and makes the copy writable.
async fn copy_module(module: &str, committed: &Path, copy: &Path) -> Result<(), Error> {
    let dir = sources(module, committed).await?;
    let mut cp = tokio::process::Command::new("cp");
    cp.args(["-r", "--no-preserve=mode"]).args([&dir, copy]);
    exec::run(cp).await.map_err(|error| failed(module, &error))?;
    Ok(())
}

async fn drop_build_dir(family: Family, folder: &Path) {
    if family.missing_file().is_some() {
        let _ = fs::remove_dir_all(folder.join("src")).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read_from_releases_candidates_and_development() {
        assert_eq!(version("go version go1.26.8 linux/amd64"), Some([1, 26]));
        assert_eq!(version("go version go1.27rc1 linux/amd64"), Some([1, 27]));
        assert_eq!(version("go version devel go1.28-abc linux/amd64"), Some([1, 28]));
        assert_eq!(version(""), None);
    }

    #[test]
    fn no_module_asks_for_a_newer_go_than_is_demanded() {
        for family in Family::ALL.iter().chain(Family::PROOFS) {
            let file = cache::module_dir(*family).join("go.mod");
            let text = std::fs::read_to_string(&file).expect("a go.mod");
            let line = text.lines().find_map(|line| line.strip_prefix("go ")).expect("a go line");
            let asked = version(&format!("go{line}")).expect("a version");
            assert!(asked <= OLDEST, "{} asks for {line}", family.name());
        }
    }
}
