//! Builds images with buildah, in the harness's own storage, without a registry and without a daemon.

use asu_core::digest::Digest;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::{Error, files};
use crate::exec;
use crate::progress::Progress;
use crate::toolchain::cache_dir;

/// Label with the hash of an image's sources.
const CONTENT: &str = "dev.asu.content";
/// Name of the base image in Dockerfiles.
pub(super) const BASE: &str = "docker.io/library/debian:bookworm-slim";

/// Builds an image from a Dockerfile and a folder, unless the tag already has the same content.
///
/// The tag should contain a registry (`localhost/asu-api:dev`), because Kubernetes adds Docker Hub's to other names.
/// Nothing is pulled: `FROM` can use `scratch`, `debian:bookworm-slim` and images built before. Commands of `RUN`
/// use this machine's network. Returns the image's id.
pub async fn build(
    dockerfile: &Path,
    context: &Path,
    tag: &str,
    progress: &Progress,
) -> Result<String, Error> {
    let key = content_key(dockerfile, context).await?;
    if let Some(image) = inspect(tag).await
        && image.content.as_deref() == Some(key.as_str())
    {
        return Ok(image.id);
    }
    let building = async {
        let mut command = buildah()?;
        command
            .args(["build", "--layers", "--pull-never", "--network", "host", "--format", "oci"])
            .args(["--label", &format!("{CONTENT}={key}"), "--tag", tag, "--file"])
            .arg(dockerfile)
            .arg(context);
        exec::run(command).await?;
        Ok::<(), Error>(())
    };
    progress.step(&format!("building image {tag}"), building).await?;
    inspect(tag).await.map(|image| image.id).ok_or_else(|| Error::State {
        path: dockerfile.to_owned(),
        reason: format!("buildah built {tag} and does not find it"),
    })
}

/// Builds the Debian base image unless it exists.
pub async fn ensure_base(progress: &Progress) -> Result<(), Error> {
    if inspect(BASE).await.is_some() {
        return Ok(());
    }
    let dir = cache_dir().join("base");
    files::make_dir(&dir)?;
    let tarball = dir.join("bookworm.tar");
    if !tarball.is_file() {
        let partial = dir.join("partial.tar");
        let bootstrapping = exec::output(
            "mmdebstrap",
            [
                "--quiet".as_ref(),
                "--variant=minbase".as_ref(),
                "bookworm".as_ref(),
                partial.as_os_str(),
            ],
        );
        progress.step("bootstrapping Debian bookworm", bootstrapping).await?;
        std::fs::rename(&partial, &tarball).map_err(Error::io(&tarball))?;
    }
    let dockerfile = dir.join("Dockerfile");
    files::write(&dockerfile, "FROM scratch\nADD bookworm.tar /\nCMD [\"bash\"]\n")?;
    build(&dockerfile, &dir, BASE, progress).await.map(drop)
}

/// The id of an image in the storage, `None` when no image has this tag.
pub(super) async fn id(tag: &str) -> Option<String> {
    inspect(tag).await.map(|image| image.id)
}

/// Writes an image as an OCI archive.
pub(super) async fn export(tag: &str, archive: &Path) -> Result<(), Error> {
    let mut command = buildah()?;
    // On one machine, compression takes more time than it saves.
    command.args(["push", "--quiet", "--disable-compression", tag]);
    let mut target = std::ffi::OsString::from("oci-archive:");
    target.push(archive);
    target.push(format!(":{tag}"));
    command.arg(target);
    exec::run(command).await.map(drop).map_err(Error::from)
}

/// Pushes an image to the registry in its name, with the credentials of `buildah login`. TLS is disabled only for a
/// registry on this machine.
pub async fn push(tag: &str, progress: &Progress) -> Result<(), Error> {
    let pushing = async {
        let mut command = buildah()?;
        command.args(["push", "--quiet"]);
        if is_loopback(tag) {
            command.arg("--tls-verify=false");
        }
        command.arg(tag).arg(format!("docker://{tag}"));
        exec::run(command).await.map(drop).map_err(Error::from)
    };
    progress.step(&format!("pushing {tag}"), pushing).await
}

/// Whether the registry in an image's name is on this machine.
fn is_loopback(tag: &str) -> bool {
    let host = tag.split('/').next().unwrap_or_default();
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host).trim_matches(['[', ']']);
    host == "localhost"
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Unmounts the bind mount that the storage makes of its folder onto itself. Fails while it is in use.
pub(super) async fn unmount() {
    let _ = exec::output("umount", [cache_dir().join("buildah/root/overlay")]).await;
}

struct Image {
    id: String,
    content: Option<String>,
}

async fn inspect(tag: &str) -> Option<Image> {
    let mut command = buildah().ok()?;
    command.args(["inspect", "--type", "image", tag]);
    let text = exec::run(command).await.ok()?;
    let value: Value = serde_json::from_str(&text).ok()?;
    let id = value.get("FromImageID")?.as_str()?.to_owned();
    let content = value.pointer("/OCIv1/config/Labels").and_then(|labels| labels.get(CONTENT));
    Some(Image { id, content: content.and_then(Value::as_str).map(str::to_owned) })
}

/// A buildah command for the harness's storage, with the harness's settings instead of those in /etc/containers.
fn buildah() -> Result<tokio::process::Command, Error> {
    let dir = cache_dir().join("buildah");
    let policy = dir.join("policy.json");
    let registries = dir.join("registries.conf");
    if !registries.is_file() {
        files::write(&policy, r#"{"default":[{"type":"insecureAcceptAnything"}]}"#)?;
        files::write(
            &registries,
            "unqualified-search-registries = [\"docker.io\"]\nshort-name-mode = \"disabled\"\n",
        )?;
    }
    let mut command = tokio::process::Command::new("buildah");
    command
        .arg("--root")
        .arg(dir.join("root"))
        .arg("--runroot")
        .arg(dir.join("run"))
        .args(["--storage-driver", "overlay"])
        .env("BUILDAH_ISOLATION", "chroot")
        .env("CONTAINERS_REGISTRIES_CONF", &registries)
        .env("TMPDIR", tmp(&dir)?);
    command.env("BUILDAH_SIGNATURE_POLICY", &policy);
    Ok(command)
}

/// Folder for temporary files, because archives are large and /tmp may be small.
fn tmp(dir: &Path) -> Result<PathBuf, Error> {
    let tmp = dir.join("tmp");
    files::make_dir(&tmp)?;
    Ok(tmp)
}

/// Hash of the Dockerfile, of every file of the context with its mode, and of the images it starts from.
async fn content_key(dockerfile: &Path, context: &Path) -> Result<String, Error> {
    let mut hash = Sha256::new();
    let text = std::fs::read_to_string(dockerfile).map_err(Error::io(dockerfile))?;
    hash.update(&text);
    for base in bases(&text) {
        hash.update(id(base).await.unwrap_or_default());
    }
    // Uses find and sha256sum, because this program may be built without optimisation, and images are large.
    let listing =
        exec::output("find", [context.as_os_str(), "-printf".as_ref(), "%P %y %m %l\\0".as_ref()])
            .await?;
    let mut entries: Vec<&str> = listing.split('\0').collect();
    entries.sort_unstable();
    hash.update(entries.join("\0"));
    let sums = exec::output(
        "find",
        [context.as_os_str()]
            .into_iter()
            .chain(["-type", "f", "-exec", "sha256sum", "-z", "--", "{}", "+"].map(OsStr::new)),
    )
    .await?;
    let mut sums: Vec<String> =
        sums.split('\0').map(|line| line.replace(&*context.to_string_lossy(), "")).collect();
    sums.sort_unstable();
    hash.update(sums.join("\0"));
    Ok(Digest::from_hasher(hash).to_string())
}

/// Images named by the `FROM` lines of a Dockerfile.
fn bases(dockerfile: &str) -> impl Iterator<Item = &str> {
    dockerfile.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let keyword = words.next()?;
        let image = words.find(|word| !word.starts_with("--"))?;
        (keyword.eq_ignore_ascii_case("from") && image != "scratch").then_some(image)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bases_are_found_whatever_case_and_flags() {
        let text =
            "# FROM no\nFROM scratch\nfrom --platform=linux/amd64 a:1 AS x\nRUN FROM\nFROM b\n";
        assert_eq!(bases(text).collect::<Vec<_>>(), ["a:1", "b"]);
    }

    #[test]
    fn only_a_registry_of_this_machine_is_spoken_to_without_tls() {
        for tag in ["localhost/a:1", "127.0.0.1:5000/a/b:1", "[::1]:5000/a:1"] {
            assert!(is_loopback(tag), "{tag}");
        }
        for tag in ["registry.example:5000/a:1", "10.0.0.1:5000/a:1", "localhost.example/a:1"] {
            assert!(!is_loopback(tag), "{tag}");
        }
    }

    #[tokio::test]
    async fn key_of_an_image_changes_with_content_mode_and_dockerfile_only() {
        let dir = tempfile::tempdir().expect("folder");
        let (dockerfile, context) = (dir.path().join("Dockerfile"), dir.path().join("context"));
        files::write(&dockerfile, "FROM scratch\n").expect("write");
        files::write(&context.join("a"), "1").expect("write");
        let first = content_key(&dockerfile, &context).await.expect("key");
        assert_eq!(first, content_key(&dockerfile, &context).await.expect("key"));
        files::write(&context.join("a"), "2").expect("write");
        let second = content_key(&dockerfile, &context).await.expect("key");
        assert_ne!(first, second);
        exec::output("chmod", ["755".as_ref(), context.join("a").as_os_str()])
            .await
            .expect("chmod");
        let third = content_key(&dockerfile, &context).await.expect("key");
        assert_ne!(second, third);
        files::write(&dockerfile, "FROM scratch\nUSER 1\n").expect("write");
        assert_ne!(third, content_key(&dockerfile, &context).await.expect("key"));
    }
}
