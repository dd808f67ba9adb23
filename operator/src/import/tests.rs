use std::{fs, os::unix::fs::symlink, path::Path};

use asu_crds::{Distribution, DistributionSpec, Parent};
use serde::Deserialize as _;
use tempfile::TempDir;

use super::{Imported, import};

fn folder(files: &[(&str, &str)]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    dir
}

fn imported(files: &[(&str, &str)]) -> Imported {
    import(folder(files).path()).unwrap()
}

fn refused(files: &[(&str, &str)]) -> String {
    import(folder(files).path()).unwrap_err().to_string()
}

fn spec(imported: &Imported, name: &str) -> DistributionSpec {
    let objects = serde_yaml::Deserializer::from_str(&imported.yaml);
    let mut objects = objects.map(|object| Distribution::deserialize(object).unwrap());
    objects.find(|object| object.metadata.name.as_deref() == Some(name)).unwrap().spec
}

const OPENWRT: (&str, &str) = (
    "openwrt/distro_config.yml",
    "distro_alias: OpenWrt
distro_description: The base
latest: '18.06.2'
versions: ['18.06.2', '18.06.1', snapshots]
targets_url: https://downloads.openwrt.org/releases
active_targets: [ar71xx/generic, x86/64]
board_rename: {tl-wdr4300: tl-wdr4300-v1}
",
);
const SNAPSHOTS: (&str, &str) =
    ("openwrt/snapshots.yml", "snapshots: true\ntargets_url: https://downloads.openwrt.org\n");
const MESH: (&str, &str) = (
    "Mesh/distro_config.yml",
    "distro_alias: Mesh OS
parent_distro: openwrt
parent_version: '18.06.2'
latest: '2019.1'
versions: ['2019.1', nightly]
vanilla: [luci]
",
);
const MESH_RELEASE: (&str, &str) = (
    "Mesh/2019.1.yml",
    "repos: |
  ## Feeds
  src/gz base https://downloads.openwrt.org/releases/{{ ib_version }}/packages/{{ pkg_arch }}/base
  src/gz mesh http://feed.example/{{ version }}/{{ target }}/{{ pkg_arch }}
  src imagebuilder file:packages
  option check_signature
  dest root /
",
);
const NIGHTLY: (&str, &str) = (
    "Mesh/nightly.yml",
    "parent_version: snapshots\nsnapshots: true\nversion_alias: daily\nversion_description: Not tested\n",
);

#[test]
fn versions_of_a_distribution_get_branches_by_their_first_two_numbers_and_their_folder() {
    let imported = imported(&[OPENWRT, SNAPSHOTS]);
    let spec = spec(&imported, "openwrt");
    assert_eq!(spec.title, "OpenWrt");
    assert_eq!(spec.description.as_deref(), Some("The base"));
    assert_eq!(spec.upstream.unwrap().fetch_urls, ["https://downloads.openwrt.org"]);
    let branches: Vec<_> = spec
        .branches
        .iter()
        .map(|branch| (branch.name.as_str(), branch.path.as_str(), branch.versions.join(" ")))
        .collect();
    assert_eq!(
        branches,
        [
            ("18.06", "releases/{version}", "18.06.2 18.06.1".to_owned()),
            ("SNAPSHOT", "snapshots", "SNAPSHOT".to_owned()),
        ]
    );
    assert_eq!(spec.branches[0].latest.as_deref(), Some("18.06.2"));
    assert!(spec.branches[1].snapshot);
    assert_eq!(spec.targets, ["ar71xx/generic", "x86/64"]);
    assert_eq!(spec.board_renames[0].profile, "tl-wdr4300-v1");
    assert_eq!(spec.limits.max_defaults_length, 10_240);
    assert_eq!(imported.warnings.len(), 1, "{:?}", imported.warnings);
    assert!(imported.warnings[0].contains("usign keys"));
}

#[test]
fn a_child_keeps_its_names_of_versions_and_its_own_feeds_only() {
    let imported = imported(&[OPENWRT, SNAPSHOTS, MESH, MESH_RELEASE, NIGHTLY]);
    let spec = spec(&imported, "mesh");
    assert_eq!(spec.parent, Some(Parent { distribution: "openwrt".into() }));
    assert!(spec.upstream.is_none());
    let parents: Vec<_> = spec
        .branches
        .iter()
        .flat_map(|branch| &branch.parent_versions)
        .map(|named| (named.version.as_str(), named.parent.as_str()))
        .collect();
    assert_eq!(parents, [("2019.1", "18.06.2"), ("nightly", "SNAPSHOT")]);
    let [feed] = spec.feeds.as_slice() else { panic!("{:?}", spec.feeds) };
    assert_eq!(feed.url, "http://feed.example/{version}/{target}/{arch}");
    assert_eq!(feed.branches, ["2019.1"]);
    let nightly = spec.branches.iter().find(|branch| branch.name == "nightly").unwrap();
    assert_eq!(nightly.version_titles[0].title.as_deref(), Some("daily"));
    assert!(nightly.snapshot);
    // A distribution without renames of its own has those of its parent.
    assert_eq!(spec.board_renames[0].board, "tl-wdr4300");
    let said = imported.warnings.join("\n");
    for part in ["vanilla has no place", "\"dest root /\"", "key of the feed mesh"] {
        assert!(said.contains(part), "{part} is missing in {said}");
    }
}

#[test]
fn transformations_become_package_changes_of_their_version() {
    let text = "versions: ['17.01.0']\ntargets_url: http://downloads.example/releases\n";
    let rules = "transformations:
  libmicrohttpd: libmicrohttpd-no-ssl
  kmod-ipv6:
  openvpn: {openvpn-openssl: true, openvpn-mbedtls: [polarssl, mbedtls], openvpn-nossl: false}
";
    let imported = imported(&[("lede/distro_config.yml", text), ("lede/17.01.0.yml", rules)]);
    let changes = spec(&imported, "lede").package_changes;
    assert!(changes.iter().all(|change| change.version.as_deref() == Some("17.01.0")));
    let targets: Vec<_> = changes.iter().map(|change| change.target.as_deref()).collect();
    assert_eq!(targets, [Some("libmicrohttpd-no-ssl"), None, Some("openvpn-openssl")]);
    assert_eq!(changes[2].choices[0].with, ["polarssl", "mbedtls"]);
    assert_eq!(changes[2].choices.len(), 1);
}

#[test]
fn the_output_can_be_applied_as_it_is() {
    let imported = imported(&[OPENWRT, SNAPSHOTS, MESH, MESH_RELEASE, NIGHTLY]);
    assert!(!imported.yaml.contains("null"), "{}", imported.yaml);
    assert!(imported.yaml.starts_with("---\napiVersion: asu.dev/v1alpha1\n"), "{}", imported.yaml);
    assert_eq!(imported.yaml.matches("kind: Distribution").count(), 2);
    assert!(!imported.warnings.iter().any(|warning| warning.contains("would")));
}

#[test]
fn unknown_keys_and_files_are_reported_with_their_place() {
    let extra = ("openwrt/17.01.yml", "snapshots: false\n");
    let odd = ("openwrt/18.06.1.yml", "active_targets: [x86/64]\nsurprise: 1\n");
    let said = imported(&[OPENWRT, SNAPSHOTS, extra, odd]).warnings.join("\n");
    for part in [
        "openwrt/17.01.yml: versions does not list 17.01",
        "openwrt/18.06.1.yml: active_targets has no place",
        "openwrt/18.06.1.yml: surprise has no place",
    ] {
        assert!(said.contains(part), "{part} is missing in {said}");
    }
}

#[test]
fn a_version_from_another_source_is_left_out_with_a_warning() {
    let other = ("openwrt/18.06.1.yml", "targets_url: https://elsewhere.example/releases\n");
    let imported = imported(&[OPENWRT, SNAPSHOTS, other]);
    assert_eq!(spec(&imported, "openwrt").branches[0].versions, ["18.06.2"]);
    assert!(imported.warnings.iter().any(|text| text.contains("version 18.06.1 does not use")));
}

#[test]
fn broken_files_are_refused_with_their_name() {
    let file = "openwrt/distro_config.yml";
    for (text, expected) in [
        ("versions: [", file),
        ("- a list", "keys with values"),
        ("versions: [18.10]\ntargets_url: http://a.example\n", "versions[0] is the number 18.1"),
        ("versions: ['18.06']\n", "targets_url is missing"),
        ("versions: []\n", "versions is missing"),
        ("versions: one\n", "versions must be a list"),
        ("versions: ['1']\ntargets_url: 'ftp://a.example'\n", "must begin with https://"),
        ("versions: ['1']\ntargets_url: 'http://u:p@a.example'\n", "user or password"),
        ("versions: ['1']\nparent_version: '1'\n", "belong together"),
        ("versions: ['1']\ntargets_url: http://a.example\nboard_rename: [a]\n", "board_rename"),
    ] {
        let message = refused(&[(file, text)]);
        assert!(message.contains(expected), "{text:?}: {message}");
    }
    let big = format!("versions: ['{}']\n", "1".repeat(1 << 20));
    assert!(refused(&[(file, &big)]).contains("more than 1048576 bytes"));
    assert!(refused(&[("readme.txt", "")]).contains("no folder in it has a distro_config.yml"));
    assert!(import(Path::new("/nonexistent")).is_err());
}

#[test]
fn links_are_not_followed() {
    let dir = folder(&[OPENWRT, SNAPSHOTS, ("secret.yml", "version_alias: secret\n")]);
    symlink(dir.path().join("secret.yml"), dir.path().join("openwrt/18.06.1.yml")).unwrap();
    let imported = import(dir.path()).unwrap();
    assert!(!imported.yaml.contains("secret"), "{}", imported.yaml);
}
