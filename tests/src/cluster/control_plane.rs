//! etcd and a real API server on the loopback interface, for tests of controllers.

use std::path::{Path, PathBuf};
use std::time::Duration;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::runtime::{conditions, wait::await_condition};
use kube::{Api, ResourceExt, api::PostParams};
use rustix::process::Signal;
use tempfile::TempDir;

use super::certs::Pki;
use super::owned::Owned;
use super::servers::Plane;
use super::wait::{Look, until};
use super::{Error, kubeconfig};
use crate::progress::Progress;
use crate::toolchain::{Family, Toolchain};
use crate::{exec, ports};

/// Time limit. On an idle machine the API server is ready within 3 s, but a build may run at the same time.
const READY: Duration = Duration::from_mins(1);

/// What runs in addition to etcd and the API server.
#[derive(Debug, Clone, Default)]
pub struct ControlPlaneOptions {
    /// The real scheduler, for tests of placement.
    pub scheduler: bool,
    /// Names of the controllers of the real controller manager, for example `garbage-collector`; if empty, no manager
    /// runs.
    pub controllers: Vec<String>,
}

/// A control plane without nodes: real watches, CEL, RBAC, server-side apply and conflicts. The test itself sets the
/// status of Jobs and Pods. Dropping the value stops the servers and removes their data.
#[derive(Debug)]
pub struct ControlPlane {
    // Fields are dropped in this order: first the clients of the API server, then the API server, etcd, the folder.
    scheduler: Option<Owned>,
    controller_manager: Option<Owned>,
    apiserver: Owned,
    etcd: Owned,
    plane: Plane,
    toolchain: Toolchain,
    dir: TempDir,
}

impl ControlPlane {
    /// Starts etcd and the API server.
    pub async fn start() -> Result<Self, Error> {
        Self::start_with(ControlPlaneOptions::default()).await
    }

    /// Starts them with the scheduler or some controllers. Missing programs are built first, which takes minutes.
    pub async fn start_with(options: ControlPlaneOptions) -> Result<Self, Error> {
        let toolchain =
            Toolchain::ensure(&[Family::Etcd, Family::Kubernetes], &Progress::new()).await?;
        let dir = tempfile::Builder::new()
            .prefix("asu-control-plane-")
            .tempdir()
            .map_err(Error::io("/tmp"))?;
        let plane = plane(dir.path())?;
        plane.prepare()?;
        let start = |name: &str, program: &str, arguments| {
            Owned::start(name, &toolchain.program(program)?, arguments, dir.path())
        };
        let etcd = start("etcd", "etcd", plane.etcd())?;
        let apiserver = start("apiserver", "kube-apiserver", plane.apiserver())?;
        let mut running = Self {
            scheduler: None,
            controller_manager: None,
            apiserver,
            etcd,
            plane,
            toolchain,
            dir,
        };
        running.ready().await?;
        running.start_optional(&options)?;
        Ok(running)
    }

    fn start_optional(&mut self, options: &ControlPlaneOptions) -> Result<(), Error> {
        let [scheduler_port, manager_port] = ports::free().map_err(Error::io("127.0.0.1"))?;
        if options.scheduler {
            let arguments = self.plane.scheduler(scheduler_port)?;
            let program = self.toolchain.program("kube-scheduler")?;
            self.scheduler = Some(Owned::start("scheduler", &program, arguments, self.dir.path())?);
        }
        if !options.controllers.is_empty() {
            let arguments =
                self.plane.controller_manager(&options.controllers.join(","), manager_port)?;
            let program = self.toolchain.program("kube-controller-manager")?;
            self.controller_manager =
                Some(Owned::start("controller-manager", &program, arguments, self.dir.path())?);
        }
        Ok(())
    }

    /// Path of the admin's kubeconfig.
    pub fn kubeconfig_path(&self) -> PathBuf {
        self.plane.kubeconfig()
    }

    /// The admin's kubeconfig, for kube-rs.
    pub async fn config(&self) -> Result<kube::Config, Error> {
        kubeconfig::load(self.kubeconfig_path()).await
    }

    /// A client of the admin.
    pub async fn client(&self) -> Result<kube::Client, Error> {
        Ok(kube::Client::try_from(self.config().await?)?)
    }

    /// A client that impersonates another user, to test RBAC. The user of a service account is
    /// `system:serviceaccount:NAMESPACE:NAME`.
    pub async fn client_as(&self, user: &str) -> Result<kube::Client, Error> {
        let mut config = self.config().await?;
        config.auth_info.impersonate = Some(user.to_owned());
        Ok(kube::Client::try_from(config)?)
    }

    /// Installs the CustomResourceDefinitions and waits until objects can be created.
    pub async fn install_definitions(&self) -> Result<(), Error> {
        let api: Api<CustomResourceDefinition> = Api::all(self.client().await?);
        for crd in asu_crds::crds() {
            let name = crd.name_any();
            api.create(&PostParams::default(), &crd).await?;
            let established = await_condition(api.clone(), &name, conditions::is_crd_established());
            let missing = match tokio::time::timeout(READY, established).await {
                Ok(Ok(_)) => continue,
                Ok(Err(error)) => error.to_string(),
                Err(_) => "the condition Established".to_owned(),
            };
            return Err(Error::Deadline { what: name, missing, after: READY });
        }
        Ok(())
    }

    /// Runs kubectl and returns its output.
    pub async fn kubectl(&self, arguments: &[&str]) -> Result<String, Error> {
        let mut command = tokio::process::Command::new(self.toolchain.program("kubectl")?);
        command.args(arguments).env("KUBECONFIG", self.kubeconfig_path());
        Ok(exec::run(command).await?)
    }

    /// Suspends the API server (SIGSTOP): connections stay open without responses.
    pub fn freeze(&self) -> Result<(), Error> {
        self.apiserver.signal(Signal::STOP)
    }

    /// Resumes a suspended API server.
    pub fn thaw(&self) -> Result<(), Error> {
        self.apiserver.signal(Signal::CONT)
    }

    /// Kills the API server and starts it again with the same port and data.
    pub async fn restart_apiserver(&mut self) -> Result<(), Error> {
        self.apiserver.signal(Signal::KILL)?;
        let program = self.toolchain.program("kube-apiserver")?;
        self.apiserver =
            Owned::start("apiserver", &program, self.plane.apiserver(), self.dir.path())?;
        self.ready().await
    }

    async fn ready(&self) -> Result<(), Error> {
        let client = self.client().await?;
        until("the API server", READY, || async {
            self.etcd.check()?;
            self.apiserver.check()?;
            super::readyz(&client).await
        })
        .await?;
        // The API server creates its first namespace after it reports that it is ready.
        until("the namespace default", READY, || async {
            let namespaces: kube::Api<k8s_openapi::api::core::v1::Namespace> =
                kube::Api::all(client.clone());
            Ok(match namespaces.get_opt("default").await {
                Ok(Some(_)) => Look::Done(()),
                Ok(None) => Look::Missing("not made yet".to_owned()),
                Err(error) => Look::Missing(error.to_string()),
            })
        })
        .await
    }
}

fn plane(dir: &Path) -> Result<Plane, Error> {
    let [api_port, etcd_port, etcd_peer_port] = ports::free().map_err(Error::io("127.0.0.1"))?;
    Ok(Plane {
        pki: Pki::ensure(dir.join("pki"))?,
        dir: dir.to_owned(),
        address: "127.0.0.1".to_owned(),
        api_port,
        etcd_port,
        etcd_peer_port,
        service_account_admission: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn control_plane_answers_and_leaves_nothing_behind() {
        let plane = ControlPlane::start().await.expect("control plane");
        let dir = plane.dir.path().to_owned();
        let pids = [plane.etcd.pid(), plane.apiserver.pid()];
        let nodes =
            plane.kubectl(&["get", "namespace", "default", "-o", "name"]).await.expect("kubectl");
        assert_eq!(nodes.trim(), "namespace/default");
        drop(plane);
        assert!(!dir.exists());
        for pid in pids {
            assert!(rustix::process::test_kill_process(pid).is_err(), "{pid:?} still runs");
        }
    }
}
