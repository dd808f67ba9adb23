//! Behaviours of make itself, run in the workspace of the first build: those that this system prevents,
//! works around, or relies on.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::Read as _,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use asu_core::{
    classify::Classifier,
    failure::FailureReason,
    plan::{PackageManager, Workspace},
};

use super::{
    Error,
    behaviours::{Ask, Checked, Not, Suite, expected, not_here},
    images::{is_package, overview},
    io,
    place::{Made, Run, TOOLS, closed_port},
};
use crate::fixtures::Faults;

/// Output folder of these makes, below the work folder.
const OUTPUT: &str = "plain";
/// Sizes in megabytes that exceed the flash of every real device, and of the fixture's devices.
const TOO_MANY: (u64, u64) = (64, 4);

fn succeeded(made: &Made) -> Checked {
    if made.code == 0 { Ok(()) } else { expected("make to succeed", made.tail()) }
}

/// Names of all images in the `profiles.json` of a folder.
fn images(folder: &Path) -> Result<BTreeSet<String>, Error> {
    Ok(overview(folder)?.into_values().flatten().collect())
}

/// Names of the enabled services, from the links in the root file system.
fn services(run: &Run) -> Result<BTreeSet<String>, Error> {
    let mut found = BTreeSet::new();
    for target in entries(&run.work("ws/build_dir"))? {
        for root in entries(&target)?.iter().filter(|root| name(root).starts_with("root-")) {
            let links = root.join("etc/rc.d");
            let links = if links.is_dir() { entries(&links)? } else { Vec::new() };
            // The names of the links begin with a letter and two digits.
            found.extend(links.iter().filter_map(|link| name(link).get(3..).map(str::to_owned)));
        }
    }
    Ok(found)
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let entries = fs::read_dir(folder).map_err(io(folder.display()))?;
    entries.map(|entry| Ok(entry.map_err(io(folder.display()))?.path())).collect()
}

/// Whether a failure message contains the size of the image and its limit, or, with vendors' tools, by
/// how much the image exceeds it.
pub(super) fn tells_size(detail: &str) -> bool {
    [" > ", "bytes too many", "bytes more than", "has more than"]
        .iter()
        .any(|word| detail.contains(word))
}

/// Creates a folder with links to all programs of this machine except one.
fn programs_without(missing: &str, folder: &Path) -> Result<(), Error> {
    fs::create_dir(folder).map_err(io(folder.display()))?;
    for place in TOOLS.split(':').map(Path::new).filter(|place| place.is_dir()) {
        for program in entries(place)?.iter().filter(|program| name(program) != missing) {
            // The first program with a name is the one on PATH.
            let link = folder.join(name(program));
            if link.symlink_metadata().is_err() {
                symlink(program, &link).map_err(io(link.display()))?;
            }
        }
    }
    Ok(())
}

impl Suite<'_> {
    /// Runs `make image` with the arguments of the first build, and more.
    async fn plain_image(&self, more: &[&str]) -> Result<Made, Not> {
        let run = self.baseline()?;
        let output = format!("BIN_DIR={}", run.work(OUTPUT).display());
        let [profile, packages] = self.selection()?;
        let words = [&["image", &profile, &packages, &output], more].concat();
        Ok(self.place.make(run, &words).await?)
    }

    pub(super) async fn ignored_files(&self) -> Checked {
        succeeded(&self.plain_image(&["FILES=/nonexistent"]).await?)?;
        let made = images(&self.baseline()?.work(OUTPUT))?;
        if made.is_empty() { expected("images", "none") } else { Ok(()) }
    }

    pub(super) async fn disabled_services(&self) -> Checked {
        let [_, mut packages] = self.selection()?;
        if self.options.upstream.is_some() {
            packages.push_str(" fixture-service");
        }
        succeeded(&self.plain_image(&[&packages]).await?)?;
        let mut services_left = services(self.baseline()?)?;
        let Some(service) = services_left.pop_last() else {
            return not_here("none of its packages has a service");
        };
        let disabled = format!("DISABLED_SERVICES={service}");
        succeeded(&self.plain_image(&[&packages, &disabled]).await?)?;
        let seen = services(self.baseline()?)?;
        if seen == services_left {
            return Ok(());
        }
        expected(&format!("links of {services_left:?}"), format!("{seen:?}"))
    }

    pub(super) async fn big_files(&self) -> Checked {
        if self.is_disk()? {
            return not_here("no device of a disk-like target has a limit");
        }
        let run = self.baseline()?;
        let (folder, output) = (run.work("big"), run.work("plain-big"));
        let megabytes = if self.options.upstream.is_some() { TOO_MANY.1 } else { TOO_MANY.0 };
        fs::create_dir(&folder).map_err(io(folder.display()))?;
        let fill = || {
            let mut noise = File::open("/dev/urandom")?.take(megabytes << 20);
            std::io::copy(&mut noise, &mut File::create(folder.join("noise"))?)
        };
        fill().map_err(io(folder.display()))?;
        let files = format!("FILES={}", folder.display());
        let into = format!("BIN_DIR={}", output.display());
        let made = self.plain_image(&[&files, &into]).await?;
        fs::remove_dir_all(&folder).map_err(io(folder.display()))?;
        succeeded(&made)?;
        if !images(&output)?.is_empty() {
            return not_here("its first device has room for 64 MB more");
        }
        let failure = Classifier::read(&format!("{}\n{}", made.stdout, made.stderr)).failure();
        match failure.reason {
            FailureReason::ImageTooBig if tells_size(&failure.detail) => Ok(()),
            _ => expected(
                "how large it is, or by how much too large",
                format!("{failure:?}, {}", made.tail()),
            ),
        }
    }

    /// Builds without a reachable server: all needed files were downloaded before.
    pub(super) async fn warm_cache(&self) -> Checked {
        let run = self.baseline()?;
        let [profile, packages] = self.selection()?;
        let words = ["make", "manifest", &profile, &packages];
        if self.options.upstream.is_some() {
            let away = Faults { status_503: vec!["*".to_owned()], ..Faults::default() };
            self.faults(&away).await?;
            let made = self.place.run(run, &[], &words).await;
            self.faults(&Faults::default()).await?;
            return succeeded(&made?);
        }
        let proxy = format!("http://127.0.0.1:{}", closed_port()?);
        let nowhere = [("http_proxy", proxy.as_str()), ("https_proxy", proxy.as_str())];
        succeeded(&self.place.run(run, &nowhere, &words).await?)
    }

    pub(super) async fn kept_packages(&self) -> Checked {
        let Some(upstream) = self.options.upstream else { return self.only_fixture() };
        let run = self.baseline()?;
        let knobs = upstream.knobs();
        knobs.reset().await.map_err(Error::from)?;
        let [profile, packages] = self.selection()?;
        succeeded(&self.place.make(run, &["manifest", &profile, &packages]).await?)?;
        let requests = knobs.requests().await.map_err(Error::from)?;
        if let Some(again) = requests.iter().find(|request| is_package(&request.path)) {
            return expected("no package to be fetched again", &again.path);
        }
        let wants_indexes = self.ready()?.marker.package_manager == PackageManager::Opkg;
        if wants_indexes == requests.is_empty() {
            let wanted = if wants_indexes { "indexes to be fetched again" } else { "no request" };
            return expected(wanted, format!("{} requests", requests.len()));
        }
        Ok(())
    }

    pub(super) async fn relative_output(&self) -> Checked {
        succeeded(&self.plain_image(&["BIN_DIR=lost"]).await?)?;
        let folder = self.baseline()?.work("ws/lost");
        let named = images(&folder)?;
        match named.iter().find(|name| folder.join(name).exists()) {
            Some(name) => expected("no image, as absolute folders are used for", name),
            None => Ok(()),
        }
    }

    pub(super) async fn used_output(&self) -> Checked {
        let ready = self.ready()?;
        let mut others = ready.marker.profiles.keys().filter(|id| **id != ready.profile);
        let Some(other) = others.next() else {
            return not_here("it has a single profile");
        };
        succeeded(&self.plain_image(&[]).await?)?;
        succeeded(&self.plain_image(&[&format!("PROFILE={other}")]).await?)?;
        let seen = overview(&self.baseline()?.work(OUTPUT))?;
        if seen.contains_key(other.as_str()) && seen.contains_key(ready.profile.as_str()) {
            return Ok(());
        }
        expected("both profiles in one profiles.json, as fresh folders are used for", {
            format!("{:?}", seen.keys())
        })
    }

    pub(super) async fn expansion(&self) -> Checked {
        let run = self.baseline()?;
        let [profile, _] = self.selection()?;
        let proof = run.work("expanded");
        let packages = format!("PACKAGES=$(shell touch {})", proof.display());
        self.place.make(run, &["manifest", &profile, &packages]).await?;
        if proof.exists() {
            return Ok(());
        }
        expected("make to execute what a value has in it, as names are checked for", "it did not")
    }

    /// The prerequisite check lists all missing programs, also with a wrong umask.
    pub(super) async fn prerequisites(&mut self) -> Checked {
        self.baseline()?;
        let run = self.build(&Ask { workspace: Workspace::Copy, ..Ask::default() }).await?;
        let host = run.work("ws/staging_dir/host");
        for stamp in [host.join(".prereq-build"), host.join("bin/unzip")] {
            if stamp.symlink_metadata().is_ok() {
                fs::remove_file(&stamp).map_err(io(stamp.display()))?;
            }
        }
        let programs = self.place.folder().join("programs");
        programs_without("unzip", &programs)?;
        let path = programs.to_string_lossy().into_owned();
        let [profile, packages] = self.selection()?;
        let shell = ["sh", "-c", "umask 077; exec make \"$@\"", "make"];
        let words = [&shell[..], &["image", &profile, &packages]].concat();
        let made = self.place.run(&run, &[("PATH", path.as_str())], &words).await?;
        let said = format!("{}\n{}", made.stdout, made.stderr);
        for text in ["umask 022", "Please install 'unzip'", "Prerequisite check failed"] {
            if made.code == 0 || !said.contains(text) {
                return expected(&format!("{text:?} and a failure"), made.tail());
            }
        }
        Ok(())
    }
}
