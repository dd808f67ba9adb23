//! The program inside build pods: `populate` makes a verified, warmed-up ImageBuilder tree, `build`
//! runs it for one request without trusting what runs in it, and `publish` takes over what `build`
//! left behind and commits it to the artifact store.
//!
//! It uses neither Kubernetes nor the database: the plan is a file, and the result is an object of
//! the artifact store or a termination message.

pub mod build;
pub mod confine;
pub mod effective;
pub mod files;
pub mod handover;
pub mod memory;
pub mod paths;
pub mod populate;
pub mod profiles;
pub mod publish;
pub mod run;
pub mod tree;
pub mod workspace;
