//! `profiles.json`: the devices of a target. Published by the download server, and written by each
//! build for its images. Parsing checks every name, so that callers may use them in paths.

use std::{collections::BTreeMap, str::FromStr};

use asu_core::catalog::{self, Title};
use asu_core::digest::Digest;
use asu_core::image_kind;
use asu_core::names::{PackageSpec, ProfileId, TargetName};
use asu_core::request::{is_revision, is_version};
use serde::{Deserialize, Deserializer};

use crate::error::ParseError;
use crate::text::{is_plain_name, is_shown, quoted};

const WHAT: &str = "profiles.json";

/// Maximum size of the file in bytes. The largest one upstream (ramips/mt7621) has about 1 MiB.
pub const MAX_BYTES: u64 = 8 << 20;

const MAX_PROFILES: usize = 5_000;
const MAX_PACKAGES: usize = 1_000;
const MAX_TITLES: usize = 64;
const MAX_ALIASES: usize = 64;
const MAX_IMAGES: usize = 256;
const MAX_NAME: usize = 128;
const MAX_FILE_NAME: usize = 255;
const MAX_TEXT: usize = 200;

/// The file, reduced to the fields that are used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profiles {
    /// Package architecture.
    pub arch_packages: String,
    /// Default packages of all devices (absent before 21.02).
    pub default_packages: Vec<PackageSpec>,
    /// Kernel version and ABI (since 24.10.0 and 23.05.6).
    pub linux_kernel: Option<LinuxKernel>,
    /// Devices.
    pub profiles: BTreeMap<ProfileId, Profile>,
    /// Time of the sources, in seconds since 1970.
    pub source_date_epoch: i64,
    /// Target.
    pub target: TargetName,
    /// Revision, for example `r33051-f5dae5ece4`.
    pub version_code: String,
    /// Version, for example `25.12.5`; `SNAPSHOT` for the development branch.
    pub version_number: String,
    /// Error of the first invalid device. Invalid devices are left out; the others are read.
    pub left_out: Option<ParseError>,
}

/// The file as it is written, with unchecked names.
#[derive(Deserialize)]
struct Written {
    arch_packages: String,
    #[serde(default)]
    default_packages: Vec<String>,
    #[serde(default)]
    linux_kernel: Option<LinuxKernel>,
    profiles: BTreeMap<String, WrittenProfile>,
    // Old files have a string.
    #[serde(default, deserialize_with = "number_or_text")]
    source_date_epoch: i64,
    target: String,
    version_code: String,
    version_number: String,
}

/// One device as it is written.
#[derive(Deserialize)]
struct WrittenProfile {
    #[serde(default)]
    device_packages: Vec<String>,
    #[serde(default)]
    supported_devices: Vec<String>,
    #[serde(default)]
    titles: Vec<Title>,
    #[serde(default)]
    images: Vec<Image>,
}

/// Kernel version and ABI, which name the feed of the kernel modules.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct LinuxKernel {
    /// Kernel version, for example `6.12.94`.
    pub version: String,
    /// Package release, for example `1`.
    pub release: String,
    /// Hash of the kernel's configuration (ABI).
    pub vermagic: String,
}

/// One device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Packages of the device in addition to the default ones, and removals of default ones.
    pub device_packages: Vec<PackageSpec>,
    /// Names that devices report as their board name; they become aliases of the profile.
    pub supported_devices: Vec<String>,
    /// Display names.
    pub titles: Vec<Title>,
    /// Image files of the device.
    pub images: Vec<Image>,
}

/// One image file.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Image {
    /// Plain file name.
    pub name: String,
    /// `sysupgrade`, `factory`, `kernel`, …
    #[serde(rename = "type")]
    pub kind: String,
    /// `squashfs`, `ext4`, …; absent for images without a root file system.
    #[serde(default)]
    pub filesystem: Option<String>,
    /// Digest of the file.
    pub sha256: Digest,
    /// Digest without the trailing signature (since 22.03).
    #[serde(default)]
    pub sha256_unsigned: Option<Digest>,
    /// Bytes (since 25.12).
    #[serde(default)]
    pub size: Option<u64>,
}

impl Profiles {
    /// Parses and checks the file. Names of files, targets and packages are safe in paths and command
    /// line arguments afterwards.
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        let file: Written = serde_json::from_slice(bytes)
            .map_err(|error| ParseError::new(WHAT, error.to_string()))?;
        file.check()
    }

    /// Whether `sysupgrade` can install an image of one of the devices. `None` if the file lists no images.
    pub fn can_sysupgrade(&self) -> Option<bool> {
        let images: Vec<_> = self.profiles.values().flat_map(|profile| &profile.images).collect();
        let can = images.iter().any(|image| image_kind::is_for_sysupgrade(&image.kind));
        (!images.is_empty()).then_some(can)
    }

    /// The devices as values of the catalog.
    pub fn catalog_profiles(&self) -> Vec<catalog::Profile> {
        self.profiles.iter().map(|(id, profile)| profile.to_catalog(id)).collect()
    }
}

impl Written {
    fn check(self) -> Result<Profiles, ParseError> {
        name("arch_packages", &self.arch_packages)?;
        require(is_revision(&self.version_code), "version_code", &self.version_code)?;
        require(is_version(&self.version_number), "version_number", &self.version_number)?;
        let target = parsed("target", &self.target)?;
        if let Some(LinuxKernel { version, release, vermagic }) = &self.linux_kernel {
            for part in [version, release, vermagic] {
                name("linux_kernel", part)?;
            }
        }
        let default_packages = packages("default_packages", &self.default_packages)?;
        count("profiles", self.profiles.len(), MAX_PROFILES)?;
        let (profiles, left_out) = devices(self.profiles)?;
        Ok(Profiles {
            arch_packages: self.arch_packages,
            default_packages,
            linux_kernel: self.linux_kernel,
            profiles,
            source_date_epoch: self.source_date_epoch,
            target,
            version_code: self.version_code,
            version_number: self.version_number,
            left_out,
        })
    }
}

type Devices = (BTreeMap<ProfileId, Profile>, Option<ParseError>);

/// The valid devices, and the error of the first invalid one. Fails when no device is left.
fn devices(written: BTreeMap<String, WrittenProfile>) -> Result<Devices, ParseError> {
    let mut valid = BTreeMap::new();
    let mut first = None;
    let mut invalid = 0_usize;
    for (id, profile) in written {
        match parsed("profile", &id).and_then(|name| Ok((name, profile.check()?))) {
            Ok((name, profile)) => {
                valid.insert(name, profile);
            }
            Err(error) => {
                invalid = invalid.saturating_add(1);
                first.get_or_insert((id, error));
            }
        }
    }
    let Some((id, error)) = first else { return Ok((valid, None)) };
    let more = invalid.saturating_sub(1);
    let more = if more > 0 { format!(", and {more} more") } else { String::new() };
    let detail = format!("profile {}: {}{more}", quoted(&id), error.detail);
    let error = ParseError::new(WHAT, detail);
    if valid.is_empty() { Err(error) } else { Ok((valid, Some(error))) }
}

impl WrittenProfile {
    fn check(self) -> Result<Profile, ParseError> {
        let device_packages = packages("device_packages", &self.device_packages)?;
        count("supported_devices", self.supported_devices.len(), MAX_ALIASES)?;
        for alias in &self.supported_devices {
            let good = !alias.is_empty() && is_shown(alias, MAX_NAME);
            require(good, "supported device", alias)?;
        }
        count("titles", self.titles.len(), MAX_TITLES)?;
        for part in self.titles.iter().flat_map(Title::parts) {
            require(is_shown(part, MAX_TEXT), "title", part)?;
        }
        count("images", self.images.len(), MAX_IMAGES)?;
        for image in &self.images {
            require(is_plain_name(&image.name, MAX_FILE_NAME), "image name", &image.name)?;
            name("image type", &image.kind)?;
            image.filesystem.as_ref().map_or(Ok(()), |text| name("filesystem", text))?;
        }
        let Self { supported_devices, titles, images, .. } = self;
        Ok(Profile { device_packages, supported_devices, titles, images })
    }
}

impl Profile {
    fn to_catalog(&self, id: &ProfileId) -> catalog::Profile {
        let mut aliases: Vec<_> =
            self.supported_devices.iter().map(|alias| alias.replace(',', "_")).collect();
        aliases.sort();
        aliases.dedup();
        aliases.retain(|alias| *id != alias.as_str());
        catalog::Profile { id: id.clone(), aliases }
    }
}

fn packages(what: &str, packages: &[String]) -> Result<Vec<PackageSpec>, ParseError> {
    count(what, packages.len(), MAX_PACKAGES)?;
    packages.iter().map(|package| parsed(what, package)).collect()
}

fn parsed<T: FromStr>(what: &str, text: &str) -> Result<T, ParseError> {
    text.parse().map_err(|_| bad(what, text))
}

fn name(what: &str, text: &str) -> Result<(), ParseError> {
    require(is_plain_name(text, MAX_NAME), what, text)
}

fn require(good: bool, what: &str, text: &str) -> Result<(), ParseError> {
    if good { Ok(()) } else { Err(bad(what, text)) }
}

fn bad(what: &str, text: &str) -> ParseError {
    ParseError::new(WHAT, format!("bad {what} {}", quoted(text)))
}

fn count(what: &str, number: usize, limit: usize) -> Result<(), ParseError> {
    if number <= limit {
        return Ok(());
    }
    Err(ParseError::new(WHAT, format!("{number} {what}, more than {limit}")))
}

fn number_or_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum NumberOrText {
        Number(i64),
        Text(String),
    }
    match NumberOrText::deserialize(deserializer)? {
        NumberOrText::Number(number) => Ok(number),
        NumberOrText::Text(text) => text.parse().map_err(serde::de::Error::custom),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn file() -> Value {
        json!({
            "arch_packages": "mips_24kc",
            "default_packages": ["base-files", "dnsmasq"],
            "linux_kernel": {"release": "1", "vermagic": "f58943ca", "version": "6.12.94"},
            "metadata_version": 1,
            "profiles": {"8dev_carambola2": {
                "device_packages": ["kmod-usb-chipidea2", "-swconfig"],
                "file_size_limits": {"image": 16_384_000},
                "image_prefix": "openwrt-25.12.5-ath79-generic-8dev_carambola2",
                "images": [{
                    "filesystem": "squashfs", "name": "openwrt-squashfs-sysupgrade.bin",
                    "sha256": "d".repeat(64), "size": 4_260_124, "type": "sysupgrade",
                }],
                "supported_devices": ["8dev,carambola2", "carambola2", "8dev_carambola2"],
                "titles": [{"model": "Carambola2", "vendor": "8devices"}],
            }},
            "source_date_epoch": 1_782_737_960,
            "target": "ath79/generic",
            "version_code": "r33051-f5dae5ece4",
            "version_number": "25.12.5",
        })
    }

    fn parse(value: &Value) -> Result<Profiles, ParseError> {
        Profiles::parse(value.to_string().as_bytes())
    }

    #[test]
    fn a_published_file_is_read() {
        let profiles = parse(&file()).unwrap();
        assert_eq!(profiles.version_code, "r33051-f5dae5ece4");
        let image = &profiles.profiles["8dev_carambola2"].images[0];
        assert_eq!((image.kind.as_str(), image.size), ("sysupgrade", Some(4_260_124)));
    }

    #[test]
    fn the_time_may_be_a_number_or_a_text() {
        let mut value = file();
        value["source_date_epoch"] = json!("1782737960");
        assert_eq!(parse(&value).unwrap(), parse(&file()).unwrap());
        value["source_date_epoch"] = json!("soon");
        assert!(parse(&value).is_err());
    }

    #[test]
    fn aliases_have_underscores_and_do_not_repeat_the_id() {
        let profiles = parse(&file()).unwrap().catalog_profiles();
        assert_eq!(profiles[0].id, "8dev_carambola2");
        assert_eq!(profiles[0].aliases, ["carambola2"]);
    }

    #[test]
    fn fields_that_older_branches_lack_are_optional() {
        let mut value = file();
        value.as_object_mut().unwrap().remove("linux_kernel");
        value.as_object_mut().unwrap().remove("default_packages");
        value["profiles"]["8dev_carambola2"] = json!({"titles": [{"title": "A box"}]});
        assert!(parse(&value).is_ok());
    }

    #[test]
    fn each_bad_field_is_named() {
        for (pointer, bad, problem) in [
            ("/target", json!("../x"), "bad target"),
            ("/version_code", json!("r1/../x"), "bad version_code"),
            ("/default_packages/0", json!("$(id)"), "bad default_packages"),
            ("/profiles/8dev_carambola2/images/0/name", json!("../x"), "bad image name"),
            ("/profiles/8dev_carambola2/images/0/sha256", json!("x"), "64 lower-case"),
            ("/profiles/8dev_carambola2/titles/0/model", json!("a\u{7}"), "bad title"),
            ("/profiles/8dev_carambola2/supported_devices/0", json!(""), "bad supported device"),
            ("/profiles/8dev_carambola2/device_packages/0", json!("a b"), "bad device_packages"),
            ("/profiles", json!({"../x": {}}), "bad profile"),
        ] {
            let mut value = file();
            *value.pointer_mut(pointer).unwrap() = bad;
            let error = parse(&value).unwrap_err();
            assert!(error.detail.contains(problem), "{pointer}: {error}");
        }
    }

    #[test]
    fn a_bad_device_is_left_out_and_the_others_are_read() {
        let mut value = file();
        for bad in ["../x", "$(id)"] {
            value["profiles"][bad] = json!({});
        }
        let profiles = parse(&value).unwrap();
        assert_eq!(profiles.profiles.keys().collect::<Vec<_>>(), ["8dev_carambola2"]);
        let said = profiles.left_out.unwrap().detail;
        assert!(said.contains("bad profile") && said.ends_with("and 1 more"), "{said}");
    }

    #[test]
    fn lists_are_bounded() {
        let mut value = file();
        value["default_packages"] = json!(vec!["a"; MAX_PACKAGES + 1]);
        assert!(parse(&value).unwrap_err().detail.contains("more than 1000"));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = Profiles::parse(&bytes);
        }

        #[test]
        fn arbitrary_texts_in_a_file_never_panic(text in ".{0,80}") {
            let mut value = file();
            value["profiles"] = json!({ text.clone(): {"supported_devices": [text]} });
            let _ = parse(&value).map(|profiles| profiles.catalog_profiles());
        }
    }
}
