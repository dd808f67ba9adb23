//! The committed facts about queries (`store/.sqlx`), by which they are checked without a database.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::{Error, Postgres};

/// Folder of the committed facts.
pub fn committed() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../store/.sqlx")
}

/// Replaces the committed facts by those of a freshly migrated database. Gives their number.
///
/// # Errors
/// What a query or the database is missing.
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
/// What a query or the database is missing.
pub async fn outdated() -> Result<Vec<String>, Error> {
    let (old, new) = (read(&committed())?, describe().await?);
    let mut names: Vec<String> = old.keys().chain(new.keys()).cloned().collect();
    names.sort();
    names.dedup();
    names.retain(|name| old.get(name) != new.get(name));
    Ok(names)
}

/// Compiles the crate against a database; its macros write what the database says of each query.
async fn describe() -> Result<BTreeMap<String, String>, Error> {
    let postgres = Postgres::shared().await?;
    let database = postgres.clone_template().await?;
    let folder = tempfile::tempdir()?;
    let target = folder.path().file_name().unwrap_or_default();
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
        .args(["rustc", "--quiet", "--package", "asu-store", "--lib"])
        // Cargo does not know that the macros read a database: a condition that no other run has
        // makes it compile the crate again, and that crate alone.
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
