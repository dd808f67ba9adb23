//! Chooses the download server of the demo, and checks that it can be reached.

use std::{collections::BTreeSet, path::PathBuf, time::Duration};

use asu_core::version::branch_of;
use asu_crds::Distribution;
use asu_tests::{cluster::Reach, deploy::read_distribution, progress::Progress};
use serde_json::Value;
use tokio::net::TcpStream;

use super::{DemoArgs, Error};

/// Time limit for a connection to a download server.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where ImageBuilders and packages come from.
pub(super) struct Upstream {
    /// Message for the user.
    pub(super) says: String,
    /// Outside hosts that the pods need.
    pub(super) reach: Vec<Reach>,
    file: Option<DistributionFile>,
}

/// A file of the user, or a temporary file that is removed when the value is dropped.
enum DistributionFile {
    Theirs(PathBuf),
    Ours(tempfile::NamedTempFile),
}

impl Upstream {
    /// Chooses the download server by the arguments.
    ///
    /// # Errors
    /// When the Distribution cannot be read.
    pub(super) fn of(args: &DemoArgs, request: &Value) -> Result<Self, Error> {
        let file = match args.file() {
            Some(path) => Some(DistributionFile::Theirs(path.to_owned())),
            None if args.openwrt => Some(DistributionFile::Ours(ready_made(request)?)),
            None => None,
        };
        let mut reach = args.reach.clone();
        let mut says = "the test fixture, a miniature ImageBuilder with packages".to_owned();
        if let Some(file) = &file {
            let urls = urls(&read_distribution(&file.path())?, request);
            reach.extend(hosts(&urls).filter(|host| {
                !args.reach.iter().any(|own| (&own.host, own.port) == (&host.host, host.port))
            }));
            says = urls.into_iter().next().unwrap_or_default();
        }
        Ok(Self { says, reach, file })
    }

    /// File of the Distribution to install instead of the fixture's.
    pub(super) fn distribution(&self) -> Option<PathBuf> {
        self.file.as_ref().map(DistributionFile::path)
    }

    /// Checks that the hosts can be reached from this machine, so that the user need not wait for a failed
    /// build.
    ///
    /// # Errors
    /// The first host that cannot be reached.
    pub(super) async fn answers(&self, progress: &Progress) -> Result<(), Error> {
        for host in &self.reach {
            let problem = |problem: String| Error::Unreachable { host: host.to_string(), problem };
            let connecting = async {
                match host.target {
                    Some(target) => TcpStream::connect(target).await,
                    None => TcpStream::connect((host.host.as_str(), host.port)).await,
                }
            };
            match tokio::time::timeout(PATIENCE, connecting).await {
                Ok(Ok(_)) => progress.say(&format!("the cluster may reach {host}")),
                Ok(Err(error)) => return Err(problem(error.to_string())),
                Err(_) => return Err(problem(format!("no answer within {PATIENCE:?}"))),
            }
        }
        Ok(())
    }
}

impl DistributionFile {
    fn path(&self) -> PathBuf {
        match self {
            Self::Theirs(path) => path.clone(),
            Self::Ours(file) => file.path().to_owned(),
        }
    }
}

/// The chart's built-in OpenWrt as a Distribution. It offers the version of the request even after newer
/// releases have taken its place.
fn ready_made(request: &Value) -> Result<tempfile::NamedTempFile, Error> {
    let path = asu_tests::root().join("charts/asu-distributions/values.yaml");
    let problem = |problem: String| Error::File { path: path.clone(), problem };
    let text = std::fs::read_to_string(&path).map_err(Error::file(&path))?;
    let mut values: Value =
        serde_yaml::from_str(&text).map_err(|error| problem(error.to_string()))?;
    let spec = values
        .pointer_mut("/distributions/openwrt/spec")
        .ok_or_else(|| problem("it has no distributions.openwrt.spec".into()))?;
    offer_version(spec, request["version"].as_str().unwrap_or_default());
    let object = serde_json::json!({
        "apiVersion": "asu.dev/v1alpha1",
        "kind": "Distribution",
        "metadata": { "name": "openwrt" },
        "spec": spec,
    });
    let file = tempfile::Builder::new().suffix(".json").tempfile();
    let file = file.map_err(Error::file(&std::env::temp_dir()))?;
    std::fs::write(file.path(), object.to_string()).map_err(Error::file(file.path()))?;
    Ok(file)
}

/// Lists a version in its branch.
fn offer_version(spec: &mut Value, version: &str) {
    let branches = spec["branches"].as_array_mut();
    let own = branches.into_iter().flatten().find(|branch| {
        let name = branch["name"].as_str().unwrap_or_default();
        branch_of(version, |known| known == name).is_some()
    });
    if let Some(branch) = own {
        branch["versions"] = serde_json::json!([version]);
    }
}

/// Every URL that the catalog reader, `populate` or a build of this request downloads from. The first is
/// the Distribution's first mirror.
fn urls(distribution: &Distribution, request: &Value) -> Vec<String> {
    let upstream = distribution.spec.upstream.as_ref();
    let repositories = request.get("repositories").and_then(Value::as_object);
    upstream
        .into_iter()
        .flat_map(|upstream| upstream.fetch_urls.iter().chain(&upstream.package_base_url))
        .cloned()
        .chain(
            repositories
                .into_iter()
                .flat_map(|repository| repository.values())
                .filter_map(|url| Some(url.as_str()?.to_owned())),
        )
        .collect()
}

/// The outside hosts of URLs. Names of the cluster and addresses are left out.
fn hosts(urls: &[String]) -> impl Iterator<Item = Reach> {
    let found: BTreeSet<(String, u16)> = urls
        .iter()
        .filter_map(|url| {
            let url = reqwest::Url::parse(url).ok()?;
            Some((url.host_str()?.to_owned(), url.port_or_known_default()?))
        })
        .collect();
    found.into_iter().filter_map(|(host, port)| Reach::new(&host, port).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distribution_of_openwrt_needs_only_its_own_server() {
        let file = ready_made(&Value::Null).unwrap();
        let object = read_distribution(file.path()).unwrap();
        let found: Vec<String> =
            hosts(&urls(&object, &Value::Null)).map(|host| host.to_string()).collect();
        assert_eq!(found, ["downloads.openwrt.org:443"]);
    }

    #[test]
    fn the_request_for_openwrt_is_offered_by_the_distribution_of_the_chart() {
        let request: Value = serde_json::from_str(super::super::OPENWRT_REQUEST).unwrap();
        let object = read_distribution(ready_made(&request).unwrap().path()).unwrap();
        let version = request.get("version").and_then(Value::as_str).unwrap();
        let offered =
            object.spec.branches.iter().any(|branch| branch.versions.iter().any(|v| v == version));
        assert!(offered, "{version}");
    }

    #[test]
    fn names_and_addresses_inside_the_cluster_are_not_outside_hosts() {
        let urls = ["http://a.b.svc.cluster.local", "http://10.0.0.1", "http://m.example:8080/x"];
        let found: Vec<String> =
            hosts(&urls.map(str::to_owned)).map(|host| host.to_string()).collect();
        assert_eq!(found, ["m.example:8080"]);
    }
}
