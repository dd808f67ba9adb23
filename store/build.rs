//! Tells cargo to rebuild when a migration changes: cargo does not track files that the macro
//! `sqlx::migrate!` embeds.

fn main() {
    println!("cargo::rerun-if-changed=migrations");
}
