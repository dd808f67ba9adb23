//! A Git server in the cluster: git's own HTTP backend behind a web server of Debian.

use asu_tests::{
    deploy::{self, Site},
    progress::Progress,
};
use serde_json::{Value, json};

use super::Error;

/// URL of the repository inside the cluster.
pub(super) const URL: &str = "http://git.git.svc.cluster.local/git/site";
/// The branch that is served.
pub(super) const BRANCH: &str = "main";
const NAMESPACE: &str = "git";
const IMAGE: &str = "localhost/asu-git-server:proof";
/// Working tree of the repository in the pod.
const TREE: &str = "/srv/git/site";
const AUTHOR: [&str; 4] =
    ["-c", "user.name=Administrator", "-c", "user.email=administrator@example.org"];

/// The server, with one repository.
pub(super) struct GitServer<'a> {
    site: &'a Site,
}

impl<'a> GitServer<'a> {
    /// Starts the server with an empty repository.
    ///
    /// # Errors
    /// The step that failed.
    pub(super) async fn start(site: &'a Site, progress: &Progress) -> Result<Self, Error> {
        let folder = asu_tests::root().join("xtask/src/proof/git-server");
        site.provide(&folder.join("Dockerfile"), &folder, IMAGE, progress).await?;
        for manifest in manifests() {
            deploy::apply(site, &manifest).await?;
        }
        let wait =
            ["rollout", "status", "--namespace", NAMESPACE, "deployment/git", "--timeout=120s"];
        progress.step("start the Git server", site.kubectl(&wait)).await?;
        let server = Self { site };
        server.run(&["rm", "-rf", TREE]).await?;
        let branch = format!("--initial-branch={BRANCH}");
        server.run(&["git", "init", "--quiet", &branch, TREE]).await?;
        Ok(server)
    }

    /// Commits a file, and returns the commit.
    ///
    /// # Errors
    /// Git's error.
    pub(super) async fn commit(
        &self,
        path: &str,
        content: &str,
        message: &str,
    ) -> Result<String, Error> {
        let file = format!("{TREE}/{path}");
        // The shell's own text is constant; the rest are its arguments.
        let write = r#"mkdir -p "$(dirname "$1")" && printf '%s' "$2" > "$1""#;
        self.run(&["sh", "-c", write, "sh", &file, content]).await?;
        self.git(&["add", path]).await?;
        self.git(&["commit", "--quiet", "--message", message]).await?;
        self.head().await
    }

    /// Reverts a commit, and returns the new one.
    ///
    /// # Errors
    /// Git's error.
    pub(super) async fn revert(&self, commit: &str) -> Result<String, Error> {
        self.git(&["revert", "--no-edit", commit]).await?;
        self.head().await
    }

    async fn head(&self) -> Result<String, Error> {
        Ok(self.git(&["rev-parse", "HEAD"]).await?.trim().to_owned())
    }

    async fn git(&self, arguments: &[&str]) -> Result<String, Error> {
        self.run(&[&["git", "-C", TREE], &AUTHOR[..], arguments].concat()).await
    }

    async fn run(&self, command: &[&str]) -> Result<String, Error> {
        let exec = ["exec", "--namespace", NAMESPACE, "deployment/git", "--"];
        Ok(self.site.kubectl(&[&exec[..], command].concat()).await?)
    }
}

fn manifests() -> Vec<Value> {
    let labels = json!({ "app": "git" });
    vec![
        json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": NAMESPACE } }),
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": { "name": "git", "namespace": NAMESPACE },
            "spec": {
                "replicas": 1,
                "selector": { "matchLabels": labels },
                "template": {
                    "metadata": { "labels": labels },
                    "spec": {
                        "automountServiceAccountToken": false,
                        "securityContext": {
                            "runAsNonRoot": true, "runAsUser": 65534, "runAsGroup": 65534,
                            "fsGroup": 65534,
                        },
                        "containers": [{
                            "name": "git", "image": IMAGE, "imagePullPolicy": "Never",
                            "env": [{ "name": "HOME", "value": "/tmp" }],
                            "readinessProbe": {
                                "tcpSocket": { "port": 8080 }, "periodSeconds": 1,
                            },
                            "volumeMounts": [{ "name": "repositories", "mountPath": "/srv/git" }],
                        }],
                        "volumes": [{ "name": "repositories", "emptyDir": {} }],
                    },
                },
            },
        }),
        json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": { "name": "git", "namespace": NAMESPACE },
            "spec": { "selector": labels, "ports": [{ "port": 80, "targetPort": 8080 }] },
        }),
    ]
}
