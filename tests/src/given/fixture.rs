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
    /// As 23.05: opkg, a tarball of xz, and kernel modules among the packages of the target.
    Opkg2305,
    /// The development version, with apk.
    Snapshot,
    /// The head of the branch 24.10, with opkg.
    BranchSnapshot,
}

/// The fixture of a generation, which is generated if it is missing, and its own download server, whose
/// faults the test can set.
pub fn fixture(generation: Generation) -> (World, Upstream) {
    let world = match generation {
        Generation::Opkg => World::ensure(&cache_dir()).expect("the fixture"),
        Generation::Apk => World::ensure_apk(&cache_dir()).expect("the fixture"),
        Generation::Opkg2305 => all_at("23.05.5"),
        Generation::Snapshot => all_at("SNAPSHOT"),
        Generation::BranchSnapshot => all_at("24.10-SNAPSHOT"),
    };
    let upstream = Upstream::start(&world).expect("the fixture's download server");
    (world, upstream)
}

/// The world of all generations, at this version.
fn all_at(version: &str) -> World {
    let all = World::ensure_all(&cache_dir()).expect("the fixture");
    all.at(version).expect("a version of the fixture")
}
