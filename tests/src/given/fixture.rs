//! The miniature distribution and its download server.

use crate::{
    fixtures::{Upstream, World},
    toolchain::cache_dir,
};

/// A generation of ImageBuilders and their packages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Generation {
    /// opkg, to 24.10.
    Opkg,
    /// apk, from 25.12.
    Apk,
}

/// The fixture of a generation, generated when missing, and a download server of its own for it, whose
/// faults the test may set.
pub fn fixture(generation: Generation) -> (World, Upstream) {
    let world = match generation {
        Generation::Opkg => World::ensure(&cache_dir()),
        Generation::Apk => World::ensure_apk(&cache_dir()),
    };
    let world = world.expect("the fixture");
    let upstream = Upstream::start(&world).expect("the fixture's download server");
    (world, upstream)
}
