//! The package changes and package edits of the ready-made Distribution of OpenWrt.

use std::collections::BTreeSet;

use asu_core::{
    names::PackageSpec,
    package_changes::apply_changes,
    package_edits::{Edited, PackageEdit, apply_edits},
    request::Request,
};
use asu_crds::{DistributionSpec, examples};
use asu_tests::root;
use serde_json::Value;

fn openwrt() -> DistributionSpec {
    let path = root().join("charts/asu-distributions/values.yaml");
    let values: Value = serde_yaml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    serde_json::from_value(values["distributions"]["openwrt"]["spec"].clone()).unwrap()
}

fn request((version, target, profile): (&str, &str, &str), packages: &str) -> Request {
    let packages: Vec<PackageSpec> =
        packages.split_whitespace().map(|name| name.parse().unwrap()).collect();
    Request {
        version: version.into(),
        target: target.parse().unwrap(),
        profile: profile.parse().unwrap(),
        packages,
        ..examples::request().to_request().unwrap()
    }
}

/// Packages of a request, and those after changes and edits as of a revision of its branch.
fn edited(spec: &DistributionSpec, device: (&str, &str, &str), packages: &str) -> String {
    let version = device.0;
    // The chart has no branch 23.05, for which the public server has this number.
    let off = spec.branch_of(version).map_or(Some(23_069), |branch| branch.branch_off_rev);
    let off = if version == "SNAPSHOT" { None } else { off };
    let renames = spec.changes().unwrap();
    let changed = apply_changes(request(device, packages), &renames, "r99999-0123456789", off);
    let edited = apply_edits(changed, &spec.edits().unwrap()).request;
    edited.packages.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

const FILOGIC: (&str, &str, &str) = ("24.10.8", "mediatek/filogic", "glinet_gl-mt6000");
const PHY11G: &str = "xrx200-rev1.1-phy11g-firmware xrx200-rev1.2-phy11g-firmware";
const PHY22F: &str = "xrx200-rev1.1-phy22f-firmware xrx200-rev1.2-phy22f-firmware";

/// Version, target, profile, and the packages that a build of a request for `vim` gets in addition.
fn additions() -> Vec<(&'static str, &'static str, &'static str, String)> {
    let gswip = |firmware: &str| format!("kmod-dsa-gswip {firmware}");
    let switch = "kmod-dsa-mv88e6xxx";
    let rows = [
        ("23.05.5", "mediatek/mt7622", "linksys_e8450", "kmod-mt7622-firmware"),
        ("23.05.5", "ath79/generic", "netgear_wndr3800", "kmod-switch-rtl8366s"),
        ("23.05.5", "ath79/generic", "buffalo_wzr-hp-g300nh-s", "kmod-switch-rtl8366s"),
        ("23.05.5", "ath79/generic", "buffalo_wzr-hp-g300nh-rb", "kmod-switch-rtl8366rb"),
        ("24.10.8", "ath79/generic", "tplink_archer-c6-v2", "ipq-wifi-tplink_archer-c6-v2"),
        ("24.10.8", "mediatek/filogic", "glinet_gl-mt6000", "fitblk"),
        ("24.10.0-rc6", "mediatek/mt7622", "linksys_e8450", "fitblk"),
        ("24.10-SNAPSHOT", "mediatek/mt7623", "bananapi_bpi-r2", "fitblk"),
        ("25.12.5", "kirkwood/generic", "linksys_ea4500", switch),
        ("25.12.5", "mvebu/cortexa9", "linksys_wrt3200acm", switch),
        ("25.12.5", "mvebu/cortexa9", "cznic_turris-omnia", switch),
        ("25.12.5", "mvebu/cortexa53", "globalscale_espressobin-v7-emmc", switch),
        ("25.12.5", "mvebu/cortexa72", "mikrotik_rb5009", switch),
        ("25.12.5", "lantiq/xrx200", "unknown_device", "kmod-dsa-gswip"),
        ("25.12.5", "lantiq/xrx200_legacy", "unknown_device", "kmod-dsa-gswip"),
        ("25.12.5", "bcm53xx/generic", "meraki_mr32", "kmod-hci-uart"),
        ("25.12.5", "ipq40xx/generic", "linksys_whw03v2", "kmod-hci-uart"),
        ("25.12.5", "qualcommax/ipq807x", "linksys_mx8500", "kmod-hci-uart"),
        ("25.12.5", "ath79/mikrotik", "mikrotik_routerboard-911-lite", "kmod-ag71xx-legacy"),
    ];
    let rows = rows.map(|(version, target, profile, add)| (version, target, profile, add.into()));
    let firmware = [
        ("25.12.5", "lantiq/xrx200", "avm_fritz7430", gswip(PHY22F)),
        ("25.12.5", "lantiq/xrx200", "avm_fritz7490", gswip(PHY11G)),
        ("25.12.5", "lantiq/xrx200", "zyxel_p-2812hnu-f3", gswip(PHY11G)),
        ("25.12.5", "lantiq/xrx200_legacy", "netgear_dm200", gswip(PHY22F)),
        ("25.12.5", "lantiq/xrx200_legacy", "tplink_tdw8980", gswip(PHY11G)),
    ];
    rows.into_iter().chain(firmware).collect()
}

#[test]
fn packages_that_a_device_needs_are_added_for_its_version_target_and_profile_only() {
    let spec = openwrt();
    for (version, target, profile, add) in additions() {
        let device = (version, target, profile);
        assert_eq!(edited(&spec, device, "vim"), format!("vim {add}"), "{device:?}");
        let other = if version == "25.12.5" { "24.10.8" } else { "25.12.5" };
        for other in
            [(other, target, profile), ("22.03.7", target, profile), (version, "x86/64", "generic")]
        {
            assert_eq!(edited(&spec, other, "vim"), "vim", "{other:?}");
        }
    }
    assert_eq!(edited(&spec, ("23.05.5", "ath79/generic", "netgear_wndr4300"), "vim"), "vim");
    assert_eq!(edited(&spec, ("25.12.5", "mvebu/cortexa9", "unknown_device"), "vim"), "vim");
}

#[test]
fn packages_that_a_version_does_not_have_are_removed_or_renamed() {
    let spec = openwrt();
    let at = |version| {
        move |packages: &str| edited(&openwrt(), (version, "x86/64", "generic"), packages)
    };
    let gone = "kmod-nf-conntrack6 kmod-lib-crc32c vim";
    assert_eq!(at("SNAPSHOT")(gone), "vim");
    assert_eq!(at("25.12.5")(gone), gone);
    assert_eq!(at("25.12-SNAPSHOT")(gone), gone);
    let packs = "luci-i18n-opkg-de luci-i18n-base-en luci-i18n-base-de -luci-i18n-opkg-fr";
    let renamed = "luci-i18n-package-manager-de luci-i18n-base-de -luci-i18n-package-manager-fr";
    for version in ["24.10.8", "24.10-SNAPSHOT", "25.12.5", "SNAPSHOT"] {
        assert_eq!(at(version)(packs), renamed, "{version}");
    }
    assert_eq!(at("23.05.5")(packs), "luci-i18n-opkg-de luci-i18n-base-de -luci-i18n-opkg-fr");
    // The English pack of a renamed package has its new name when it is removed.
    assert_eq!(at("25.12.5")("luci-i18n-opkg-en vim"), "vim");
    assert!(spec.package_edits.last().unwrap().versions.is_empty());
}

#[test]
fn packages_that_were_renamed_or_dropped_follow_the_changes_of_their_branch() {
    let spec = openwrt();
    let at = |version, packages| edited(&spec, (version, "x86/64", "generic"), packages);
    let all = "firewall kmod-nft-nat6 libustream-wolfssl px5g-wolfssl wpad-basic-wolfssl \
               luci-app-diag-core auc luci-app-opkg opkg";
    let early = "firewall4 libustream-mbedtls px5g-mbedtls wpad-basic-mbedtls";
    assert_eq!(at("23.05.5", all), format!("{early} luci-app-diag-core auc luci-app-opkg opkg"));
    assert_eq!(at("24.10.8", all), format!("{early} owut luci-app-package-manager opkg"));
    for version in ["25.12.5", "SNAPSHOT"] {
        assert_eq!(at(version, all), format!("{early} owut luci-app-package-manager apk-mbedtls"));
    }
    let mandatory: BTreeSet<_> = spec
        .package_changes
        .iter()
        .filter(|change| change.mandatory)
        .map(|change| change.source.as_str())
        .collect();
    assert_eq!(mandatory, ["kmod-nft-nat6", "luci-app-diag-core"].into());
}

#[test]
fn what_the_user_removes_is_not_added_to_a_device_that_needs_it() {
    assert_eq!(edited(&openwrt(), FILOGIC, "vim -fitblk"), "vim -fitblk");
    assert_eq!(edited(&openwrt(), FILOGIC, "fitblk vim"), "fitblk vim");
}

#[test]
fn every_rule_has_an_effect_on_some_request_of_these_tests_and_none_on_its_result() {
    let edits = openwrt().edits().unwrap();
    let removed = "kmod-nf-conntrack6 luci-i18n-opkg-de luci-i18n-base-en";
    let mut requests: Vec<Request> = additions()
        .iter()
        .map(|(version, target, profile, _)| request((version, target, profile), removed))
        .collect();
    requests.push(request(("SNAPSHOT", "x86/64", "generic"), removed));
    let bites = |edit: &PackageEdit, request: &Request| {
        !apply_edits(request.clone(), std::slice::from_ref(edit)).notes().is_empty()
    };
    for (number, edit) in edits.iter().enumerate() {
        assert!(requests.iter().any(|request| bites(edit, request)), "rule {number}: {edit:?}");
    }
    for request in requests {
        let Edited { request, .. } = apply_edits(request, &edits);
        let again = apply_edits(request.clone(), &edits);
        assert_eq!(again.request, request);
        assert!(again.notes().is_empty(), "{:?}", again.notes());
    }
}
