//! Migrations are embedded by a macro that cargo does not know to follow.

fn main() {
    println!("cargo::rerun-if-changed=migrations");
}
