//! Shows that an image contains a package of the distribution's own feed.

use asu_tests::{fixtures::child, image::Rootfs, progress::Progress, router::Image};

use super::Error;

/// Unpacks the images with unsquashfs and prints the file of the package.
///
/// # Errors
/// When no image contains it.
pub(super) async fn show(images: &[Image], progress: &Progress) -> Result<(), Error> {
    for image in images {
        let root = match Rootfs::of(&image.bytes).await {
            Ok(root) => root,
            // A factory image may have another file system.
            Err(asu_tests::image::Error::NoSquashfs) => continue,
            Err(error) => return Err(error.into()),
        };
        if root.path(child::FILE).is_file() {
            let (name, file, package) = (&image.name, child::FILE, child::PACKAGE);
            progress.say(&format!("unsquashfs {name}: /{file}, of the package {package}"));
            return Ok(());
        }
    }
    Err(Error::NoOwnPackage(child::FILE))
}
