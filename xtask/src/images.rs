//! `cargo xtask images`: builds the system's images and pushes them where a cluster can pull them.

use asu_tests::{deploy, progress::Progress};

/// Arguments of `cargo xtask images`.
#[derive(Debug, clap::Args)]
pub struct ImagesArgs {
    /// Registry with an optional path, for example registry.example.org/asu. The credentials of
    /// `buildah login` are used.
    #[arg(long, value_name = "REF")]
    registry: String,
    /// Tag of the images. Without this option, it is a hash of their content.
    #[arg(long)]
    tag: Option<String>,
}

/// Builds and pushes.
///
/// # Errors
/// The step that failed.
pub async fn run(args: ImagesArgs) -> Result<(), deploy::Error> {
    let progress = Progress::new();
    let images = deploy::publish_images(&args.registry, args.tag.as_deref(), &progress).await?;
    println!("--set images.registry={} --set images.tag={}", images.registry, images.tag);
    Ok(())
}
