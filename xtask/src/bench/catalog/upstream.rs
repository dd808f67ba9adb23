//! A download server of any size for `bench catalog`. Each file is generated when it is requested, from
//! its path alone, so that nothing is stored.

use std::{
    fmt::Write as _,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use asu_core::digest::Digest;
use axum::{
    Router,
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode, Uri, header},
    response::{IntoResponse as _, Response},
};
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;

use super::super::{Error, missing};

/// Size of the download server.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Branches.
    pub branches: u32,
    /// Versions of all branches together.
    pub versions: u32,
    /// Targets of a version.
    pub targets: u32,
    /// Architectures of a version.
    pub architectures: u32,
    /// Feeds of an architecture.
    pub feeds: u32,
    /// Packages of all feeds of an architecture together.
    pub packages: u32,
    /// Profiles of all targets of a version together.
    pub profiles: u32,
}

/// A running server. It ends with the process.
pub struct Upstream {
    address: std::net::SocketAddr,
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    requests: AtomicU64,
    not_modified: AtomicU64,
    bytes: AtomicU64,
}

/// What was requested since the last look.
#[derive(Clone, Copy, Debug)]
pub struct Requests {
    /// All requests.
    pub all: u64,
    /// Those that were answered with 304.
    pub not_modified: u64,
    /// Bytes of all bodies.
    pub bytes: u64,
}

impl Upstream {
    /// Starts the server on a free port.
    ///
    /// # Errors
    /// When it cannot listen.
    pub async fn start(size: Size) -> Result<Self, Error> {
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(missing)?;
        let address = listener.local_addr().map_err(missing)?;
        let counts = Arc::new(Counts::default());
        let router = Router::new().fallback(answer).with_state((size, counts.clone()));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(Self { address, counts })
    }

    /// URL of its root.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns the counts, and sets them to zero.
    pub fn take(&self) -> Requests {
        let take = |counter: &AtomicU64| counter.swap(0, Ordering::Relaxed);
        Requests {
            all: take(&self.counts.requests),
            not_modified: take(&self.counts.not_modified),
            bytes: take(&self.counts.bytes),
        }
    }
}

async fn answer(
    State((size, counts)): State<(Size, Arc<Counts>)>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    counts.requests.fetch_add(1, Ordering::Relaxed);
    let path = uri.path().to_owned();
    let etag = format!("\"{}\"", Digest::of(path.as_bytes()));
    if headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == etag.as_bytes()) {
        counts.not_modified.fetch_add(1, Ordering::Relaxed);
        return (StatusCode::NOT_MODIFIED, [(header::ETAG, etag)]).into_response();
    }
    let made = tokio::task::spawn_blocking(move || size.file(&path)).await;
    let Some(bytes) = made.ok().flatten() else { return StatusCode::NOT_FOUND.into_response() };
    counts.bytes.fetch_add(u64::try_from(bytes.len()).unwrap_or(0), Ordering::Relaxed);
    ([(header::ETAG, etag)], Body::from(bytes)).into_response()
}

impl Size {
    /// Names of the versions of a branch, newest first.
    pub fn versions_of(&self, branch: u32) -> Vec<String> {
        let branches = self.branches.max(1);
        let rest = u32::from(branch < self.versions % branches);
        let count = (self.versions / branches).saturating_add(rest);
        (0..count).rev().map(|number| format!("{}.{number}", branch_name(branch))).collect()
    }

    /// Architecture of a target.
    pub fn arch(&self, target: u32) -> String {
        format!("arch{}", target % self.architectures.max(1))
    }

    /// The content of a file; `None` if there is none.
    fn file(&self, path: &str) -> Option<Vec<u8>> {
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        match *parts.as_slice() {
            ["releases", _, ".targets.json"] => {
                let targets = (0..self.targets)
                    .map(|number| (target_name(number), Value::from(self.arch(number))));
                Some(Value::from(targets.collect::<Map<_, _>>()).to_string().into_bytes())
            }
            ["releases", version, "targets", board, "generic", ref file @ ..] => {
                let target = board.strip_prefix("board")?.parse().ok()?;
                match *file {
                    ["sha256sums"] => Some(self.sums(version, target)),
                    ["profiles.json"] => Some(self.profiles_json(version, target)),
                    ["packages", "index.json"] => Some(self.own_packages(version, target)),
                    _ => None,
                }
            }
            ["releases", _, "packages", _, "feeds.conf"] => {
                let line = |feed| format!("src-git feed{feed} https://feeds.example/{feed}^0123\n");
                Some((0..self.feeds).map(line).collect::<String>().into_bytes())
            }
            ["releases", version, "packages", arch, feed, "index.json"] => {
                let (branch, _) = version.rsplit_once('.')?;
                let count = self.packages / self.feeds.max(1);
                Some(index(arch, &format!("{branch} {feed}"), count))
            }
            _ => None,
        }
    }

    fn sums(&self, version: &str, target: u32) -> Vec<u8> {
        let image_builder =
            format!("openwrt-imagebuilder-{version}-board{target}-generic.Linux-x86_64.tar.zst");
        let digest = Digest::of(image_builder.as_bytes());
        let profiles = Digest::of(&self.profiles_json(version, target));
        let packages = Digest::of(&self.own_packages(version, target));
        format!(
            "{digest} *{image_builder}\n{packages} *packages/index.json\n{profiles} *profiles.json\n"
        )
        .into_bytes()
    }

    fn profiles_json(&self, version: &str, target: u32) -> Vec<u8> {
        let count = self.profiles / self.targets.max(1);
        let profiles = (0..count).map(|number| {
            let id = profile_id(target, number);
            let image = json!({
                "filesystem": "squashfs", "type": "sysupgrade", "size": 7_000_000 + number,
                "name": format!("openwrt-{version}-board{target}-generic-{id}-squashfs-sysupgrade.bin"),
                "sha256": Digest::of(format!("{version} {id}").as_bytes()),
                "sha256_unsigned": Digest::of(format!("{version} {id} unsigned").as_bytes()),
            });
            let profile = json!({
                "device_packages": ["kmod-usb2", "kmod-usb-ohci", "-wpad-basic-mbedtls", "wpad"],
                "image_prefix": format!("openwrt-{version}-board{target}-generic-{id}"),
                "images": [image.clone(), image],
                "supported_devices": [id.replace('_', ","), format!("board-{target}-{number}")],
                "titles": [{"vendor": "A Vendor", "model": format!("Device {target} {number}")}],
            });
            (id, profile)
        });
        json!({
            "arch_packages": self.arch(target),
            "default_packages": ["base-files", "busybox", "dnsmasq", "firewall4", "opkg", "procd"],
            "metadata_version": 1,
            "profiles": profiles.collect::<Map<_, _>>(),
            "source_date_epoch": 1_782_737_960,
            "target": target_name(target),
            "version_code": format!("r29197-{}", short(version)),
            "version_number": version,
        })
        .to_string()
        .into_bytes()
    }

    /// A few hundred packages, as of a target with its kernel modules.
    fn own_packages(&self, version: &str, target: u32) -> Vec<u8> {
        index(&self.arch(target), &format!("{version} {target}"), 600)
    }
}

/// Name of a target.
fn target_name(number: u32) -> String {
    format!("board{number}/generic")
}

/// Id of a profile of a target.
pub fn profile_id(target: u32, number: u32) -> String {
    format!("vendor{}_device-{target}-{number}", number % 17)
}

/// Name of a branch.
pub fn branch_name(branch: u32) -> String {
    format!("{}.{}", 20_u32.saturating_add(branch), 10)
}

/// Ten hexadecimal digits that depend on a text.
fn short(text: &str) -> String {
    Digest::of(text.as_bytes()).to_string().chars().take(10).collect()
}

fn index(arch: &str, seed: &str, count: u32) -> Vec<u8> {
    let seed = short(&format!("{arch} {seed}"));
    let mut text = format!(r#"{{"version":2,"architecture":"{arch}","packages":{{"#);
    for number in 0..count {
        let comma = if number == 0 { "" } else { "," };
        // Writing to a String cannot fail.
        let _ = write!(text, r#"{comma}"package-{number}-{seed}":"{number}.{}-r1""#, number % 7);
    }
    text.push_str("}}");
    text.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Size = Size {
        branches: 2,
        versions: 5,
        targets: 2,
        architectures: 2,
        feeds: 2,
        packages: 10,
        profiles: 6,
    };

    #[test]
    fn versions_are_spread_over_the_branches() {
        assert_eq!(SIZE.versions_of(0), ["20.10.2", "20.10.1", "20.10.0"]);
        assert_eq!(SIZE.versions_of(1), ["21.10.1", "21.10.0"]);
    }

    #[test]
    fn the_list_of_a_target_has_the_digests_of_its_files() {
        let file = |name: &str| {
            SIZE.file(&format!("/releases/20.10.2/targets/board1/generic/{name}")).unwrap()
        };
        let sums = String::from_utf8(file("sha256sums")).unwrap();
        for name in ["profiles.json", "packages/index.json"] {
            assert!(sums.contains(&format!("{} *{name}", Digest::of(&file(name)))), "{sums}");
        }
        assert_eq!(SIZE.file("/releases/20.10.2/targets/board1/generic/Packages"), None);
    }

    #[test]
    fn versions_of_a_branch_have_the_same_feeds() {
        let feed = |version: &str| {
            SIZE.file(&format!("/releases/{version}/packages/arch0/feed1/index.json"))
        };
        assert_eq!(feed("20.10.2"), feed("20.10.1"));
        assert_ne!(feed("20.10.2"), feed("21.10.1"));
    }
}
