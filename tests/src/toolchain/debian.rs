//! Checks and installs Debian packages that the harness needs.

use super::Error;
use crate::exec;
use crate::progress::Progress;

/// A package, and a file whose existence shows that it is installed.
struct Package {
    name: &'static str,
    shows: &'static [&'static str],
}

const fn package(name: &'static str, shows: &'static [&'static str]) -> Package {
    Package { name, shows }
}

/// The needed packages, in the order in which missing ones are listed.
const PACKAGES: &[Package] = &[
    package("buildah", &["/usr/bin/buildah"]),
    package("mmdebstrap", &["/usr/bin/mmdebstrap"]),
    package("iptables", &["/usr/sbin/iptables"]),
    package("ipset", &["/usr/sbin/ipset"]),
    package("conntrack", &["/usr/sbin/conntrack"]),
    package("iproute2", &["/usr/sbin/ip", "/sbin/ip", "/usr/bin/ip"]),
    package("ethtool", &["/usr/sbin/ethtool", "/sbin/ethtool"]),
    package("socat", &["/usr/bin/socat"]),
    package("containernetworking-plugins", &["/usr/lib/cni/bridge"]),
    package("libseccomp-dev", &["/usr/include/seccomp.h"]),
    package("pkg-config", &["/usr/bin/pkg-config"]),
    package("gcc", &["/usr/bin/gcc"]),
    package("libc6-dev", &["/usr/include/stdlib.h"]),
    package("squashfs-tools", &["/usr/bin/unsquashfs"]),
    package("postgresql", &["/usr/lib/postgresql/15/bin/postgres"]),
    package("signify-openbsd", &["/usr/bin/signify-openbsd"]),
    package("gnupg", &["/usr/bin/gpg"]),
    package("zstd", &["/usr/bin/zstd"]),
    package("xz-utils", &["/usr/bin/xz"]),
    package("e2fsprogs", &["/usr/sbin/mke2fs", "/sbin/mke2fs"]),
    package("make", &["/usr/bin/make"]),
    package("gawk", &["/usr/bin/gawk"]),
    package("python3", &["/usr/bin/python3"]),
    package(
        "python3-distutils",
        &[
            "/usr/lib/python3/dist-packages/distutils/util.py",
            "/usr/lib/python3.11/distutils/util.py",
        ],
    ),
    // The version of Lua in which Argo CD runs health checks.
    package("lua5.1", &["/usr/bin/lua5.1"]),
    package("wget", &["/usr/bin/wget"]),
    package("unzip", &["/usr/bin/unzip"]),
    package("bzip2", &["/usr/bin/bzip2", "/bin/bzip2"]),
    package("patch", &["/usr/bin/patch"]),
    package("file", &["/usr/bin/file"]),
    package("wrk", &["/usr/bin/wrk"]),
    package("mount", &["/usr/bin/mount", "/bin/mount"]),
    package("util-linux", &["/usr/bin/nsenter"]),
];

/// Program of the browser that plays web clients.
pub const BROWSER: &str = "/usr/bin/chromium-headless-shell";

/// Only tests of web clients need it.
const BROWSER_PACKAGE: &[Package] = &[package("chromium-headless-shell", &[BROWSER])];

/// Installs missing packages. Without root or `apt-get`, the error lists them.
///
/// # Errors
/// When packages are missing and cannot be installed.
pub async fn ensure(progress: &Progress) -> Result<(), Error> {
    ensure_all(PACKAGES, progress).await
}

/// Installs the browser if it is missing.
///
/// # Errors
/// See [`ensure`].
pub async fn ensure_browser(progress: &Progress) -> Result<(), Error> {
    ensure_all(BROWSER_PACKAGE, progress).await
}

async fn ensure_all(packages: &[Package], progress: &Progress) -> Result<(), Error> {
    let missing = missing_of(packages);
    if missing.is_empty() {
        return Ok(());
    }
    let listed = || Error::Missing(missing.iter().map(|name| (*name).to_owned()).collect());
    if !rustix::process::geteuid().is_root() {
        return Err(listed());
    }
    if missing.contains(&"postgresql") {
        no_server_of_its_own()?;
    }
    progress
        .step(&format!("installing {}", missing.join(" ")), async {
            apt(&["update"]).await?;
            let mut arguments = vec!["install", "--yes", "--no-install-recommends"];
            arguments.extend(&missing);
            apt(&arguments).await
        })
        .await?;
    match missing_of(packages) {
        still if still.is_empty() => Ok(()),
        _ => Err(listed()),
    }
}

/// Prevents the package from creating a server on Postgres' default port; tests start their own servers.
fn no_server_of_its_own() -> Result<(), Error> {
    let settings = std::path::Path::new("/etc/postgresql-common/createcluster.conf");
    if settings.exists() {
        return Ok(());
    }
    let folder = settings.parent().unwrap_or(settings);
    std::fs::create_dir_all(folder).map_err(Error::io(folder))?;
    std::fs::write(settings, "create_main_cluster = false\n").map_err(Error::io(settings))
}

/// Names of the missing packages.
pub(super) fn missing() -> Vec<&'static str> {
    missing_of(PACKAGES)
}

fn missing_of(packages: &[Package]) -> Vec<&'static str> {
    packages
        .iter()
        .filter(|package| !package.shows.iter().any(|path| std::path::Path::new(path).exists()))
        .map(|package| package.name)
        .collect()
}

async fn apt(arguments: &[&str]) -> Result<(), Error> {
    let mut command = tokio::process::Command::new("apt-get");
    // Waits for dpkg's lock, because another installation may be running.
    command
        .args(["-o", "DPkg::Lock::Timeout=300"])
        // Keeps existing configuration files without asking.
        .args(["-o", "Dpkg::Options::=--force-confold"])
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive");
    exec::run(command).await.map(drop).map_err(|error| Error::Failed {
        program: format!("apt-get {}", arguments.join(" ")),
        status: error.status(),
        output: error.output(),
    })
}
