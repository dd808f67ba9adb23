//! One node: containerd, kubelet and kube-proxy in a network namespace of the cluster.

use asu_core::digest::Digest;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use k8s_openapi::api::core::v1::Node as NodeObject;

use super::certs::Subject;
use super::paths::Paths;
use super::process::{Processes, Spec};
use super::servers::{Arguments, DNS_SERVICE, POD_CIDR, Plane, config_path};
use super::wait::{Look, until};
use super::{Error, cgroups, files, kubeconfig, netns, template};
use crate::exec;
use crate::toolchain::{Family, Toolchain};

/// Time limit; on an idle machine a node is ready 7 s after its start.
const READY: Duration = Duration::from_mins(2);
/// Time limit; on an idle machine containerd answers within a second.
const RUNTIME_READY: Duration = Duration::from_secs(30);

/// One node of a cluster.
pub(super) struct Node<'a> {
    /// Paths of the cluster.
    pub(super) paths: &'a Paths,
    /// Its control plane.
    pub(super) plane: &'a Plane,
    /// Its programs.
    pub(super) toolchain: &'a Toolchain,
    /// The node's number, from 1.
    pub(super) number: u8,
}

/// Name of a node in Kubernetes.
pub(super) fn name(number: u8) -> String {
    format!("node{number}")
}

/// Names of a node's processes, in the order they are started.
pub(super) fn process_names(number: u8) -> [String; 3] {
    ["containerd", "kubelet", "kube-proxy"].map(|part| format!("{part}-{number}"))
}

/// Socket of a node's containerd.
pub(super) fn containerd_socket(paths: &Paths, number: u8) -> PathBuf {
    paths.node(number).join("containerd.sock")
}

impl Node<'_> {
    /// Starts containerd unless it runs, and waits until it answers.
    pub(super) async fn runtime(&self, processes: &Processes) -> Result<(), Error> {
        cgroups::ensure(&self.paths.cgroup(self.number))?;
        let config = self.write_runtime_settings()?;
        let programs = self.search_path()?;
        let arguments = vec!["--config".into(), config.into()];
        let spec =
            self.spec("containerd", arguments, BTreeMap::from([("PATH", programs)]), "toml")?;
        processes.ensure(&spec).await?;
        until("containerd", RUNTIME_READY, || async {
            processes.check(&spec.name)?;
            Ok(match self.ctr(&["version"]).await {
                Ok(_) => Look::Done(()),
                Err(error) => Look::Missing(error.to_string()),
            })
        })
        .await
    }

    /// Starts kubelet and kube-proxy unless they run.
    pub(super) async fn agents(&self, processes: &Processes) -> Result<(), Error> {
        let kubelet = self.spec("kubelet", self.kubelet()?, BTreeMap::new(), "yaml")?;
        processes.ensure(&kubelet).await?;
        let proxy = self.spec("kube-proxy", self.kube_proxy()?, BTreeMap::new(), "yaml")?;
        processes.ensure(&proxy).await?;
        Ok(())
    }

    /// Waits until the Node has the condition `Ready`.
    pub(super) async fn ready(
        &self,
        processes: &Processes,
        client: &kube::Client,
    ) -> Result<(), Error> {
        let nodes: kube::Api<NodeObject> = kube::Api::all(client.clone());
        let name = name(self.number);
        until(&name, READY, || async {
            for process in process_names(self.number) {
                processes.check(&process)?;
            }
            Ok(match nodes.get_opt(&name).await {
                Ok(Some(node)) => match unready(&node) {
                    None => Look::Done(()),
                    Some(reason) => Look::Missing(reason),
                },
                Ok(None) => Look::Missing("not registered".to_owned()),
                Err(error) => Look::Missing(error.to_string()),
            })
        })
        .await
    }

    /// Runs `ctr` on the images and containers of Kubernetes.
    pub(super) async fn ctr(&self, arguments: &[&str]) -> Result<String, Error> {
        let mut command = tokio::process::Command::new(self.toolchain.program("ctr")?);
        command
            .arg("-a")
            .arg(containerd_socket(self.paths, self.number))
            .args(["-n", "k8s.io"])
            .args(arguments);
        Ok(exec::run(command).await?)
    }

    fn dir(&self) -> PathBuf {
        self.paths.node(self.number)
    }

    fn spec(
        &self,
        part: &str,
        arguments: Vec<OsString>,
        mut environment: BTreeMap<&'static str, OsString>,
        extension: &str,
    ) -> Result<Spec, Error> {
        let settings = self.dir().join(part).with_extension(extension);
        let text = files::read(&settings)?.unwrap_or_default();
        // Other settings make it another process, which replaces the one that runs.
        environment.insert("ASU_SETTINGS", Digest::of(text.as_bytes()).to_string().into());
        Ok(Spec {
            name: format!("{part}-{}", self.number),
            program: self.toolchain.program(part)?,
            arguments,
            environment,
            netns: Some(self.paths.netns_path(self.number)),
        })
    }

    fn write_runtime_settings(&self) -> Result<PathBuf, Error> {
        let dir = self.dir();
        let config = dir.join("containerd.toml");
        let runc = self.toolchain.program("runc")?;
        let values = [("DIR", text(&dir)), ("RUNC", text(&runc))];
        template::write(&config, include_str!("manifests/containerd.toml"), &borrowed(&values))?;
        let network = self.paths.cgroup(self.number);
        let subnet = netns::pod_subnet(self.number);
        let values = [("DIR", text(&dir)), ("NETWORK", network), ("SUBNET", subnet)];
        let conflist = dir.join("cni").join("10-pods.conflist");
        template::write(&conflist, include_str!("manifests/cni.conflist"), &borrowed(&values))?;
        Ok(config)
    }

    /// PATH of containerd, on which it finds its shim.
    fn search_path(&self) -> Result<OsString, Error> {
        let mut folders =
            vec![self.toolchain.folder(Family::Containerd).unwrap_or(Path::new("/")).to_owned()];
        folders.extend(
            ["/usr/local/sbin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"].map(PathBuf::from),
        );
        std::env::join_paths(folders)
            .map_err(|error| Error::State { path: self.dir(), reason: error.to_string() })
    }

    fn kubelet(&self) -> Result<Vec<OsString>, Error> {
        let (dir, name) = (self.dir(), name(self.number));
        files::write(&dir.join("resolv.conf"), "")?;
        let config = dir.join("kubelet.yaml");
        let values = [
            ("DIR", text(&dir)),
            ("CA", text(&self.plane.pki.crt("ca"))),
            ("ADDRESS", netns::address(self.number)),
            ("CGROUP", self.paths.cgroup(self.number)),
            ("DNS", DNS_SERVICE.to_owned()),
        ];
        template::write(&config, include_str!("manifests/kubelet.yaml"), &borrowed(&values))?;
        let user = format!("system:node:{name}");
        let credentials = config_path(&dir, "kubelet");
        let subject = Subject { user: &user, group: Some("system:nodes") };
        kubeconfig::write(&self.plane.pki, &credentials, &name, &subject, &self.plane.node_url())?;
        Ok(Arguments::default()
            .set("config", config)
            .set("kubeconfig", credentials)
            .set("root-dir", dir.join("kubelet"))
            .set("cert-dir", dir.join("kubelet-pki"))
            .set("hostname-override", &name)
            .set("node-ip", netns::address(self.number))
            .into_vec())
    }

    fn kube_proxy(&self) -> Result<Vec<OsString>, Error> {
        let dir = self.dir();
        let credentials = config_path(&dir, "kube-proxy");
        let subject = Subject { user: "system:kube-proxy", group: None };
        kubeconfig::write(
            &self.plane.pki,
            &credentials,
            "kube-proxy",
            &subject,
            &self.plane.node_url(),
        )?;
        let config = dir.join("kube-proxy.yaml");
        let values = [
            ("POD_CIDR", POD_CIDR.to_owned()),
            ("NODE", name(self.number)),
            ("KUBECONFIG", text(&credentials)),
        ];
        template::write(&config, include_str!("manifests/kube-proxy.yaml"), &borrowed(&values))?;
        Ok(Arguments::default().set("config", config).into_vec())
    }
}

/// Why a node cannot take pods, `None` when it can.
pub(super) fn unready(node: &NodeObject) -> Option<String> {
    let mut conditions = node.status.iter().flat_map(|status| status.conditions.iter().flatten());
    let ready = conditions.find(|condition| condition.type_ == "Ready");
    match ready {
        Some(condition) if condition.status == "True" => None,
        Some(condition) => {
            Some(condition.message.clone().unwrap_or_else(|| "Ready is not true".to_owned()))
        }
        None => Some("no condition Ready yet".to_owned()),
    }
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn borrowed<'a, const N: usize>(values: &'a [(&'a str, String); N]) -> [(&'a str, &'a str); N] {
    values.each_ref().map(|(name, value)| (*name, value.as_str()))
}
