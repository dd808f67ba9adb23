//! Controllers that turn custom resources into firmware images.

fn main() {}
