//! Behaviours of the files of a successful build.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::fs::MetadataExt as _,
    path::Path,
};

use asu_core::{
    digest::Digest,
    plan::Workspace,
    result::{Built, StoredFile},
};
use serde_json::Value;
use tokio::process::Command;

use super::{
    Error,
    behaviours::{Ask, Checked, Not, SCRIPT, Suite, expected, not_here},
    io, json,
    place::Run,
    trailer, tree,
};
use crate::image::Rootfs;

/// The setgid bit of a folder, with which new files inherit its group.
const SETGID: u32 = 0o2000;

/// The success part of a build's result.
fn built(run: &Run) -> Result<&Built, Not> {
    match &run.result.built {
        Some(built) => Ok(built),
        None => expected("the build to succeed", run.summary()),
    }
}

/// Names in a list of images.
fn names(images: Option<&Value>) -> impl Iterator<Item = &str> {
    let images = images.and_then(Value::as_array).into_iter().flatten();
    images.filter_map(|image| image.get("name")).filter_map(Value::as_str)
}

/// Names of the images in `profiles.json`.
fn image_names(built: &Built) -> Vec<&str> {
    names(built.profile.get("images")).collect()
}

/// The profiles in a folder's `profiles.json`, each with the names of its images; empty without the
/// file.
pub(super) fn overview(folder: &Path) -> Result<BTreeMap<String, BTreeSet<String>>, Error> {
    let path = folder.join("profiles.json");
    if !path.exists() {
        return Ok(BTreeMap::new());
    }
    let document: Value = serde_json::from_slice(&read(&path)?).map_err(json(path.display()))?;
    let profiles = document.get("profiles").and_then(Value::as_object).into_iter().flatten();
    let named = |profile: &Value| names(profile.get("images")).map(str::to_owned).collect();
    Ok(profiles.map(|(id, profile)| (id.clone(), named(profile))).collect())
}

/// The files that must be reproducible: without the bill of materials, which contains a time, and
/// `sha256sums`, which contains its digest.
fn lasting(built: &Built) -> Vec<&StoredFile> {
    let moves = |name: &str| name.ends_with(".bom.cdx.json") || name == "sha256sums";
    built.files.iter().filter(|file| !moves(&file.name)).collect()
}

fn same_bytes(one: &Run, other: &Run) -> Checked {
    let (one, other) = (built(one)?, built(other)?);
    if one.manifest != other.manifest {
        return expected("the same manifest", "another one");
    }
    let (files, others) = (lasting(one), lasting(other));
    let differs = files.iter().find(|file| !others.contains(*file));
    match differs {
        Some(file) => expected("the same bytes", format!("{} differs", file.name)),
        None if files.len() != others.len() => expected("the same files", "more of them"),
        None => Ok(()),
    }
}

fn not_copied(run: &Run) -> Checked {
    if run.outcome.as_ref().is_some_and(|outcome| outcome.workspace_copied) {
        return expected("a link farm to do", "the tree had to be copied");
    }
    Ok(())
}

fn has_ending(name: &str, ending: &str) -> bool {
    Path::new(name).extension().is_some_and(|found| found == ending)
}

/// Whether a path on a server is that of a package.
pub(super) fn is_package(path: &str) -> bool {
    has_ending(path, "ipk") || has_ending(path, "apk")
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(io(path.display()))
}

/// Names of devices; for images of disks the list is empty or missing.
fn devices(list: Option<&Value>) -> Vec<&str> {
    let names = list.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    names.filter(|name| !name.is_empty()).collect()
}

impl Suite<'_> {
    pub(super) async fn image(&mut self) -> Checked {
        let run = self.build(&Ask { script: true, ..Ask::default() }).await?;
        if run.result.built.is_none() {
            let from = &self.ready()?.package_base_url;
            return expected(&format!("a build with packages from {from}"), run.summary());
        }
        let made = built(&run)?;
        let names = image_names(made);
        if names.is_empty() {
            return expected("images in profiles.json", "none");
        }
        let sums = read(&run.work("out/sha256sums"))?;
        let sums: BTreeMap<String, String> = String::from_utf8_lossy(&sums)
            .lines()
            .filter_map(|line| line.split_once(" *"))
            .map(|(sum, name)| (name.to_owned(), sum.to_owned()))
            .collect();
        for file in &made.files {
            let digest = Digest::of(&read(&run.published(&file.name))?);
            if digest != file.sha256 {
                return expected("the published file's own hash", &file.name);
            }
            let listed = sums.get(&file.name).map(String::as_str);
            if file.name != "sha256sums" && listed.is_some_and(|sum| sum != digest.to_string()) {
                return expected("the hash that sha256sums has", &file.name);
            }
        }
        if let Some(name) = names.iter().find(|name| !sums.contains_key(**name)) {
            return expected("every image in sha256sums", format!("no {name}"));
        }
        not_copied(&run)?;
        self.keep(run);
        Ok(())
    }

    pub(super) fn extra_name(&self) -> Checked {
        let built = built(self.baseline()?)?;
        let mut words = built.commands.iter().flatten();
        let extra = words.find_map(|word| word.strip_prefix("EXTRA_IMAGE_NAME="));
        let Some(extra) = extra.map(str::to_lowercase) else {
            return expected("EXTRA_IMAGE_NAME in the commands", "none");
        };
        let text = |key: &str| built.profile.get(key).and_then(Value::as_str).unwrap_or_default();
        let after = format!("-{extra}-{}-", text("target").replace('/', "-"));
        match image_names(built).iter().find(|name| !name.contains(&after)) {
            Some(name) => expected(&format!("{after} in every image's name"), name),
            None => Ok(()),
        }
    }

    pub(super) async fn overlay(&self) -> Checked {
        let run = self.baseline()?;
        let names = image_names(built(run)?);
        let Some(name) = names.iter().find(|name| name.contains("squashfs")) else {
            return not_here("no image has a squashfs");
        };
        let path = run.published(name);
        let image = if has_ending(name, "gz") {
            // gzip warns about the data after the compressed part.
            let unpacked = Command::new("gzip").arg("-dc").arg(&path).output().await;
            unpacked.map_err(io("gzip"))?.stdout
        } else {
            read(&path)?
        };
        let root = match Rootfs::of(&image).await {
            Ok(root) => root,
            Err(error) => return expected("a root file system", error),
        };
        if root.text("etc/uci-defaults/99-asu-defaults").as_deref() != Some(SCRIPT) {
            return expected("the first-boot script in the image", "none, or another one");
        }
        let set = root.set_ids().map_err(|error| Not::Expected(error.to_string()))?;
        let folder = set.iter().find(|path| {
            let mode = fs::metadata(path).map(|metadata| metadata.mode());
            path.is_dir() && mode.is_ok_and(|mode| mode & SETGID != 0)
        });
        match folder {
            Some(path) => expected("no setgid folder", path.display()),
            None => Ok(()),
        }
    }

    pub(super) async fn parallel(&mut self) -> Checked {
        self.baseline()?;
        let before = tree::states(&self.place.tree())?;
        let runs = self.build_two(&Ask { script: true, ..Ask::default() }).await?;
        let after = tree::states(&self.place.tree())?;
        if let Some(path) = tree::difference(&before, &after) {
            return expected("the tree as it was", format!("{} changed", path.display()));
        }
        for run in &runs {
            not_copied(run)?;
            same_bytes(self.baseline()?, run)?;
        }
        Ok(())
    }

    pub(super) async fn public_pair(&mut self) -> Checked {
        self.baseline()?;
        let ask = Ask { script: true, public_pair: true, ..Ask::default() };
        let public = self.build(&ask).await?;
        same_bytes(self.baseline()?, &public)?;
        let ask = Ask { script: true, workspace: Workspace::Copy, ..Ask::default() };
        let copy = self.build(&ask).await?;
        same_bytes(self.baseline()?, &copy)?;
        if self.ready()?.marker.single_resolution {
            return Ok(());
        }
        not_here("its inner goals cannot be run one by one, so builds use the public pair anyway")
    }

    pub(super) fn fresh_output(&self) -> Checked {
        let overview = overview(&self.baseline()?.work("out"))?;
        let ids: Vec<&String> = overview.keys().collect();
        if ids != [self.ready()?.profile.as_str()] {
            return expected("the built profile alone in profiles.json", format!("{ids:?}"));
        }
        Ok(())
    }

    pub(super) fn trailer(&self) -> Checked {
        let run = self.baseline()?;
        let built = built(run)?;
        let mut seen = 0;
        for name in image_names(built) {
            let text = match trailer::metadata(&read(&run.published(name))?) {
                Ok(Some(text)) => text,
                Ok(None) => continue,
                Err(problem) => return expected("good chunks", format!("{name}: {problem}")),
            };
            seen += 1;
            let metadata: Value = serde_json::from_slice(&text).map_err(json(name))?;
            let new = metadata.get("new_supported_devices");
            let named = devices(new.or_else(|| metadata.get("supported_devices")));
            let wanted = devices(built.profile.get("supported_devices"));
            if named != wanted {
                return expected(&format!("{wanted:?}"), format!("{named:?} in {name}"));
            }
        }
        if seen == 0 { not_here("no image has metadata") } else { Ok(()) }
    }

    /// The suite starts all programs with umask 077. The modes of make's folders show which umask make has.
    pub(super) fn umask(&self) -> Checked {
        let below = self.baseline()?.work("ws/build_dir");
        let states = tree::states(&below)?;
        let made = states.iter().filter(|(path, _)| {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
            path.is_dir() && name.is_some_and(|name| name.starts_with("root-"))
        });
        let modes: Vec<String> = made.map(|(_, file)| format!("{:o}", file.mode & 0o777)).collect();
        if modes.is_empty() || modes.iter().any(|mode| mode != "755") {
            return expected("root folders of mode 755", format!("{modes:?}"));
        }
        Ok(())
    }

    pub(super) async fn one_resolution(&mut self) -> Checked {
        self.only_fixture()?;
        self.baseline()?;
        let Some(upstream) = self.options.upstream else { return Ok(()) };
        let knobs = upstream.knobs();
        knobs.reset().await.map_err(Error::from)?;
        let run = self.build(&Ask::default()).await?;
        built(&run)?;
        let mut times: BTreeMap<String, u32> = BTreeMap::new();
        for request in knobs.requests().await.map_err(Error::from)? {
            *times.entry(request.path).or_default() += 1;
        }
        if !times.keys().any(|path| is_package(path)) {
            return expected("packages to be fetched", "none");
        }
        match times.iter().find(|(_, times)| **times > 1) {
            Some((path, times)) => expected("each file once", format!("{path} {times} times")),
            None => Ok(()),
        }
    }
}
