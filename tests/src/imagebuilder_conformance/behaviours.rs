//! The list of behaviours, and the helpers that all checks share.

use std::collections::{BTreeMap, BTreeSet};

use asu_core::{
    digest::Digest,
    failure::FailureReason,
    names::ProfileId,
    plan::{BuildLimits, BuildPlan, Marker, PLAN_SCHEMA, PopulatePlan, Workspace},
    request::{self, DefaultsDigest, InvalidField, RepositoriesMode, Request},
    request_hash::RequestHash,
};

use super::{
    Error, Options,
    place::{Place, Run},
    source::{Source, TARGET_PATH},
    tree,
};
use crate::fixtures::Faults;
pub(super) use crate::verdict::{Checked, Not, Verdict, expected, not_here};

/// First-boot script of the builds that have one.
pub(super) const SCRIPT: &str = "#!/bin/sh\necho conformance\n";
/// Builder image in plans; any text will do, because the suite's trees are used only on this machine.
const IMAGE: &str = "conformance";
/// Target in plans; it is only shown in messages.
const TARGET: &str = "given/given";
/// Maximum bytes and entries of a tree; the largest real ones have 1.5 GB and 100,000 entries.
const MAX_TREE: (u64, u64) = (8 << 30, 1_000_000);

impl From<Error> for Not {
    fn from(error: Error) -> Self {
        Self::Expected(error.to_string())
    }
}

macro_rules! behaviours {
    ($($name:ident = $number:literal $title:literal,)*) => {
        /// A behaviour, in the order of the checks.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Behaviour { $($name,)* }

        impl Behaviour {
            /// Every behaviour.
            pub(super) const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Number and name.
            pub(super) fn title(self) -> (u8, &'static str) {
                match self { $(Self::$name => ($number, $title),)* }
            }
        }
    };
}

behaviours! {
    WarmUp = 0 "a tarball is unpacked, warmed up and marked",
    Image = 4 "a build succeeds and its hashes are those of its files",
    Info = 1 "make info has a block for each profile",
    Manifest = 2 "make manifest lists names and versions, sorted",
    Abi = 3 "STRIP_ABI takes the ABI suffixes off names",
    ExtraName = 5 "EXTRA_IMAGE_NAME comes after the version, in lower case",
    Overlay = 6 "the overlay is in the image, and no setgid folder",
    IgnoredFiles = 6 "a folder to lay over that is not there is ignored",
    DisabledServices = 7 "a disabled service has no link, others do",
    Removal = 8 "a removed package is not in the image, an unknown removal is accepted",
    Unknown = 9 "every unknown package is named",
    UnknownProfile = 10 "an unknown profile is refused with two lines and without network",
    Conflict = 11 "conflict, clash and missing dependency are told",
    TooBig = 12 "an image too big is told although make succeeds",
    BigFiles = 12 "files too big for the device leave no image and no error",
    SmallPartition = 13 "a root partition too small is told as an image too big",
    Script = 14 "a failing package script fails the build",
    IndexSignature = 15 "an index with a wrong signature is no missing package",
    Unreachable = 16 "a server that cannot be reached is no missing package",
    WarmCache = 16 "with everything fetched before, a server that is away is no matter",
    Gone = 17 "a package that is gone or corrupt is no missing package",
    OneResolution = 18 "one build reads each index and each package once",
    KeptPackages = 18 "packages that are there are not fetched again",
    Parallel = 19 "two builds at once give the same bytes and leave the tree as it was",
    PublicPair = 19 "the public pair and a whole copy of the tree give the same bytes",
    FreshOutput = 20 "an absolute output folder gets the image",
    RelativeOutput = 20 "a relative output folder loses the image",
    UsedOutput = 20 "an output folder that was used keeps what it had",
    Trailer = 21 "the metadata at the end of an image name its devices",
    Injection = 22 "what make would expand is refused before make sees it",
    Expansion = 22 "a plain make executes what a value has in it",
    Umask = 23 "a umask of 077 around the program does not reach make",
    Prerequisites = 23 "a wrong umask and a missing program are told by the prerequisite check",
    FullDisk = 24 "a full disk is told as such",
    WrongVersion = 25 "a package of another version than asked for is told",
}

/// The checks of one ImageBuilder, with their state.
pub(super) struct Suite<'a> {
    pub(super) options: &'a Options<'a>,
    pub(super) place: Place,
    source: Source,
    ready: Option<Ready>,
    baseline: Option<Run>,
    serial: u32,
}

/// A warmed-up tree.
#[derive(Clone, Debug)]
pub(super) struct Ready {
    pub(super) marker: Marker,
    public_url: String,
    /// Base URL of the packages.
    pub(super) package_base_url: String,
    pub(super) profile: ProfileId,
}

/// What a check requests from a build, in addition to the profile of the options.
#[derive(Clone, Debug, Default)]
pub(super) struct Ask {
    pub(super) packages: Vec<String>,
    pub(super) versions: BTreeMap<String, String>,
    pub(super) rootfs_size_mb: Option<u32>,
    pub(super) script: bool,
    /// Whether [`Options::packages`] are left out.
    pub(super) bare: bool,
    pub(super) package_base_url: Option<String>,
    pub(super) workspace: Workspace,
    /// Whether the public make goals are used although the inner ones exist.
    pub(super) public_pair: bool,
}

impl Ask {
    /// A request for these packages.
    pub(super) fn of(packages: &[&str]) -> Self {
        Self { packages: packages.iter().map(ToString::to_string).collect(), ..Self::default() }
    }
}

impl<'a> Suite<'a> {
    pub(super) async fn new(options: &'a Options<'a>) -> Result<Self, Error> {
        let source = Source::of(&options.source).await?;
        let place = Place::new(&options.program)?;
        Ok(Self { options, place, source, ready: None, baseline: None, serial: 0 })
    }

    /// Checks one behaviour.
    pub(super) async fn check(&mut self, behaviour: Behaviour) -> Verdict {
        self.checked(behaviour).await.into()
    }

    async fn checked(&mut self, behaviour: Behaviour) -> Checked {
        match behaviour {
            Behaviour::WarmUp => self.warm_up().await,
            Behaviour::Image => self.image().await,
            Behaviour::Info => self.info().await,
            Behaviour::Manifest => self.manifest().await,
            Behaviour::Abi => self.abi().await,
            Behaviour::ExtraName => self.extra_name(),
            Behaviour::Overlay => self.overlay().await,
            Behaviour::IgnoredFiles => self.ignored_files().await,
            Behaviour::DisabledServices => self.disabled_services().await,
            Behaviour::Removal => self.removal().await,
            Behaviour::Unknown => self.unknown().await,
            Behaviour::UnknownProfile => self.unknown_profile().await,
            Behaviour::Conflict => self.conflict().await,
            Behaviour::TooBig => self.too_big().await,
            Behaviour::BigFiles => self.big_files().await,
            Behaviour::SmallPartition => self.small_partition().await,
            Behaviour::Script => self.package_script().await,
            Behaviour::IndexSignature => self.index_signature().await,
            Behaviour::Unreachable => self.unreachable().await,
            Behaviour::WarmCache => self.warm_cache().await,
            Behaviour::Gone => self.gone().await,
            Behaviour::OneResolution => self.one_resolution().await,
            Behaviour::KeptPackages => self.kept_packages().await,
            Behaviour::Parallel => self.parallel().await,
            Behaviour::PublicPair => self.public_pair().await,
            Behaviour::FreshOutput => self.fresh_output(),
            Behaviour::RelativeOutput => self.relative_output().await,
            Behaviour::UsedOutput => self.used_output().await,
            Behaviour::Trailer => self.trailer(),
            Behaviour::Injection => self.injection(),
            Behaviour::Expansion => self.expansion().await,
            Behaviour::Umask => self.umask(),
            Behaviour::Prerequisites => self.prerequisites().await,
            Behaviour::FullDisk => self.full_disk().await,
            Behaviour::WrongVersion => self.wrong_version().await,
        }
    }

    async fn warm_up(&mut self) -> Checked {
        let plan = PopulatePlan {
            schema: PLAN_SCHEMA,
            uid: "populate".into(),
            version: "given".into(),
            target: TARGET.into(),
            fetch_urls: vec![self.source.url()],
            target_path: TARGET_PATH.into(),
            keys: Vec::new(),
            file: self.source.file.clone(),
            sha256: self.source.sha256,
            builder_image: IMAGE.into(),
            max_download_bytes: MAX_TREE.0,
            max_tree_bytes: MAX_TREE.0,
            max_entries: MAX_TREE.1,
            image: None,
            seconds: 900,
        };
        let result = self.place.populate(&plan).await?;
        if let Some(failure) = result.failure {
            let seen = format!("{}: {}", failure.as_str(), result.detail);
            return expected("a tree that is ready", seen);
        }
        let marker = self.place.marker()?;
        let Some(public_url) = tree::public_url(&self.place.tree()) else {
            return expected("a repositories file that names a server", "no URL");
        };
        let wanted = self.options.profile.as_ref();
        let Some(profile) = wanted.or_else(|| marker.profiles.keys().next()).cloned() else {
            return expected("profiles", "none");
        };
        let package_base_url = self.options.package_base_url.clone();
        self.ready = Some(Ready {
            package_base_url: package_base_url.unwrap_or_else(|| public_url.clone()),
            marker,
            public_url,
            profile,
        });
        Ok(())
    }

    /// The warmed-up tree.
    pub(super) fn ready(&self) -> Result<&Ready, Not> {
        self.ready.as_ref().ok_or_else(|| Not::Applicable("there is no warmed-up tree".into()))
    }

    /// The first build, if it succeeded.
    pub(super) fn baseline(&self) -> Result<&Run, Not> {
        self.ready()?;
        self.baseline.as_ref().ok_or_else(|| Not::Applicable("the first build failed".into()))
    }

    /// Stores the first build.
    pub(super) fn keep(&mut self, run: Run) {
        self.baseline = Some(run);
    }

    /// Skips the check unless the ImageBuilder is the fixture's, because it needs the fixture's packages.
    pub(super) fn only_fixture(&self) -> Checked {
        if self.options.upstream.is_some() {
            return Ok(());
        }
        not_here("it needs the packages and the server of the fixture")
    }

    /// Sets the faults of the fixture's server.
    pub(super) async fn faults(&self, faults: &Faults) -> Checked {
        let Some(upstream) = self.options.upstream else { return self.only_fixture() };
        upstream.knobs().set(faults).await.map_err(|error| Not::from(Error::from(error)))
    }

    fn request(&self, ask: &Ask, ready: &Ready) -> Result<Request, InvalidField> {
        let mut packages = request::packages(&ask.packages)?;
        if !ask.bare && ask.versions.is_empty() {
            packages.extend(self.options.packages.iter().cloned());
        }
        Ok(Request {
            distribution: "given".into(),
            version: "given".into(),
            version_code: None,
            target: request::target(TARGET)?,
            profile: ready.profile.clone(),
            packages,
            packages_versions: request::packages_versions(&ask.versions)?,
            diff_packages: false,
            filesystem: None,
            rootfs_size_mb: ask.rootfs_size_mb,
            defaults: ask.script.then(|| DefaultsDigest {
                sha256: Digest::of(SCRIPT.as_bytes()),
                length: u32::try_from(SCRIPT.len()).unwrap_or_default(),
            }),
            repositories: BTreeMap::new(),
            repositories_mode: RepositoriesMode::Replace,
            repository_keys: BTreeSet::new(),
        })
    }

    fn plan(&mut self, ask: &Ask) -> Result<(BuildPlan, Marker), Not> {
        self.serial += 1;
        let uid = format!("build-{}", self.serial);
        let ready = self.ready()?;
        let mut marker = ready.marker.clone();
        marker.single_resolution &= !ask.public_pair;
        let request = match self.request(ask, ready) {
            Ok(request) => request,
            Err(invalid) => return expected("a well-formed request", invalid),
        };
        let base = ask.package_base_url.as_ref().unwrap_or(&ready.package_base_url);
        let plan = BuildPlan {
            schema: PLAN_SCHEMA,
            uid,
            attempt: 1,
            request_hash: RequestHash::of(b"conformance"),
            request,
            notes: Vec::new(),
            version_code: marker.revision.clone(),
            image_builder: marker.sha256,
            builder_image: IMAGE.into(),
            feeds: Vec::new(),
            public_url: ready.public_url.clone(),
            package_base_url: base.clone(),
            workspace: ask.workspace,
            limits: BuildLimits { seconds: self.options.seconds, ..BuildLimits::default() },
        };
        Ok((plan, marker))
    }

    /// Runs a build, which may succeed or fail.
    pub(super) async fn build(&mut self, ask: &Ask) -> Result<Run, Not> {
        let (plan, marker) = self.plan(ask)?;
        Ok(self.place.build(&plan, &marker, ask.script.then_some(SCRIPT)).await?)
    }

    /// Runs two builds at the same time.
    pub(super) async fn build_two(&mut self, ask: &Ask) -> Result<[Run; 2], Not> {
        let [(one, marker), (two, _)] = [self.plan(ask)?, self.plan(ask)?];
        let script = ask.script.then_some(SCRIPT);
        let (one, two) = tokio::join!(
            self.place.build(&one, &marker, script),
            self.place.build(&two, &marker, script)
        );
        Ok([one?, two?])
    }

    /// Runs a build that must fail for this reason. Returns the message for clients.
    pub(super) async fn fails(&mut self, ask: &Ask, reason: FailureReason) -> Result<String, Not> {
        self.baseline()?;
        let run = self.build(ask).await?;
        match &run.result.failure {
            Some(failure) if failure.reason == reason => Ok(failure.detail.clone()),
            _ => expected(&format!("{reason} with {:?}", ask.packages), run.summary()),
        }
    }
}
