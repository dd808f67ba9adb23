//! What tests begin with. One vocabulary for all suites, so that a test says only what is special about
//! it. Used by the tests in `tests/tests/` and in `builder/tests/`; never by the product or by `cargo
//! xtask`, because everything here panics where a test would fail.
//!
//! | word | what it gives |
//! | --- | --- |
//! | [`fixture`] | the miniature distribution on disk and its download server |
//! | [`plane`], [`own_plane`] | a control plane with the definitions: shared, or one that a test may freeze |
//! | [`namespace`] | a new namespace |
//! | [`database`] | a migrated database of its own on the shared server, with its store |
//! | [`World`] | all that one installation needs: namespace, database, artifact store |
//! | [`World::with_operator`] | the same, with an operator that works in it |
//! | [`World::with_ready_cache`] | the same, with the cache of all builds filled: builds can start |
//! | [`World::operator`], [`Operator`] | an operator of a name, which can be ended or killed |
//! | [`World::admitted`] | a build that has its Job |
//! | `World::pod`, `World::complete`, `World::fail`, … | what kubelet and Job controller do, as none runs |
//! | `World::commit`, `World::succeed`, … | what `publish` leaves in the artifact store |
//! | [`build`], [`cache`], [`claim`], [`distribution`] | objects as their makers make them |
//! | [`reason`], [`admission`] | what a status says |
//! | [`request`], [`built`], [`record`] | a request, what a success made, the record of a build |
//! | [`until`], [`World::until`], [`World::status`] | waits, and fails saying what was missing |
#![expect(clippy::expect_used, clippy::panic, reason = "a test whose beginning fails has failed")]

mod fixture;
mod kubelet;
mod objects;
mod operator;
mod plane;
mod records;
mod results;
mod wait;
mod world;

pub use fixture::{Generation, fixture};
pub use objects::{
    TARGET, admission, build, build_of, cache, cache_of, claim, distribution, distribution_of,
    populates, reason, request, selector_of,
};
pub use operator::{Fill, Operator};
pub use plane::{namespace, own_plane, plane};
pub use records::{built, database, file, record};
pub use wait::{PATIENCE, until};
pub use world::{Object, SHARED_CLAIM, World};
