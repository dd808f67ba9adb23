//! The miniature distribution and its download server.

use crate::{
    fixtures::{Upstream, World},
    toolchain::cache_dir,
};

/// Package generation of the fixture's ImageBuilders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Generation {
    /// opkg, to 24.10.
    Opkg,
    /// apk, from 25.12.
    Apk,
}

/// The fixture of a generation, which is generated if it is missing, and its own download server, whose
/// faults the test can set.
pub fn fixture(generation: Generation) -> (World, Upstream) {
    let world = match generation {
        Generation::Opkg => World::ensure(&cache_dir()),
        Generation::Apk => World::ensure_apk(&cache_dir()),
    };
    let world = world.expect("the fixture");
    let upstream = Upstream::start(&world).expect("the fixture's download server");
    (world, upstream)
}
