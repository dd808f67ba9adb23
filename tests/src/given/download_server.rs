//! A small download server in the test's process: versions with one target, whose revision can change
//! while it runs. Nothing is signed, and there are no ImageBuilders.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};

use asu_core::digest::Digest;
use axum::{
    Router,
    extract::State,
    http::{StatusCode, Uri},
};
use serde_json::json;
use tokio::{net::TcpListener, task::JoinHandle};

/// Files by the path in their URL.
type Files = BTreeMap<String, Vec<u8>>;

/// One target with two devices in each version, all of this revision.
fn files(versions: &[&str], revision: &str) -> Files {
    let mut files = Files::new();
    for version in versions {
        let folder = format!("/releases/{version}");
        let profiles = json!({
            "metadata_version": 1, "target": "ath79/generic", "arch_packages": "mips_24kc",
            "version_number": version, "version_code": revision,
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
            Digest::of(revision.as_bytes()),
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

/// The server. It ends when the value is dropped.
pub struct DownloadServer {
    /// `http://127.0.0.1:<port>`.
    pub url: String,
    files: Arc<RwLock<Files>>,
    task: JoinHandle<std::io::Result<()>>,
}

impl DownloadServer {
    /// Starts a server of these versions, all of this revision.
    pub async fn start(versions: &[&str], revision: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let files = Arc::new(RwLock::new(files(versions, revision)));
        let router = Router::new().fallback(file).with_state(files.clone());
        let task = tokio::spawn(async { axum::serve(listener, router).await });
        Self { url, files, task }
    }

    /// Replaces everything, as when upstream has built snapshots again.
    pub fn replace(&self, versions: &[&str], revision: &str) {
        *self.files.write().unwrap_or_else(PoisonError::into_inner) = files(versions, revision);
    }
}

impl Drop for DownloadServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn file(State(files): State<Arc<RwLock<Files>>>, uri: Uri) -> Result<Vec<u8>, StatusCode> {
    let files = files.read().unwrap_or_else(PoisonError::into_inner);
    files.get(uri.path()).cloned().ok_or(StatusCode::NOT_FOUND)
}
