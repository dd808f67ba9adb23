//! Behaviours of the goals that only print: `make info`, manifests and package lists.

use std::time::{Duration, Instant};

use asu_core::{
    failure::FailureReason,
    make_info,
    names::{PackageSpec, ProfileId},
    packages::parse_manifest,
};

use super::behaviours::{Ask, Checked, Suite, expected, not_here};

/// Time limit of a refusal without network access; real ImageBuilders take a tenth of a second on an
/// idle machine.
const AT_ONCE: Duration = Duration::from_secs(5);
/// Default packages that no other package of real trees depends on.
const LEAVES: [&str; 6] =
    ["ppp-mod-pppoe", "odhcpd-ipv6only", "odhcp6c", "logd", "dropbear", "dnsmasq"];

impl Suite<'_> {
    pub(super) async fn info(&self) -> Checked {
        let ready = self.ready()?;
        let made = self.place.make(self.baseline()?, &["info"]).await?;
        if made.code != 0 {
            return expected("make info to succeed", made.tail());
        }
        let info = match make_info::parse(&made.stdout) {
            Ok(info) => info,
            Err(error) => return expected("the facts of an ImageBuilder", error),
        };
        let marker = &ready.marker;
        if info.revision != marker.revision || info.profiles != marker.profiles {
            return expected("what the warm-up read", "other facts");
        }
        let titles = made.stdout.matches("\n    Packages:").count();
        if titles != info.profiles.len() {
            return expected("a block for each profile", format!("{titles} blocks"));
        }
        Ok(())
    }

    /// Profile and packages of the first build, as arguments of make.
    pub(super) fn selection(&self) -> Result<[String; 2], super::behaviours::Not> {
        let ready = self.ready()?;
        let packages = self.options.packages.join(" ");
        Ok([format!("PROFILE={}", ready.profile), format!("PACKAGES={packages}")])
    }

    pub(super) async fn manifest(&self) -> Checked {
        let run = self.baseline()?;
        let [profile, packages] = self.selection()?;
        let made = self.place.make(run, &["manifest", &profile, &packages]).await?;
        if made.code != 0 {
            return expected("make manifest to succeed", made.tail());
        }
        let lines: Vec<&str> = made.stdout.lines().collect();
        if !lines.is_sorted() {
            return expected("sorted lines", made.tail());
        }
        if let Some(line) = lines.iter().find(|line| line.split(" - ").count() != 2) {
            return expected("only lines of a name and a version on stdout", format!("{line:?}"));
        }
        let listed = parse_manifest(&made.stdout);
        match ["kernel", "libc"].iter().find(|name| !listed.contains_key(**name)) {
            Some(name) => expected("kernel and libc in the manifest", format!("no {name}")),
            None => Ok(()),
        }
    }

    pub(super) async fn abi(&self) -> Checked {
        let run = self.baseline()?;
        let [profile, packages] = self.selection()?;
        let full = self.place.make(run, &["manifest", &profile, &packages]).await?;
        let short = self.place.make(run, &["manifest", &profile, &packages, "STRIP_ABI=1"]).await?;
        if full.code != 0 || short.code != 0 {
            return expected("make manifest to succeed", short.tail());
        }
        let (full, short) = (parse_manifest(&full.stdout), parse_manifest(&short.stdout));
        if full.len() != short.len() {
            let seen = format!("{} and {} packages", full.len(), short.len());
            return expected("as many packages without suffixes as with them", seen);
        }
        for (name, version) in &full {
            let known = |short_name: &&String| {
                name.strip_prefix(short_name.as_str()).is_some_and(|suffix| {
                    suffix.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
                })
            };
            if !short.iter().any(|(short_name, of)| known(&short_name) && of == version) {
                return expected("each name without its suffix", name);
            }
        }
        let told = run.result.built.as_ref().map(|built| &built.manifest);
        if told != Some(&short) {
            return expected("the build to tell names without suffixes", format!("{told:?}"));
        }
        if full == short {
            return not_here("no installed package has an ABI suffix");
        }
        Ok(())
    }

    pub(super) async fn removal(&mut self) -> Checked {
        self.baseline()?;
        let defaults = &self.ready()?.marker.default_packages;
        let Some(leaf) = LEAVES.iter().find(|leaf| defaults.iter().any(|name| name == *leaf))
        else {
            return not_here("it has no default package that is known to be needed by no other");
        };
        let remove = format!("-{leaf}");
        let run = self.build(&Ask::of(&[&remove, "-nosuch-package"])).await?;
        match &run.result.built {
            Some(built) if built.manifest.contains_key(*leaf) => {
                expected(&format!("an image without {leaf}"), "it is in the manifest")
            }
            Some(_) => Ok(()),
            None => expected("the build to succeed", run.summary()),
        }
    }

    pub(super) async fn unknown(&mut self) -> Checked {
        let ask = Ask::of(&["nosuch-one", "nosuch-two"]);
        let detail = self.fails(&ask, FailureReason::PackageSelection).await?;
        if detail.contains("nosuch-one") && detail.contains("nosuch-two") {
            return Ok(());
        }
        expected("both names", detail)
    }

    pub(super) async fn unknown_profile(&self) -> Checked {
        let started = Instant::now();
        let made = self.place.make(self.baseline()?, &["image", "PROFILE=nosuch_profile"]).await?;
        let took = started.elapsed();
        let said = [
            "Profile \"nosuch_profile\" does not exist!",
            "Use \"make info\" to get a list of available profile names.",
        ];
        if made.code != 2 || made.stdout.lines().collect::<Vec<_>>() != said {
            return expected("two lines and exit code 2", made.tail());
        }
        if took > AT_ONCE {
            return expected("it at once", format!("{} s", took.as_secs()));
        }
        Ok(())
    }

    pub(super) fn injection(&self) -> Checked {
        for text in ["$(shell id)", "$$(id)", "`id`", "a;id", "a|id", "a b", "a\nb", "-", "vim=1.0"]
        {
            if text.parse::<PackageSpec>().is_ok() || text.parse::<ProfileId>().is_ok() {
                return expected("a name to be refused", format!("{text:?} is accepted"));
            }
        }
        let marker = &self.ready()?.marker;
        let names = marker.default_packages.iter();
        if names.len() == 0 || marker.profiles.is_empty() {
            return expected("the tree's own packages and profiles to be accepted", "none");
        }
        Ok(())
    }

    pub(super) async fn wrong_version(&mut self) -> Checked {
        let defaults = &self.ready()?.marker.default_packages;
        let manifest = self.baseline()?.result.built.as_ref().map(|built| &built.manifest);
        let name = manifest.and_then(|manifest| {
            manifest.keys().find(|name| defaults.iter().any(|known| known == name.as_str()))
        });
        let Some(name) = name.cloned() else {
            return not_here("no default package is in the manifest by its own name");
        };
        let ask = Ask { versions: [(name.clone(), "0-r0".to_owned())].into(), ..Ask::default() };
        let detail = self.fails(&ask, FailureReason::PackageVersion).await?;
        if detail.contains(&name) { Ok(()) } else { expected("the package's name", detail) }
    }
}
