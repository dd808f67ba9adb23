//! `cargo xtask ib-conformance`: checks that an ImageBuilder has the behaviours that this system relies on.

use std::path::{Path, PathBuf};

use asu_core::names::{PackageSpec, ProfileId};
use asu_tests::{
    fixtures::{self, Upstream, World},
    imagebuilder_conformance::{self, Options},
    toolchain::cache_dir,
    verdict,
};

/// Targets of the fixture, each with an ImageBuilder.
const FIXTURE_TARGETS: [&str; 2] = ["testarch/small", "testarch/disk"];
/// The fixture's package that is added to every build.
const FIXTURE_PACKAGE: &str = "fixture-hello";

/// Check that an ImageBuilder behaves as this system expects.
///
/// Runs the code of the pods with an ImageBuilder (opkg or apk): unpacks it, warms it up, links it
/// into workspaces and builds images, as unprivileged users and in a temporary folder. The given
/// tarball or tree is not changed. Without one, the ImageBuilders of the test fixture are checked.
///
/// Prints one line for each behaviour: `ok` with the duration, `FAIL` with the expected and the
/// observed behaviour, or `n/a` with the reason why it cannot be checked. Packages are downloaded
/// from the server that is configured in the tree, unless another is given. Exit code 1 means that a
/// check failed.
///
/// Needs python3, tar, zstd, unsquashfs, and the requirements of the ImageBuilder itself.
#[derive(Debug, clap::Args)]
pub struct IbConformanceArgs {
    /// ImageBuilder to check: `openwrt-imagebuilder-….tar.zst`, `.tar.xz`, or an unpacked tree.
    #[arg(value_name = "TREE_OR_TARBALL")]
    source: Option<PathBuf>,
    /// URL of the package server to use instead of the one that is configured in the tree.
    #[arg(long, value_name = "URL", conflicts_with = "fixture", requires = "source")]
    package_base_url: Option<String>,
    /// The ImageBuilder belongs to the test fixture: serve the fixture's packages, and run the checks
    /// that need them. Not needed for the fixture's own tarballs in the cache folder, and without
    /// TREE_OR_TARBALL.
    #[arg(long)]
    fixture: bool,
    /// Profile to build. Without this option, it is the first one of `make info`.
    #[arg(long)]
    profile: Option<ProfileId>,
    /// Package to add to every build. May be given several times.
    #[arg(long = "package", value_name = "PACKAGE")]
    packages: Vec<PackageSpec>,
    /// The program `asu-builder` to run. Without this option, it is built from this checkout.
    #[arg(long, value_name = "FILE")]
    builder: Option<PathBuf>,
    /// Maximum duration of one build, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 900)]
    seconds: u64,
}

/// Why the command exits with 1.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The suite cannot run.
    #[error(transparent)]
    Suite(#[from] imagebuilder_conformance::Error),
    /// The fixture cannot be used.
    #[error(transparent)]
    Fixtures(#[from] fixtures::Error),
    /// Behaviours failed.
    #[error("{0} behaviours failed")]
    Failed(usize),
}

/// Checks the ImageBuilders in the arguments.
///
/// # Errors
/// When a behaviour failed, or nothing could be checked.
pub async fn run(args: IbConformanceArgs) -> Result<(), Error> {
    let program = match &args.builder {
        Some(program) => program.clone(),
        None => imagebuilder_conformance::builder_program().await?,
    };
    let worlds = if is_fixture(&args) { fixture()? } else { Vec::new() };
    let mut failed = 0;
    match &args.source {
        Some(source) => {
            let own = worlds.iter().find(|(world, _)| source.starts_with(&world.dir));
            let upstream = own.or(worlds.first()).map(|(_, upstream)| upstream);
            failed += check(&args, &program, source, upstream).await?;
        }
        None => {
            for (world, upstream) in &worlds {
                for target in FIXTURE_TARGETS {
                    failed +=
                        check(&args, &program, &world.tarball(target), Some(upstream)).await?;
                }
            }
        }
    }
    if failed > 0 { Err(Error::Failed(failed)) } else { Ok(()) }
}

/// Whether the fixture's server is needed.
fn is_fixture(args: &IbConformanceArgs) -> bool {
    let worlds = cache_dir().join("world");
    let own = args.source.as_ref().is_none_or(|source| source.starts_with(worlds));
    args.fixture || (own && args.package_base_url.is_none())
}

/// The fixture's worlds, one for each package generation, each with a server.
fn fixture() -> Result<Vec<(World, Upstream)>, Error> {
    let worlds = [World::ensure(&cache_dir())?, World::ensure_apk(&cache_dir())?];
    let served = |world: World| Upstream::start(&world).map(|upstream| (world, upstream));
    Ok(worlds.into_iter().map(served).collect::<Result<_, _>>()?)
}

/// Checks one ImageBuilder. Returns the number of failed behaviours.
async fn check(
    args: &IbConformanceArgs,
    program: &Path,
    source: &Path,
    upstream: Option<&Upstream>,
) -> Result<usize, Error> {
    let mut packages = args.packages.clone();
    if upstream.is_some() && packages.is_empty() {
        packages.extend(FIXTURE_PACKAGE.parse());
    }
    let options = Options {
        program: program.to_owned(),
        source: source.to_owned(),
        package_base_url: args
            .package_base_url
            .clone()
            .or_else(|| upstream.map(Upstream::base_url)),
        profile: args.profile.clone(),
        packages,
        upstream,
        seconds: args.seconds,
    };
    println!("{}", source.display());
    let lines = imagebuilder_conformance::run(&options, |line| println!("{line}")).await?;
    let (ok, failed, not_applicable) = verdict::count(lines.iter().map(|line| &line.verdict));
    println!("{ok} ok, {failed} failed, {not_applicable} not applicable");
    Ok(failed)
}
