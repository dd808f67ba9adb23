//! Settings of the database connection, from arguments and environment. Used by all programs with a
//! database; the URL contains the password and must not be logged.

use std::{fmt, io, path::PathBuf};

use clap::Args;

/// Where the database is.
#[derive(Args, Clone)]
pub struct DatabaseUrl {
    /// URL of the database. It may point to a transaction pooler.
    #[arg(long, env = "ASU_DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<String>,
    /// File that contains the URL of the database. It takes precedence over ASU_DATABASE_URL.
    #[arg(long, env = "ASU_DATABASE_URL_FILE")]
    pub database_url_file: Option<PathBuf>,
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the URL: it holds the password.
        f.debug_struct("DatabaseUrl")
            .field("database_url_file", &self.database_url_file)
            .finish_non_exhaustive()
    }
}

/// The URL of the database cannot be determined.
#[derive(Debug, thiserror::Error)]
pub enum NoDatabase {
    /// Neither the URL nor its file is given.
    #[error("set ASU_DATABASE_URL or ASU_DATABASE_URL_FILE")]
    Unset,
    /// The file cannot be read.
    #[error("the file of ASU_DATABASE_URL_FILE cannot be read: {0}")]
    File(#[from] io::Error),
}

impl DatabaseUrl {
    /// Returns the URL. The file takes precedence.
    ///
    /// # Errors
    /// When neither is given or the file cannot be read.
    pub fn read(&self) -> Result<String, NoDatabase> {
        match (&self.database_url_file, &self.database_url) {
            (Some(file), _) => Ok(std::fs::read_to_string(file)?.trim().to_owned()),
            (None, Some(url)) => Ok(url.clone()),
            (None, None) => Err(NoDatabase::Unset),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(url: Option<&str>, file: Option<PathBuf>) -> DatabaseUrl {
        DatabaseUrl { database_url: url.map(str::to_owned), database_url_file: file }
    }

    #[test]
    fn the_file_takes_precedence_over_the_environment_and_is_trimmed() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "postgres://of-file\n").unwrap();
        let both = named(Some("postgres://of-environment"), Some(file.path().to_owned()));
        assert_eq!(both.read().unwrap(), "postgres://of-file");
        assert_eq!(named(Some("postgres://e"), None).read().unwrap(), "postgres://e");
    }

    #[test]
    fn the_error_names_the_missing_setting() {
        let unset = named(None, None).read().unwrap_err().to_string();
        assert!(unset.contains("ASU_DATABASE_URL"), "{unset}");
        let gone = named(None, Some("/nowhere".into())).read().unwrap_err().to_string();
        assert!(gone.contains("ASU_DATABASE_URL_FILE"), "{gone}");
    }

    #[test]
    fn the_password_is_not_in_debug_output() {
        let shown = format!("{:?}", named(Some("postgres://u:hunter2@h/d"), None));
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
