//! Controllers that turn custom resources into firmware images.
//!
//! Each controller is a folder with the same stages: dereference (reads what an object refers to),
//! validate (parses it), decide (pure: what to do), apply (writes), status (pure: what to say).

pub mod build;
pub mod cache;
pub mod context;
pub mod distribution;
pub mod import;
pub mod leader;
pub mod pods;
pub mod queue;
pub mod render;
pub mod retention;
pub mod run;
pub mod runtime;
pub mod settings;
pub mod stages;
pub mod watches;
