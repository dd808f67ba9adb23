//! The cluster that the system is installed on: a local cluster, or a context of the user's kubeconfig.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use kube::config::{KubeConfigOptions, Kubeconfig};
use tokio::process::Command;

use super::Error;
use crate::{
    cluster::{self, Cluster, ClusterConfig, Reach, image},
    exec,
    progress::Progress,
    toolchain::{Family, Toolchain, debian},
};

/// Time limit for an ingress controller to write its address into a new Ingress.
const ADDRESS: Duration = Duration::from_mins(1);

/// A cluster to install on.
#[derive(Debug)]
pub enum Site {
    /// A local cluster of the harness.
    Local(Box<Cluster>),
    /// A cluster of the user.
    Context(Context),
}

/// A context of the user's kubeconfig.
#[derive(Debug)]
pub struct Context {
    name: String,
    registry: String,
    url: Option<String>,
    toolchain: Toolchain,
}

impl Site {
    /// The local cluster with this name, which is brought up if needed.
    ///
    /// # Errors
    /// When it cannot be brought up.
    pub async fn local(name: &str, progress: &Progress) -> Result<Self, Error> {
        Self::local_with(name, Vec::new(), progress).await
    }

    /// Like [`Self::local`], with additional outside hosts that its pods may reach.
    ///
    /// # Errors
    /// When it cannot be brought up.
    pub async fn local_with(
        name: &str,
        reach: Vec<Reach>,
        progress: &Progress,
    ) -> Result<Self, Error> {
        let config = ClusterConfig { reach, ..ClusterConfig::new(name) };
        Ok(Self::Local(Box::new(Cluster::up(&config, progress).await?)))
    }

    /// An existing local cluster.
    ///
    /// # Errors
    /// When no cluster has this name.
    pub async fn attach(name: &str) -> Result<Self, Error> {
        Ok(Self::Local(Box::new(Cluster::attach(name).await?)))
    }

    /// A context of the user's kubeconfig, whose nodes can pull from `registry`.
    ///
    /// # Errors
    /// When programs for building images are missing, or kubectl and Helm cannot be built.
    pub async fn context(
        name: &str,
        registry: &str,
        url: Option<String>,
        progress: &Progress,
    ) -> Result<Self, Error> {
        debian::ensure(progress).await?;
        let toolchain = Toolchain::ensure(&[Family::Kubernetes, Family::Helm], progress).await?;
        image::ensure_base(progress).await?;
        let (name, registry) = (name.to_owned(), registry.trim_end_matches('/').to_owned());
        Ok(Self::Context(Context { name, registry, url, toolchain }))
    }

    /// Registry in the names of images.
    pub fn registry(&self) -> &str {
        match self {
            Self::Local(_) => "localhost",
            Self::Context(context) => &context.registry,
        }
    }

    /// A client with the permissions of the kubeconfig's user.
    ///
    /// # Errors
    /// When the kubeconfig cannot be used.
    pub async fn client(&self) -> Result<kube::Client, Error> {
        match self {
            Self::Local(cluster) => Ok(cluster.client().await?),
            Self::Context(context) => {
                let options =
                    KubeConfigOptions { context: Some(context.name.clone()), ..Default::default() };
                let kubeconfig = Kubeconfig::read().map_err(cluster::Error::from)?;
                let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options)
                    .await
                    .map_err(cluster::Error::from)?;
                Ok(kube::Client::try_from(config)?)
            }
        }
    }

    /// Runs kubectl and returns its standard output.
    ///
    /// # Errors
    /// kubectl's error.
    pub async fn kubectl(&self, arguments: &[&str]) -> Result<String, Error> {
        match self {
            Self::Local(cluster) => Ok(cluster.kubectl(arguments).await?),
            Self::Context(context) => context.run("kubectl", "--context", arguments).await,
        }
    }

    /// Runs Helm and returns its standard output.
    ///
    /// # Errors
    /// Helm's error.
    pub async fn helm(&self, arguments: &[&str]) -> Result<String, Error> {
        match self {
            Self::Local(cluster) => Ok(cluster.helm(arguments).await?),
            Self::Context(context) => context.run("helm", "--kube-context", arguments).await,
        }
    }

    /// Builds an image, and imports it into the nodes or pushes it to the registry.
    ///
    /// # Errors
    /// The error of buildah or containerd.
    pub async fn provide(
        &self,
        dockerfile: &Path,
        context: &Path,
        tag: &str,
        progress: &Progress,
    ) -> Result<(), Error> {
        image::build(dockerfile, context, tag, progress).await?;
        match self {
            Self::Local(cluster) => image::load(cluster, tag, progress).await.map(drop)?,
            Self::Context(_) => image::push(tag, progress).await?,
        }
        Ok(())
    }

    /// Base URL of the API, through the ingress.
    ///
    /// # Errors
    /// When the ingress has no address yet, and none was given.
    pub async fn url(&self) -> Result<String, Error> {
        match self {
            Self::Local(cluster) => Ok(cluster.ingress_url()),
            Self::Context(Context { url: Some(url), .. }) => Ok(url.clone()),
            Self::Context(_) => {
                let path = "jsonpath={.items[0].status.loadBalancer.ingress[0]['ip','hostname']}";
                let look = ["get", "ingress", "-n", super::NAMESPACE, "-o", path];
                let started = Instant::now();
                while started.elapsed() < ADDRESS {
                    let address = self.kubectl(&look).await.unwrap_or_default();
                    if !address.trim().is_empty() {
                        return Ok(format!("http://{}", address.trim()));
                    }
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
                Err(Error::NoUrl)
            }
        }
    }

    /// The local cluster, if this is one.
    pub fn cluster(&self) -> Option<&Cluster> {
        match self {
            Self::Local(cluster) => Some(cluster),
            Self::Context(_) => None,
        }
    }
}

impl Context {
    async fn run(&self, program: &str, flag: &str, arguments: &[&str]) -> Result<String, Error> {
        let mut command = Command::new(self.toolchain.program(program)?);
        command.args([flag, &self.name]).args(arguments);
        Ok(exec::run(command).await?)
    }
}
