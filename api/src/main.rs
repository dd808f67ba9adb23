//! The HTTP API: build requests, stored images, catalog.

fn main() {}
