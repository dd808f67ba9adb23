//! The test bench: folders that stand for the roots of pods, and the program that runs in them.

mod cache;
mod container;
mod pod;
mod server;
mod stored;

pub(crate) use cache::{Cache, populate_plan};
pub(crate) use container::{folder, program};
pub(crate) use pod::Pod;
pub(crate) use server::{fail, requests};

/// The image that the pods run, as plans name it.
pub(crate) const IMAGE: &str = "builder@sha256:1";
