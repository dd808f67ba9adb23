//! The add-ons of a local cluster: DNS, an ingress controller, and a volume provisioner. Called by `up`.

use asu_core::digest::Digest;
use std::path::{Path, PathBuf};
use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::paths::Paths;
use super::reach;
use super::servers::DNS_SERVICE;
use super::state::State;
use super::wait::{Look, until};
use super::{Error, buildah, files, netns, node, template};
use crate::exec;
use crate::progress::Progress;
use crate::toolchain::{Toolchain, cache_dir};

const PAUSE: &str = "localhost/pause:3";
const COREDNS: &str = "localhost/asu-coredns:local";
const LOCAL_PATH: &str = "localhost/asu-local-path:local";
const TRAEFIK: &str = "localhost/asu-traefik:local";

const MANIFESTS: [&str; 4] = [
    include_str!("manifests/coredns.yaml"),
    include_str!("manifests/local-path.yaml"),
    include_str!("manifests/traefik-crds.yaml"),
    include_str!("manifests/traefik.yaml"),
];

/// Port on which CoreDNS listens in its pod.
const DNS_PORT: u16 = 5353;

/// Time limit; on an idle machine all of them are ready within 15 s.
const READY: Duration = Duration::from_mins(2);

/// Deployments that make up the add-ons.
pub(super) const DEPLOYMENTS: [(&str, &str); 3] = [
    ("kube-system", "coredns"),
    ("ingress", "traefik"),
    ("local-path-storage", "local-path-provisioner"),
];

/// Builds the images of the add-ons and returns their tags; each node needs all of them.
pub(super) async fn images(
    toolchain: &Toolchain,
    progress: &Progress,
) -> Result<Vec<&'static str>, Error> {
    buildah::ensure_base(progress).await?;
    pause_image(progress).await?;
    let programs =
        [("coredns", COREDNS), ("local-path-provisioner", LOCAL_PATH), ("traefik", TRAEFIK)];
    for (program, tag) in programs {
        program_image(&toolchain.program(program)?, program, tag, progress).await?;
    }
    Ok(vec![PAUSE, buildah::BASE, COREDNS, LOCAL_PATH, TRAEFIK])
}

/// The image of the pause container, compiled from a few lines of C.
async fn pause_image(progress: &Progress) -> Result<(), Error> {
    let dir = context("pause")?;
    let source = include_str!("manifests/pause.c");
    let source_file = dir.with_extension("c");
    let program = dir.join("pause");
    if files::read(&source_file)?.as_deref() != Some(source) || !program.is_file() {
        files::write(&source_file, source)?;
        let arguments =
            ["-static", "-Os", "-s", "-Wall", "-Werror", "-o"].map(std::ffi::OsStr::new);
        let files = [program.as_os_str(), source_file.as_os_str()];
        exec::output("gcc", arguments.into_iter().chain(files)).await?;
    }
    scratch_image(&dir, "pause", PAUSE, progress).await
}

/// An image that contains only one static program.
async fn program_image(
    program: &Path,
    name: &str,
    tag: &str,
    progress: &Progress,
) -> Result<(), Error> {
    let dir = context(name)?;
    let copy = dir.join(name);
    let same =
        std::fs::read_link(dir.with_extension("source")).is_ok_and(|source| source == program);
    if !same || !copy.is_file() {
        std::fs::copy(program, &copy).map_err(Error::io(&copy))?;
        let marker = dir.with_extension("source");
        let _ = std::fs::remove_file(&marker);
        std::os::unix::fs::symlink(program, &marker).map_err(Error::io(&marker))?;
    }
    scratch_image(&dir, name, tag, progress).await
}

async fn scratch_image(
    dir: &Path,
    name: &str,
    tag: &str,
    progress: &Progress,
) -> Result<(), Error> {
    let dockerfile = dir.with_extension("Dockerfile");
    files::write(
        &dockerfile,
        format!("FROM scratch\nCOPY {name} /{name}\nENTRYPOINT [\"/{name}\"]\n"),
    )?;
    buildah::build(&dockerfile, dir, tag, progress).await.map(drop)
}

fn context(name: &str) -> Result<PathBuf, Error> {
    let dir = cache_dir().join("images").join(name);
    files::make_dir(&dir)?;
    Ok(dir)
}

/// Applies the add-ons' objects with kubectl.
pub(super) async fn apply(paths: &Paths, state: &State, kubectl: &Path) -> Result<(), Error> {
    let node_paths: Vec<String> = state
        .nodes
        .iter()
        .map(|number| {
            let folder = paths.node(*number).join("volumes");
            json!({ "node": node::name(*number), "paths": [folder] }).to_string()
        })
        .collect();
    let reach = reach::dns(&state.reach, DNS_PORT);
    let content = content(node_paths.iter().chain([&reach])).await;
    let port = state.ingress_port.to_string();
    let (node_paths, address) = (node_paths.join(", "), netns::address(1));
    let values = [
        ("COREDNS", COREDNS),
        ("LOCAL_PATH", LOCAL_PATH),
        ("TRAEFIK", TRAEFIK),
        ("BASE", buildah::BASE),
        ("DNS", DNS_SERVICE),
        ("NODE_PATHS", &node_paths),
        ("NODE_ADDRESS", &address),
        ("INGRESS_PORT", &port),
        ("REACH", &reach),
        ("CONTENT", &content),
    ];
    let file = paths.dir().join("addons.yaml");
    template::write(&file, &MANIFESTS.join("---\n"), &values)?;
    let mut command = tokio::process::Command::new(kubectl);
    command.args(["apply", "--server-side", "--force-conflicts", "-f"]).arg(&file);
    command.env("KUBECONFIG", paths.kubeconfig());
    exec::run(command).await?;
    Ok(())
}

/// Hash of settings and images. It is part of the pod template: otherwise neither a changed ConfigMap nor a new
/// image with the same tag would replace running pods.
async fn content(settings: impl Iterator<Item = &String>) -> String {
    let mut hash = Sha256::new();
    for manifest in MANIFESTS {
        hash.update(manifest);
    }
    for setting in settings {
        hash.update(setting);
    }
    for tag in [COREDNS, LOCAL_PATH, TRAEFIK] {
        hash.update(buildah::id(tag).await.unwrap_or_default());
    }
    Digest::from_hasher(hash).to_string()
}

/// Waits until all pods of every add-on are ready.
pub(super) async fn ready(client: &kube::Client) -> Result<(), Error> {
    until("DNS, ingress and volumes", READY, || async {
        Ok(match unready(client).await {
            Ok(missing) if missing.is_empty() => Look::Done(()),
            Ok(missing) => Look::Missing(missing.join(", ")),
            Err(error) => Look::Missing(error.to_string()),
        })
    })
    .await
}

/// Add-ons that are not ready.
pub(super) async fn unready(client: &kube::Client) -> Result<Vec<String>, Error> {
    let mut missing = Vec::new();
    for (namespace, name) in DEPLOYMENTS {
        let deployments: kube::Api<Deployment> = kube::Api::namespaced(client.clone(), namespace);
        let deployment = deployments.get_opt(name).await?;
        if !deployment.as_ref().is_some_and(is_ready) {
            missing.push(format!("{namespace}/{name}"));
        }
    }
    Ok(missing)
}

fn is_ready(deployment: &Deployment) -> bool {
    let generation = deployment.metadata.generation;
    deployment.status.as_ref().is_some_and(|status| {
        status.observed_generation == generation
            && status.ready_replicas.unwrap_or_default() >= 1
            && status.updated_replicas == status.ready_replicas
    })
}
