//! What tests begin with: servers, objects and records, under the same names in all suites, so that a
//! test contains only what is special about it. Used by `tests/tests/` and `builder/tests/`. Not for
//! the product or `cargo xtask`: functions panic when they fail, so that their test fails.
//!
//! | word | what it gives |
//! | --- | --- |
//! | [`fixture()`] | the miniature distribution on disk and its download server |
//! | [`DownloadServer`] | a small download server whose revision can change |
//! | [`plane()`], [`own_plane`] | a control plane with the CustomResourceDefinitions: shared, or one that the test may freeze |
//! | [`namespace`] | a new namespace |
//! | [`database`] | a migrated database of its own on the shared server, with its store |
//! | [`World`] | what one installation needs: namespace, database, artifact store |
//! | [`World::with_operator`] | the same, with a running operator |
//! | [`World::with_ready_cache`] | the same, and the cache of all builds is ready, so that builds can start |
//! | [`World::operator`], [`Operator`] | an operator with a name, which the test can end or kill |
//! | [`World::operator_until`], [`StopPoint`] | an operator that stops after a number of writes |
//! | [`World::admitted`] | a build that has its Job |
//! | `World::pod`, `World::complete`, `World::fail`, … | what kubelet and Job controller would do |
//! | `World::commit`, `World::succeed`, … | what `publish` leaves in the artifact store |
//! | [`build`], [`cache`], [`claim`], [`distribution`] | objects as the API, the operator and people create them |
//! | [`reason`], [`admission`] | what a status says |
//! | [`request`], [`built`], [`record`] | a request, the files of a success, the record of a build |
//! | [`until`], [`World::until`], [`World::status`] | wait with a time limit, and fail with what is missing |
#![expect(clippy::expect_used, clippy::panic, reason = "helpers of tests fail as tests do")]

mod download_server;
mod fixture;
mod kubelet;
mod objects;
mod operator;
mod plane;
mod records;
mod results;
mod stopping;
mod wait;
mod world;

pub use download_server::DownloadServer;
pub use fixture::{Generation, fixture};
pub use objects::{
    TARGET, admission, build, build_in, build_of, cache, cache_of, claim, distribution,
    distribution_of, populates, reason, request, selector_of,
};
pub use operator::{Fill, Operator};
pub use plane::{namespace, own_plane, plane};
pub use records::{built, database, file, record};
pub use stopping::StopPoint;
pub use wait::{PATIENCE, until};
pub use world::{Object, SHARED_CLAIM, World};
