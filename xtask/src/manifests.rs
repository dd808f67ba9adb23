//! `cargo xtask manifests`: renders the charts to `manifests/`, for users without Helm. Each
//! `NAME.values.yaml` is rendered to `NAME.yaml` with the chart `asu`; `distributions.yaml` is the chart
//! `asu-distributions` with its default values.

use std::{ffi::OsStr, path::Path};

use asu_tests::{
    exec,
    progress::Progress,
    toolchain::{self, Family, Toolchain},
};

use crate::generated::{self, File};

/// Rendering failed, or a committed file differs.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be read or written, or is out of date.
    #[error(transparent)]
    File(#[from] generated::Error),
    /// Helm is missing and could not be built.
    #[error(transparent)]
    Toolchain(#[from] toolchain::Error),
    /// Helm failed.
    #[error(transparent)]
    Helm(#[from] exec::Error),
}

/// Namespace of the rendered objects.
const NAMESPACE: &str = "asu";
/// Suffix of the names of files with values.
const VALUES: &str = ".values.yaml";

/// Renders the files, or with `check` compares them with the committed ones.
///
/// # Errors
/// When Helm is missing or fails, a file cannot be written, or with `check` when one differs.
pub async fn run(check: bool, progress: &Progress) -> Result<(), Error> {
    let helm = Toolchain::ensure(&[Family::Helm], progress).await?.program("helm")?;
    let mut files = Vec::new();
    for name in variants()? {
        files.push(system(&helm, &name).await?);
    }
    files.push(distributions(&helm).await?);
    Ok(generated::put(&files, check, "manifests")?)
}

/// Names of the variants, sorted.
fn variants() -> Result<Vec<String>, generated::Error> {
    let folder = generated::root().join("manifests");
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&folder).map_err(generated::Error::io(&folder))? {
        let name = entry.map_err(generated::Error::io(&folder))?.file_name();
        names.extend(name.to_string_lossy().strip_suffix(VALUES).map(str::to_owned));
    }
    names.sort();
    Ok(names)
}

async fn system(helm: &Path, variant: &str) -> Result<File, Error> {
    let values = generated::root().join("manifests").join(format!("{variant}{VALUES}"));
    let with = ["--skip-tests".as_ref(), "--values".as_ref(), values.as_os_str()];
    let rendered = render(helm, "asu", &with).await?;
    Ok((format!("manifests/{variant}.yaml"), head(variant) + &rendered))
}

async fn distributions(helm: &Path) -> Result<File, Error> {
    let head =
        "# Rendered from charts/asu-distributions by `cargo xtask manifests`; do not edit.\n";
    let rendered = render(helm, "asu-distributions", &[]).await?;
    Ok(("manifests/distributions.yaml".to_owned(), head.to_owned() + &rendered))
}

/// Renders a chart, with its name as the name of the release.
async fn render(helm: &Path, chart: &str, more: &[&OsStr]) -> Result<String, Error> {
    let folder = generated::root().join("charts").join(chart);
    let arguments = ["template", chart, "--namespace", NAMESPACE].map(OsStr::new);
    let arguments = arguments.iter().chain(more).copied().chain([folder.as_os_str()]);
    Ok(tidy(&exec::output(helm, arguments).await?))
}

/// The head of a file: instructions, and the Namespace, which is not part of a chart.
fn head(variant: &str) -> String {
    format!(
        "# Rendered from charts/asu with {variant}{VALUES} by `cargo xtask manifests`; do not edit.\n\
         # It contains no Secret: {variant}{VALUES} describes the one to create.\n\
         apiVersion: v1\n\
         kind: Namespace\n\
         metadata:\n  \
           name: {NAMESPACE}\n  \
           labels:\n    \
             pod-security.kubernetes.io/enforce: restricted\n"
    )
}

/// Removes spaces at the ends of lines, which templates leave.
fn tidy(rendered: &str) -> String {
    rendered.lines().flat_map(|line| [line.trim_end(), "\n"]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_committed_manifests_are_current() {
        run(true, &Progress::quiet()).await.unwrap();
    }
}
