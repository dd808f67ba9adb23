//! Command lines of the control plane's servers, the same for the cluster and for a bare control plane.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::certs::{Pki, Subject};
use super::{Error, kubeconfig};

/// Addresses of services; the first one is the API server itself.
pub(super) const SERVICE_CIDR: &str = "10.96.0.0/16";
/// Address of the API server as a service.
pub(super) const API_SERVICE: &str = "10.96.0.1";
/// Address of cluster DNS.
pub(super) const DNS_SERVICE: &str = "10.96.0.10";
/// Addresses of pods; each node has a /24 of it.
pub(super) const POD_CIDR: &str = "10.244.0.0/16";

/// Names of the control plane's processes.
pub(super) const PLANE: [&str; 5] =
    ["etcd", "apiserver", "forward", "controller-manager", "scheduler"];

/// Addresses and folders of a control plane's servers.
#[derive(Debug, Clone)]
pub(super) struct Plane {
    /// Keys and certificates.
    pub(super) pki: Pki,
    /// Folder of data and kubeconfigs.
    pub(super) dir: PathBuf,
    /// Address that the API server advertises, and that nodes use.
    pub(super) address: String,
    /// Port of the API server.
    pub(super) api_port: u16,
    /// Client port of etcd, on loopback.
    pub(super) etcd_port: u16,
    /// Peer port of etcd, on loopback.
    pub(super) etcd_peer_port: u16,
    /// Whether pods need an existing ServiceAccount. Without a controller manager none would be created.
    pub(super) service_account_admission: bool,
}

/// Builds a command line.
#[derive(Default)]
pub(super) struct Arguments(Vec<OsString>);

impl Arguments {
    /// `--name=value`.
    pub(super) fn set(mut self, name: &str, value: impl Into<OsString>) -> Self {
        let mut argument = OsString::from(format!("--{name}="));
        argument.push(value.into());
        self.0.push(argument);
        self
    }

    /// All arguments.
    pub(super) fn into_vec(self) -> Vec<OsString> {
        self.0
    }
}

impl Plane {
    /// Creates all certificates of the control plane, and the admin's kubeconfig.
    pub(super) fn prepare(&self) -> Result<(), Error> {
        let pki = &self.pki;
        pki.server("etcd", &["localhost", "127.0.0.1"])?;
        pki.client("etcd-client", &Subject { user: "kube-apiserver", group: None })?;
        let services = ["kubernetes", "kubernetes.default", "kubernetes.default.svc", "localhost"];
        let mut hosts = services.to_vec();
        hosts.extend([
            "kubernetes.default.svc.cluster.local",
            "127.0.0.1",
            API_SERVICE,
            &self.address,
        ]);
        pki.server("apiserver", &hosts)?;
        pki.client(
            "apiserver-kubelet",
            &Subject { user: "kube-apiserver", group: Some("system:masters") },
        )?;
        kubeconfig::write_admin(pki, &self.kubeconfig(), &self.local_url())
    }

    /// The admin's kubeconfig.
    pub(super) fn kubeconfig(&self) -> PathBuf {
        self.dir.join("kubeconfig")
    }

    /// URL of the API server through loopback.
    pub(super) fn local_url(&self) -> String {
        format!("https://127.0.0.1:{}", self.api_port)
    }

    /// URL of the API server at its own address, for nodes.
    pub(super) fn node_url(&self) -> String {
        format!("https://{}:{}", self.address, self.api_port)
    }

    /// etcd's arguments. Without fsync, because it would be slow on a shared disk, and a lost cluster can be created
    /// again.
    pub(super) fn etcd(&self) -> Vec<OsString> {
        let client = format!("https://127.0.0.1:{}", self.etcd_port);
        let peer = format!("http://127.0.0.1:{}", self.etcd_peer_port);
        Arguments::default()
            .set("name", "asu")
            .set("data-dir", self.dir.join("etcd"))
            .set("unsafe-no-fsync", "true")
            .set("listen-client-urls", &client)
            .set("advertise-client-urls", &client)
            .set("listen-peer-urls", &peer)
            .set("initial-advertise-peer-urls", &peer)
            .set("initial-cluster", format!("asu={peer}"))
            .set("cert-file", self.pki.crt("etcd"))
            .set("key-file", self.pki.key("etcd"))
            .set("trusted-ca-file", self.pki.crt("ca"))
            .set("client-cert-auth", "true")
            .set("log-level", "warn")
            .into_vec()
    }

    /// The API server's arguments, with RBAC, so that tests find missing rules.
    pub(super) fn apiserver(&self) -> Vec<OsString> {
        let pki = &self.pki;
        let arguments = Arguments::default()
            .set("etcd-servers", format!("https://127.0.0.1:{}", self.etcd_port))
            .set("etcd-cafile", pki.crt("ca"))
            .set("etcd-certfile", pki.crt("etcd-client"))
            .set("etcd-keyfile", pki.key("etcd-client"))
            .set("secure-port", self.api_port.to_string())
            .set("bind-address", if self.address == "127.0.0.1" { "127.0.0.1" } else { "0.0.0.0" })
            .set("tls-cert-file", pki.crt("apiserver"))
            .set("tls-private-key-file", pki.key("apiserver"))
            .set("client-ca-file", pki.crt("ca"))
            .set("kubelet-client-certificate", pki.crt("apiserver-kubelet"))
            .set("kubelet-client-key", pki.key("apiserver-kubelet"))
            .set("kubelet-preferred-address-types", "InternalIP")
            .set("service-account-issuer", "https://kubernetes.default.svc")
            .set("service-account-signing-key-file", pki.key("service-account"))
            .set("service-account-key-file", pki.public_key("service-account"))
            .set("service-cluster-ip-range", SERVICE_CIDR)
            .set("authorization-mode", "Node,RBAC")
            .set("enable-admission-plugins", "NodeRestriction")
            .set("allow-privileged", "true");
        self.announced(arguments).into_vec()
    }

    fn announced(&self, arguments: Arguments) -> Arguments {
        // A loopback address cannot be advertised, and the endpoint is not needed then.
        let arguments = if self.address == "127.0.0.1" {
            arguments
                .set("endpoint-reconciler-type", "none")
                .set("advertise-address", "192.168.77.1")
        } else {
            arguments.set("advertise-address", &self.address)
        };
        if self.service_account_admission {
            arguments
        } else {
            arguments.set("disable-admission-plugins", "ServiceAccount")
        }
    }

    /// The controller manager's arguments; `controllers` is the value of its flag, `*` for all.
    pub(super) fn controller_manager(
        &self,
        controllers: &str,
        port: u16,
    ) -> Result<Vec<OsString>, Error> {
        let config = self.component("controller-manager", "system:kube-controller-manager")?;
        Ok(Arguments::default()
            .set("kubeconfig", &config)
            .set("authentication-kubeconfig", &config)
            .set("authorization-kubeconfig", &config)
            .set("controllers", controllers)
            .set("use-service-account-credentials", "true")
            .set("service-account-private-key-file", self.pki.key("service-account"))
            .set("root-ca-file", self.pki.crt("ca"))
            .set("cluster-cidr", POD_CIDR)
            .set("allocate-node-cidrs", "false")
            .set("leader-elect", "false")
            .set("bind-address", "127.0.0.1")
            .set("secure-port", port.to_string())
            .set("cert-dir", self.dir.join("controller-manager"))
            .into_vec())
    }

    /// The scheduler's arguments.
    pub(super) fn scheduler(&self, port: u16) -> Result<Vec<OsString>, Error> {
        let config = self.component("scheduler", "system:kube-scheduler")?;
        Ok(Arguments::default()
            .set("kubeconfig", &config)
            .set("authentication-kubeconfig", &config)
            .set("authorization-kubeconfig", &config)
            .set("leader-elect", "false")
            .set("bind-address", "127.0.0.1")
            .set("secure-port", port.to_string())
            .set("cert-dir", self.dir.join("scheduler"))
            .into_vec())
    }

    fn component(&self, name: &str, user: &str) -> Result<PathBuf, Error> {
        let path = config_path(&self.dir, name);
        kubeconfig::write(
            &self.pki,
            &path,
            name,
            &Subject { user, group: None },
            &self.local_url(),
        )?;
        Ok(path)
    }
}

/// Path of a component's kubeconfig.
pub(super) fn config_path(dir: &Path, name: &str) -> PathBuf {
    dir.join(format!("{name}.kubeconfig"))
}
