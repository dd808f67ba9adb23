//! `import-distributions`: reads the configuration folder of asu 0.2.0 (2019) and prints Distributions as
//! YAML. Called by the command line; it writes nothing and needs no cluster.
//!
//! The folder has one folder for each distribution, with `distro_config.yml` and a file `<version>.yml` for
//! each version that differs. A version file overlays the distribution's file key by key.

mod branches;
mod changes;
mod convert;
mod folder;
mod print;
mod repositories;
mod seed;
mod versions;

use std::path::Path;

pub use folder::ImportError;

/// What the command prints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// The Distributions, as one YAML stream.
    pub yaml: String,
    /// Fields that have no place in a Distribution and what to do about them, one sentence each.
    pub warnings: Vec<String>,
}

/// Reads a folder of configurations and makes Distributions of it, in the order of their names.
///
/// # Errors
/// The file that cannot be read or understood.
pub fn import(dir: &Path) -> Result<Imported, ImportError> {
    let folder = folder::read(dir)?;
    let mut imported = Imported { yaml: String::new(), warnings: Vec::new() };
    for name in folder.keys() {
        let converted = convert::convert(name, &folder)?;
        imported.warnings.extend(converted.warnings);
        imported.yaml.push_str(&print::document(name, &converted.spec)?);
    }
    Ok(imported)
}

#[cfg(test)]
mod tests;
