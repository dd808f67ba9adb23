//! Where the catalog of these tests comes from: an operator reads it from a download server, as in
//! production, and ends before the test begins.

use std::{collections::BTreeMap, sync::Arc};

use asu_core::digest::Digest;
use asu_crds::{Distribution, condition};
use asu_tests::given;
use axum::{
    Router,
    extract::State,
    http::{StatusCode, Uri},
};
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::json;
use tokio::{net::TcpListener, task::JoinHandle};

use crate::{harness::until, samples::VERSION_CODE};

/// Files by the path in their URL.
type Files = BTreeMap<String, Vec<u8>>;

/// What a download server offers of these versions: one target with two devices.
fn files(versions: &[&str]) -> Files {
    let mut files = Files::new();
    for version in versions {
        let folder = format!("/releases/{version}");
        let profiles = json!({
            "metadata_version": 1, "target": "ath79/generic", "arch_packages": "mips_24kc",
            "version_number": version, "version_code": VERSION_CODE,
            "source_date_epoch": 1_744_562_312, "default_packages": ["base-files"],
            "linux_kernel": {"version": "6.6.110", "release": "1", "vermagic": "0d1e2f3a"},
            "profiles": {
                "dev_a": {
                    "image_prefix": format!("openwrt-{version}-ath79-generic-dev_a"),
                    "images": [{
                        "filesystem": "squashfs", "type": "sysupgrade", "sha256": "0".repeat(64),
                        "name": format!("openwrt-{version}-ath79-generic-dev_a-sysupgrade.bin"),
                    }],
                    "titles": [{"vendor": "Dev", "model": "A"}],
                    "supported_devices": ["dev,a", "alias_a", "shared_name"],
                },
                "dev_b": {
                    "titles": [{"vendor": "Dev", "model": "B"}],
                    "supported_devices": ["dev,b", "shared_name"],
                },
            },
        });
        let profiles = profiles.to_string().into_bytes();
        let sums = format!(
            "{} *openwrt-imagebuilder-{version}-ath79-generic.Linux-x86_64.tar.zst\n\
             {} *profiles.json\n",
            Digest::of(b"ib"),
            Digest::of(&profiles)
        );
        let targets = json!({"ath79/generic": "mips_24kc"}).to_string().into_bytes();
        files.insert(format!("{folder}/.targets.json"), targets);
        let target = format!("{folder}/targets/ath79/generic");
        files.insert(format!("{target}/profiles.json"), profiles);
        files.insert(format!("{target}/sha256sums"), sums.into_bytes());
        for (folder, packages) in [
            (format!("{target}/packages"), json!({"base-files": "1620~ab4c7d6af7"})),
            (format!("{target}/kmods/6.6.110-1-0d1e2f3a"), json!({"kmod-usb2": "6.6.110-r1"})),
            (format!("{folder}/packages/mips_24kc/base"), json!({"busybox": "1.36.1-r2"})),
        ] {
            let index = json!({"version": 2, "architecture": "mips_24kc", "packages": packages});
            files.insert(format!("{folder}/index.json"), index.to_string().into_bytes());
        }
        let feeds = format!("{folder}/packages/mips_24kc");
        files.insert(format!("{feeds}/feeds.conf"), b"src-git base x\nsrc-git luci y\n".into());
        let luci = "Package: liblucihttp0\nVersion: 2023-r1\nABIVersion: 0\n";
        files.insert(format!("{feeds}/luci/Packages"), luci.into());
    }
    files
}

/// The download server.
struct Server {
    url: String,
    task: JoinHandle<std::io::Result<()>>,
}

impl Server {
    async fn start(files: Files) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(file).with_state(Arc::new(files));
        let task = tokio::spawn(async { axum::serve(listener, router).await });
        Self { url, task }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn file(State(files): State<Arc<Files>>, uri: Uri) -> Result<Vec<u8>, StatusCode> {
    files.get(uri.path()).cloned().ok_or(StatusCode::NOT_FOUND)
}

/// An operator of a world.
pub struct Publisher<'a> {
    pub world: &'a given::World,
}

impl Publisher<'_> {
    /// Publishes the distribution `openwrt` with these versions and limits.
    pub async fn publish(&self, versions: &[&str], limits: serde_json::Value) {
        let server = Server::start(files(versions)).await;
        let mut object = given::distribution_of(&server.url);
        let branch = &mut object.spec.branches[0];
        branch.versions = versions.iter().map(ToString::to_string).collect();
        branch.branch_off_rev = Some(27990);
        object.spec.limits = serde_json::from_value(limits).unwrap();
        let params = PatchParams::apply("test").force();
        let api = self.world.api::<Distribution>();
        let applied = api.patch("openwrt", &params, &Patch::Apply(&object)).await.unwrap();
        let generation = applied.metadata.generation;
        self.operate("the catalog", async || {
            let status = api.get("openwrt").await.ok()?.status?;
            let ready = condition(&status.conditions, "Ready")?;
            let current = ready.observed_generation == generation && ready.reason == "UpToDate";
            current.then_some(())
        })
        .await;
    }

    /// Takes the distribution away.
    pub async fn withdraw(&self) {
        let api = self.world.api::<Distribution>();
        api.delete("openwrt", &DeleteParams::default()).await.unwrap();
        self.operate("the end of the distribution", async || {
            api.get_opt("openwrt").await.ok()?.is_none().then_some(())
        })
        .await;
    }

    /// Runs an operator until then.
    pub async fn operate(&self, what: &str, done: impl AsyncFn() -> Option<()>) {
        // There is no claim that caches could share.
        let operator = self.world.operator("publisher", &["--cache-claim-mode=perCache"]).await;
        until(what, done).await;
        operator.terminate().await.unwrap();
    }
}
