//! The cache folder of built programs, and its keys.

use asu_core::digest::Digest;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::{Error, Family};

/// The project's cache: `$ASU_CACHE_DIR`, else `$XDG_CACHE_HOME/asu`, else `~/.cache/asu`. It is outside the checkout
/// and `target/`, so that a new clone or `cargo clean` does not require another build of half an hour.
pub fn cache_dir() -> PathBuf {
    let set =
        |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("ASU_CACHE_DIR").unwrap_or_else(|| {
        set("XDG_CACHE_HOME")
            .unwrap_or_else(|| set("HOME").unwrap_or_else(|| PathBuf::from("/root")).join(".cache"))
            .join("asu")
    })
}

/// Folder of a family's committed Go module.
pub(super) fn module_dir(family: Family) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("toolchain").join(family.name())
}

/// Folder of a family's programs; its name is a hash of everything that affects their content.
pub(super) fn family_dir(family: Family) -> Result<PathBuf, Error> {
    let module = module_dir(family);
    let read = |name: &str| {
        let path = module.join(name);
        std::fs::read(&path).map_err(Error::io(path))
    };
    let key = key(&read("go.mod")?, &read("go.sum")?, &family.flags());
    Ok(cache_dir().join("toolchain").join(format!("{}-{key}", family.name())))
}

fn key(go_mod: &[u8], go_sum: &[u8], flags: &[impl AsRef<OsStr>]) -> String {
    let mut hash = Sha256::new();
    let mut part = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_be_bytes());
        hash.update(bytes);
    };
    part(go_mod);
    part(go_sum);
    for flag in flags {
        part(flag.as_ref().as_encoded_bytes());
    }
    Digest::from_hasher(hash).to_string().chars().take(16).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_changes_with_each_input_and_is_sixteen_hex_digits() {
        let base = key(b"a", b"b", &["-x"]);
        assert_eq!(base.len(), 16);
        assert!(base.chars().all(|c| c.is_ascii_hexdigit()));
        assert_ne!(base, key(b"aa", b"b", &["-x"]));
        assert_ne!(base, key(b"a", b"bb", &["-x"]));
        assert_ne!(base, key(b"a", b"b", &["-y"]));
        assert_ne!(key(b"ab", b"", &["-x"]), key(b"a", b"b", &["-x"]));
    }

    #[test]
    fn every_family_has_a_committed_module_that_pins_its_commands() {
        for family in Family::ALL.iter().chain(Family::PROOFS) {
            let module = module_dir(*family);
            let tools = std::fs::read_to_string(module.join("tools.go")).expect("tools.go");
            assert!(module.join("go.sum").is_file(), "{module:?} lacks go.sum");
            for program in family.programs() {
                assert!(
                    tools.contains(&format!("\"{}\"", program.package)),
                    "{} not in tools.go",
                    program.package
                );
            }
        }
    }
}
