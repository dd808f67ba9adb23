//! Writes and checks the query data in `store/.sqlx`, with which sqlx checks queries at compile time
//! without a database. Used by `cargo xtask sqlx`.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::{Error, Postgres};

/// Folder of the committed query data.
pub fn committed() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../store/.sqlx")
}

/// Replaces the committed query data by that of a newly migrated database. Returns the number of queries.
///
/// # Errors
/// When a query is invalid, or the database cannot be used.
pub async fn write() -> Result<usize, Error> {
    let folder = committed();
    let fresh = describe().await?;
    fs::create_dir_all(&folder)?;
    for name in read(&folder)?.into_keys() {
        fs::remove_file(folder.join(name))?;
    }
    for (name, text) in &fresh {
        fs::write(folder.join(name), text)?;
    }
    Ok(fresh.len())
}

/// Names of files that `cargo xtask sqlx` would add, remove or change.
///
/// # Errors
/// When a query is invalid, or the database cannot be used.
pub async fn outdated() -> Result<Vec<String>, Error> {
    let (old, new) = (read(&committed())?, describe().await?);
    let mut names: Vec<String> = old.keys().chain(new.keys()).cloned().collect();
    names.sort();
    names.dedup();
    names.retain(|name| old.get(name) != new.get(name));
    Ok(names)
}

/// Compiles the crate with a database; sqlx's macros write the data of each query.
async fn describe() -> Result<BTreeMap<String, String>, Error> {
    let postgres = Postgres::shared().await?;
    let database = postgres.clone_template().await?;
    let folder = tempfile::tempdir()?;
    let target = folder.path().file_name().unwrap_or_default();
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
        .args(["rustc", "--quiet", "--package", "asu-store", "--lib"])
        // cargo does not know that the macros read a database. A `--cfg` that no other build has makes
        // it compile this crate again, and only this crate.
        .args(["--", "--emit=metadata", "--cfg"])
        .arg(format!("sqlx_described_in=\"{}\"", target.to_string_lossy()))
        .env("DATABASE_URL", postgres.url(&database))
        .env("SQLX_OFFLINE", "false")
        .env("SQLX_OFFLINE_DIR", folder.path())
        .stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || command.output())
        .await
        .map_err(std::io::Error::other)??;
    if !output.status.success() {
        return Err(Error::Command {
            what: "compiling asu-store against a database".to_owned(),
            problem: String::from_utf8_lossy(&output.stderr).into_owned(),
        });
    }
    read(folder.path())
}

fn read(folder: &Path) -> Result<BTreeMap<String, String>, Error> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let text = fs::read_to_string(entry.path())?;
        files.insert(entry.file_name().to_string_lossy().into_owned(), text);
    }
    Ok(files)
}
