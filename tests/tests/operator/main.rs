//! The operator on a real etcd and API server, with a real Postgres and a folder as store. Jobs and
//! pods are moved by the tests: no kubelet runs.

mod builds;
mod caches;
mod catalogs;
mod leaders;
mod world;
