//! Reads the files of a configuration folder, within limits.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Read,
    path::{Path, PathBuf},
};

use serde_yaml::{Mapping, Value};

/// Maximum number of distributions, and of files of a distribution.
const MAX_ENTRIES: usize = 256;
/// Maximum size of a file in bytes.
const MAX_FILE: u64 = 1 << 20;
/// The file of a distribution.
const CONFIG: &str = "distro_config.yml";

/// Why a folder cannot be imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The folder or a file cannot be read.
    #[error("{path}: {error}")]
    Read {
        /// The path.
        path: PathBuf,
        /// What the system reports.
        error: std::io::Error,
    },
    /// The folder has no distribution.
    #[error(
        "{0}: no folder in it has a {CONFIG}; give the folder with one folder per distribution"
    )]
    Empty(PathBuf),
    /// A limit is exceeded.
    #[error("{path}: more than {limit}")]
    TooMuch {
        /// The path.
        path: PathBuf,
        /// The limit with its unit.
        limit: String,
    },
    /// A file is not a YAML mapping.
    #[error("{path}: {error}")]
    Yaml {
        /// The file.
        path: PathBuf,
        /// What is wrong and where.
        error: String,
    },
    /// The content cannot be converted.
    #[error("{file}: {message}")]
    Content {
        /// Distribution and file, for example `lime/distro_config.yml`.
        file: String,
        /// What is wrong and how to correct it.
        message: String,
    },
    /// The result cannot be printed.
    #[error("cannot print a Distribution: {0}")]
    Print(String),
}

/// The files of one distribution.
#[derive(Clone, Debug, Default)]
pub struct Files {
    /// Content of `distro_config.yml`.
    pub config: Mapping,
    /// Content of the version files, by version.
    pub versions: BTreeMap<String, Mapping>,
}

/// All distributions of the folder, by name.
pub type Folder = BTreeMap<String, Files>;

/// Reads a folder. Folders without `distro_config.yml` and files of other kinds are ignored.
pub fn read(dir: &Path) -> Result<Folder, ImportError> {
    let mut folder = Folder::new();
    for path in entries(dir)? {
        let config = path.join(CONFIG);
        if !is_file(&config) {
            continue;
        }
        let mut files = Files { config: mapping(&config)?, ..Files::default() };
        for file in entries(&path)? {
            let stem = file.file_stem().and_then(|stem| stem.to_str());
            let yaml = file.extension().is_some_and(|extension| extension == "yml");
            if let Some(version) = stem.filter(|_| yaml && file != config && is_file(&file)) {
                files.versions.insert(version.to_owned(), mapping(&file)?);
            }
        }
        if let Some(name) = path.file_name().and_then(|name| name.to_str()) {
            folder.insert(name.to_lowercase(), files);
        }
    }
    if folder.is_empty() { Err(ImportError::Empty(dir.to_owned())) } else { Ok(folder) }
}

/// Paths in a folder, sorted.
fn entries(dir: &Path) -> Result<Vec<PathBuf>, ImportError> {
    let failed = |error| ImportError::Read { path: dir.to_owned(), error };
    let mut paths = Vec::new();
    for entry in fs::read_dir(dir).map_err(failed)? {
        paths.push(entry.map_err(failed)?.path());
        if paths.len() > MAX_ENTRIES {
            let limit = format!("{MAX_ENTRIES} entries");
            return Err(ImportError::TooMuch { path: dir.to_owned(), limit });
        }
    }
    paths.sort();
    Ok(paths)
}

fn is_file(path: &Path) -> bool {
    // Links could lead out of the folder.
    fs::symlink_metadata(path).is_ok_and(|data| data.is_file())
}

/// Reads a YAML mapping. An empty file is an empty mapping.
fn mapping(path: &Path) -> Result<Mapping, ImportError> {
    let failed = |error| ImportError::Read { path: path.to_owned(), error };
    let mut text = String::new();
    let file = File::open(path).map_err(failed)?;
    file.take(MAX_FILE + 1).read_to_string(&mut text).map_err(failed)?;
    if u64::try_from(text.len()).unwrap_or(u64::MAX) > MAX_FILE {
        let limit = format!("{MAX_FILE} bytes");
        return Err(ImportError::TooMuch { path: path.to_owned(), limit });
    }
    let wrong = |error: String| ImportError::Yaml { path: path.to_owned(), error };
    match serde_yaml::from_str(&text).map_err(|error| wrong(error.to_string()))? {
        Value::Mapping(mapping) => Ok(mapping),
        Value::Null => Ok(Mapping::new()),
        _ => Err(wrong("the file must have keys with values".to_owned())),
    }
}
