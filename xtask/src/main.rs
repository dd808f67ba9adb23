//! Project commands: demo, test, cluster, generated files, benchmarks.

fn main() {}
