//! The status of a cluster, for `cargo xtask cluster status` and tests.

use std::fmt;
use std::path::PathBuf;

use k8s_openapi::api::core::v1::Node;

use super::local::Cluster;
use super::process::Processes;
use super::servers::PLANE;
use super::{Error, addons, node};

/// Status of a cluster's parts. `cargo xtask cluster status` prints its text.
#[derive(Debug, Clone)]
pub struct Status {
    /// The cluster's name.
    pub name: String,
    /// URL of the API server.
    pub api_url: String,
    /// URL of the ingress.
    pub ingress_url: String,
    /// Kubeconfig of the admin.
    pub kubeconfig: PathBuf,
    /// Folder of the logs.
    pub logs: PathBuf,
    /// Processes, and whether each runs.
    pub processes: Vec<(String, bool)>,
    /// Nodes, each with the reason if it is not ready.
    pub nodes: Vec<(String, Option<String>)>,
    /// Add-ons that are not ready.
    pub missing_addons: Vec<String>,
    /// Error of the request to the API server, if it failed.
    pub api_error: Option<String>,
}

impl Status {
    /// Whether everything runs and is ready.
    pub fn is_healthy(&self) -> bool {
        self.api_error.is_none()
            && self.missing_addons.is_empty()
            && self.processes.iter().all(|(_, runs)| *runs)
            && self.nodes.iter().all(|(_, reason)| reason.is_none())
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "cluster     {}", self.name)?;
        writeln!(f, "API server  {}", self.api_url)?;
        writeln!(f, "ingress     {}", self.ingress_url)?;
        writeln!(f, "kubeconfig  {}", self.kubeconfig.display())?;
        writeln!(f, "logs        {}", self.logs.display())?;
        for (name, runs) in &self.processes {
            writeln!(f, "process     {name:<20} {}", if *runs { "runs" } else { "does not run" })?;
        }
        for (name, reason) in &self.nodes {
            writeln!(f, "node        {name:<20} {}", reason.as_deref().unwrap_or("ready"))?;
        }
        for name in &self.missing_addons {
            writeln!(f, "add-on      {name:<20} not ready")?;
        }
        if let Some(error) = &self.api_error {
            writeln!(f, "API server does not answer: {error}")?;
        }
        write!(f, "{}", if self.is_healthy() { "healthy" } else { "not healthy" })
    }
}

impl Cluster {
    /// Reads the status of a cluster.
    pub async fn status(name: &str) -> Result<Status, Error> {
        of(&Self::attach(name).await?).await
    }
}

/// Reads the status of all parts.
async fn of(cluster: &Cluster) -> Result<Status, Error> {
    let processes = Processes::new(cluster.paths.dir());
    let mut names: Vec<String> = PLANE.map(str::to_owned).to_vec();
    names.extend(cluster.state.nodes.iter().flat_map(|number| node::process_names(*number)));
    let mut status = Status {
        name: cluster.name().to_owned(),
        api_url: cluster.api_url(),
        ingress_url: cluster.ingress_url(),
        kubeconfig: cluster.kubeconfig_path(),
        logs: cluster.paths.dir().join("logs"),
        processes: names
            .into_iter()
            .map(|name| (name.clone(), processes.is_alive(&name)))
            .collect(),
        nodes: Vec::new(),
        missing_addons: Vec::new(),
        api_error: None,
    };
    if let Err(error) = ask(cluster, &mut status).await {
        status.api_error = Some(error.to_string());
    }
    Ok(status)
}

async fn ask(cluster: &Cluster, status: &mut Status) -> Result<(), Error> {
    let client = cluster.client().await?;
    let nodes: kube::Api<Node> = kube::Api::all(client.clone());
    for number in &cluster.state.nodes {
        let name = node::name(*number);
        let reason = match nodes.get_opt(&name).await? {
            Some(object) => node::unready(&object),
            None => Some("not registered".to_owned()),
        };
        status.nodes.push((name, reason));
    }
    status.missing_addons = addons::unready(&client).await?;
    Ok(())
}
