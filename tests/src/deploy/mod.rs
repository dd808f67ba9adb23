//! Installs the whole system on a cluster: images, upstream fixture, charts. Used by tests, the demo and
//! benchmarks.

pub mod child;
mod images;
mod release;
mod site;
pub mod upstream;
mod values;

use std::{path::PathBuf, time::Duration};

use asu_crds::Distribution;
use kube::{Api, ResourceExt as _, runtime::wait::await_condition};
use serde_json::Value;

pub use images::{Images, PACKAGES, publish as publish_images};
pub use release::build as build_release;
pub use site::Site;
pub use values::read_distribution;

use crate::{cluster, exec, fixtures, progress::Progress, toolchain};

/// Namespace of the system.
pub const NAMESPACE: &str = "asu";
/// Helm release of the system.
pub const RELEASE: &str = "asu";
/// Helm release of the distributions.
pub const DISTRIBUTIONS: &str = "asu-distributions";

/// Why the system could not be installed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The cluster cannot be used.
    #[error(transparent)]
    Cluster(#[from] cluster::Error),
    /// A program of the harness is missing.
    #[error(transparent)]
    Toolchain(#[from] toolchain::Error),
    /// A command failed.
    #[error(transparent)]
    Command(#[from] exec::Error),
    /// The upstream fixture cannot be used.
    #[error(transparent)]
    Fixtures(#[from] fixtures::Error),
    /// A request to the API server failed.
    #[error("Kubernetes: {0}")]
    Kube(#[from] Box<kube::Error>),
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// A file is not a Distribution.
    #[error("{path}: {problem}")]
    Distribution {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The address of the API is not known.
    #[error("the ingress has no address; say where the API is with --url")]
    NoUrl,
    /// The namespace exists and was not created by this harness.
    #[error(
        "namespace {NAMESPACE} of this cluster is there already and no demo made it; nothing was changed"
    )]
    NotOurs,
    /// The catalog did not become ready.
    #[error("after {} s Distribution {name} is not ready: {missing}", .after.as_secs())]
    NotReady {
        /// Name of the Distribution.
        name: String,
        /// Its conditions.
        missing: String,
        /// The time limit.
        after: Duration,
    },
}

impl Error {
    /// 3 when the machine lacks something, else 1.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Cluster(error) => error.exit_code(),
            Self::Toolchain(toolchain::Error::Missing(_)) => 3,
            _ => 1,
        }
    }
}

impl From<kube::Error> for Error {
    fn from(error: kube::Error) -> Self {
        Self::Kube(Box::new(error))
    }
}

/// Options of the installation.
#[derive(Debug, Clone)]
pub struct Options {
    /// Values of the chart, merged over those of the local cluster.
    pub values: Value,
    /// File of a Distribution to install instead of the fixture's.
    pub distribution: Option<PathBuf>,
    /// Whether to install the child of the fixture's distribution too.
    pub child: bool,
}

impl Options {
    /// Options for the demo: the fixture's or the given distribution, with the chart's default times.
    pub fn for_demo(distribution: Option<PathBuf>) -> Self {
        Self { values: Value::Null, distribution, child: false }
    }

    /// Options for tests: short times, so that tests need not wait for what takes an hour in production.
    pub fn for_tests() -> Self {
        Self { values: values::short_times(), distribution: None, child: false }
    }
}

/// An installed system.
#[derive(Debug)]
pub struct Deployment {
    /// Names of the Distributions.
    pub distributions: Vec<String>,
}

impl Deployment {
    /// Builds the images, imports them, and installs or upgrades the charts. Idempotent.
    ///
    /// # Errors
    /// The step that failed.
    pub async fn install(
        site: &Site,
        options: &Options,
        progress: &Progress,
    ) -> Result<Self, Error> {
        let own = options.distribution.as_deref().map(values::distribution_file).transpose()?;
        let fixture = own.is_none();
        create_namespace(site).await?;
        let images = images::ensure(site, progress).await?;
        let distributions = match own {
            // The file may refer to the fixture's server as well.
            Some(distributions) if site.cluster().is_some() => {
                upstream::install(site, progress).await?;
                distributions
            }
            Some(distributions) => distributions,
            None => {
                let world = upstream::install(site, progress).await?;
                values::fixture_distribution(&world, options.child)?
            }
        };
        let mut values = values::system(&images, fixture, &options.values);
        if site.cluster().is_some() {
            values::local(&mut values);
        }
        progress.step("install chart asu", helm(site, RELEASE, "charts/asu", &values)).await?;
        let offered = serde_json::json!({ "distributions": distributions });
        let chart = "charts/asu-distributions";
        progress
            .step("install chart asu-distributions", helm(site, DISTRIBUTIONS, chart, &offered))
            .await?;
        let names: Vec<String> = distributions
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(_, entry)| entry.get("spec").is_some())
            .map(|(name, _)| name.clone())
            .collect();
        for name in &names {
            let waiting = wait_for_distribution(site, name);
            progress.step(&format!("read the catalog of {name}"), waiting).await?;
        }
        Ok(Self { distributions: names })
    }
}

/// Label of namespaces that this harness created and may change.
const MADE: &str = "asu.dev/demo";

async fn create_namespace(site: &Site) -> Result<(), Error> {
    let namespaces: Api<k8s_openapi::api::core::v1::Namespace> = Api::all(site.client().await?);
    let found = namespaces.get_opt(NAMESPACE).await?;
    let made =
        |namespace: &k8s_openapi::api::core::v1::Namespace| namespace.labels().contains_key(MADE);
    if site.cluster().is_none() && found.is_some_and(|found| !made(&found)) {
        return Err(Error::NotOurs);
    }
    let manifest = serde_json::json!({
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": NAMESPACE,
            "labels": { "pod-security.kubernetes.io/enforce": "restricted", MADE: "true" },
        },
    });
    apply(site, &manifest).await
}

/// Applies one manifest with kubectl.
///
/// # Errors
/// kubectl's error.
pub async fn apply(site: &Site, manifest: &Value) -> Result<(), Error> {
    let file = temporary(manifest)?;
    let path = file.path().to_string_lossy().into_owned();
    site.kubectl(&["apply", "--server-side", "--force-conflicts", "-f", &path]).await?;
    Ok(())
}

fn temporary(content: &Value) -> Result<tempfile::NamedTempFile, Error> {
    let io = |path: PathBuf| move |source| Error::Io { path, source };
    let file =
        tempfile::Builder::new().suffix(".json").tempfile().map_err(io(std::env::temp_dir()))?;
    std::fs::write(file.path(), content.to_string()).map_err(io(file.path().to_path_buf()))?;
    Ok(file)
}

/// Installs or upgrades a chart of this checkout and waits until it is ready.
///
/// # Errors
/// Helm's error.
pub async fn helm(site: &Site, release: &str, chart: &str, values: &Value) -> Result<(), Error> {
    let file = temporary(values)?;
    let chart = crate::root().join(chart).to_string_lossy().into_owned();
    let file = file.path().to_string_lossy().into_owned();
    site.helm(&[
        "upgrade",
        "--install",
        release,
        &chart,
        "--namespace",
        NAMESPACE,
        "--values",
        &file,
        "--wait",
        "--timeout",
        "5m",
    ])
    .await?;
    Ok(())
}

/// Waits until a Distribution's catalog was read.
///
/// # Errors
/// Its conditions, when it takes more than two minutes.
pub async fn wait_for_distribution(site: &Site, name: &str) -> Result<(), Error> {
    let client = site.client().await?;
    let api: Api<Distribution> = Api::namespaced(client, NAMESPACE);
    let ready = await_condition(api.clone(), name, |object: Option<&Distribution>| {
        object
            .and_then(|object| object.status.as_ref())
            .is_some_and(|status| asu_crds::is_true(&status.conditions, "Ready"))
    });
    let after = Duration::from_mins(2);
    if tokio::time::timeout(after, ready).await.is_ok_and(|result| result.is_ok()) {
        return Ok(());
    }
    let status = api.get_opt(name).await?.and_then(|object| object.status);
    let missing = match status {
        Some(status) => status
            .conditions
            .iter()
            .map(|c| format!("{}={} {}: {}", c.type_, c.status, c.reason, c.message))
            .collect::<Vec<_>>()
            .join("; "),
        None => "it has no status yet; is the operator running?".to_owned(),
    };
    Err(Error::NotReady { name: name.to_owned(), missing, after })
}
