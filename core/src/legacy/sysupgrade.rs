//! Picks the file that a device installs among the files of a build.

use crate::pattern::Pattern;

/// Patterns of file names, from the most to the least wanted: those of `asu` 0.2.0, and later names in
/// their places.
const PATTERNS: [&str; 14] = [
    "*-squashfs-sysupgrade.bin",
    "*-squashfs-sysupgrade.itb",
    "*-squashfs-sysupgrade.tar",
    "*-squashfs-nand-sysupgrade.bin",
    "*-sysupgrade.itb",
    "*-squashfs.trx",
    "*-squashfs.chk",
    "*-squashfs.bin",
    "*-squashfs-sdcard.img.gz",
    "*-squashfs-combined.img.gz",
    "*-combined-squashfs*",
    "*-squashfs-combined*.img.gz",
    "*-squashfs-sysupgrade.img.gz",
    "*.img.gz",
];

/// Endings of files that are only for the installation by other means.
const NEVER: [&str; 2] = ["-rootfs.img.gz", "-kernel.img.gz"];

/// The file for `sysupgrade`: the first pattern with a hit decides, and of several hits the first by name.
/// If the build made files for several devices, only those whose names contain the profile count.
pub fn pick<'a>(files: impl IntoIterator<Item = &'a str>, profile: &str) -> Option<&'a str> {
    let mut files: Vec<&str> = files.into_iter().collect();
    files.sort_unstable();
    let of_profile = |name: &&str| contains_word(name, profile);
    if files.iter().any(of_profile) {
        files.retain(|name| of_profile(name));
    }
    files.retain(|name| !NEVER.iter().any(|ending| name.ends_with(ending)));
    PATTERNS.iter().find_map(|pattern| {
        let pattern = Pattern::new(pattern);
        files.iter().copied().find(|name| pattern.fits(name))
    })
}

/// Whether a file name contains the profile between separators, so that `tl-wr841-v1` is not found in
/// `tl-wr841-v11`.
fn contains_word(name: &str, profile: &str) -> bool {
    let separator = |b: Option<&u8>| b.is_none_or(|b| b"-.".contains(b));
    name.match_indices(profile).any(|(start, found)| {
        let bytes = name.as_bytes();
        let end = start.saturating_add(found.len());
        let before = start.checked_sub(1).and_then(|place| bytes.get(place));
        separator(before) && separator(bytes.get(end))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const A: &str = "openwrt-18.06.2-0a-ar71xx-generic-tl-wr841-v1";

    #[test]
    fn the_first_pattern_with_a_hit_decides() {
        let of = |endings: &[&str]| {
            let names: Vec<String> = endings.iter().map(|ending| format!("{A}{ending}")).collect();
            pick(names.iter().map(String::as_str), "tl-wr841-v1")
                .map(|name| name.strip_prefix(A).unwrap().to_owned())
        };
        for (files, expected) in [
            (
                &["-squashfs-factory.bin", "-squashfs-sysupgrade.bin"][..],
                "-squashfs-sysupgrade.bin",
            ),
            (&["-squashfs-sysupgrade.tar", "-squashfs.trx"], "-squashfs-sysupgrade.tar"),
            (&["-squashfs-nand-sysupgrade.bin"], "-squashfs-nand-sysupgrade.bin"),
            (&["-squashfs.chk", "-squashfs.trx"], "-squashfs.trx"),
            (&["-squashfs-sdcard.img.gz", "-ext4-sdcard.img.gz"], "-squashfs-sdcard.img.gz"),
            (&["-combined-squashfs.img.gz", "-combined-ext4.img.gz"], "-combined-squashfs.img.gz"),
            (
                &["-squashfs-combined-efi.img.gz", "-squashfs-combined.img.gz"],
                "-squashfs-combined.img.gz",
            ),
            (
                &["-squashfs-rootfs.img.gz", "-squashfs-combined-efi.img.gz"],
                "-squashfs-combined-efi.img.gz",
            ),
            (&["-squashfs-sysupgrade.itb", "-initramfs.itb"], "-squashfs-sysupgrade.itb"),
        ] {
            assert_eq!(of(files).as_deref(), Some(expected), "{files:?}");
        }
        for none in
            [&["-squashfs-factory.img"][..], &["-squashfs-rootfs.img.gz"], &[".manifest"], &[]]
        {
            assert_eq!(of(none), None, "{none:?}");
        }
    }

    #[test]
    fn the_files_of_another_device_are_never_picked_if_the_device_has_files() {
        let files =
            ["o-a-tl-wr841-v11-squashfs-sysupgrade.bin", "o-a-tl-wr841-v1-squashfs-factory.bin"];
        assert_eq!(pick(files, "tl-wr841-v1"), None);
        assert_eq!(pick(files, "tl-wr841-v11"), Some(files[0]));
        assert_eq!(pick(files, "Generic"), Some(files[0]), "names of x86 contain no profile");
    }

    proptest! {
        #[test]
        fn the_order_of_the_files_does_not_matter(
            mut files in proptest::collection::vec("[ab]-(squashfs|ext4)-(sysupgrade.bin|sysupgrade.tar|combined.img.gz|x)", 0..8)
        ) {
            let first = pick(files.iter().map(String::as_str), "a").map(str::to_owned);
            files.reverse();
            prop_assert_eq!(first.as_deref(), pick(files.iter().map(String::as_str), "a"));
        }
    }
}
