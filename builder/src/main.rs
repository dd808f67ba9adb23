//! The program inside build pods: populate, build, publish.

fn main() {}
