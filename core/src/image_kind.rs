//! Kinds of image files, as `profiles.json` calls them (`type`).

/// Kinds that `sysupgrade` can install on a running device. x86 and boards that start from a card have no file
/// of the kind `sysupgrade` and install the image of the whole disk.
const FOR_SYSUPGRADE: [&str; 5] = ["sysupgrade", "combined", "combined-efi", "sdcard", "trx"];

/// Whether a running device can be upgraded with an image of this kind.
pub fn is_for_sysupgrade(kind: &str) -> bool {
    FOR_SYSUPGRADE.contains(&kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_for_a_first_installation_and_parts_of_images_are_not_for_sysupgrade() {
        for kind in ["sysupgrade", "combined", "combined-efi", "sdcard", "trx"] {
            assert!(is_for_sysupgrade(kind), "{kind}");
        }
        for kind in ["factory", "kernel", "rootfs", "initramfs-kernel", "", "Sysupgrade"] {
            assert!(!is_for_sysupgrade(kind), "{kind}");
        }
    }
}
