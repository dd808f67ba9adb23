//! The operator on a real etcd and API server, with a real Postgres and a folder as store. Jobs and
//! pods are moved by the tests: no kubelet runs.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail as tests do"
)]

mod blame;
mod bounds;
mod builds;
mod by_hand;
mod caches;
mod catalogs;
mod claims;
mod discovery;
mod documents;
mod gitops;
mod health;
mod leaders;
mod moving;
mod parents;
mod populate_faults;
mod private;
mod queue;
mod retention;
mod revisions;
mod stops;
mod trouble;
