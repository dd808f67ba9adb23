//! Property test: no sequence of members creates or changes anything outside the destination.

use proptest::prelude::*;

use super::*;

const NAMES: [&str; 22] = [
    "top",
    "top/",
    "top/a",
    "top/a/b",
    "top/a/b/c",
    "top/l",
    "top/l/x",
    "./top/a",
    "top//a/./b",
    "../neighbour",
    "top/../../neighbour",
    "/neighbour",
    "..",
    ".",
    "top/l/neighbour",
    "top/../neighbour",
    "other/x",
    "top/a/l",
    "top/a/l/l",
    "neighbour",
    "",
    "top/\u{e4}",
];
const TARGETS: [&str; 12] = [
    "..",
    "../..",
    "../../..",
    "../neighbour",
    "../../neighbour",
    "/",
    "/tmp",
    "top/a",
    "a",
    "l",
    ".",
    "",
];
const KINDS: [u8; 13] =
    [b'0', b'0', b'0', b'5', b'5', b'2', b'2', b'1', b'1', b'3', b'6', b'L', b'x'];

#[derive(Clone, Debug)]
struct Step {
    kind: u8,
    name: Vec<u8>,
    target: Vec<u8>,
    mode: u32,
    data: Vec<u8>,
}

fn step() -> impl Strategy<Value = Step> {
    let name = prop_oneof![
        8 => prop::sample::select(&NAMES[..]).prop_map(|name| name.as_bytes().to_vec()),
        1 => "(top/|\\.\\./|/|[a-c]/){0,6}[a-c]".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..100),
    ];
    let kind = prop_oneof![9 => prop::sample::select(&KINDS[..]), 1 => any::<u8>()];
    let target = prop::sample::select(&TARGETS[..]).prop_map(|name| name.as_bytes().to_vec());
    (kind, name, target, 0_u32..0o10000, prop::collection::vec(any::<u8>(), 0..20))
        .prop_map(|(kind, name, target, mode, data)| Step { kind, name, target, mode, data })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn no_sequence_of_members_writes_outside(steps in prop::collection::vec(step(), 0..12)) {
        let place = Place::new();
        let archive = steps.iter().fold(Archive::default(), |archive, step| {
            let Step { kind, name, target, mode, data } = step;
            let data: &[u8] = match kind {
                b'L' => name,
                b'0' | b'x' => data,
                _ => b"",
            };
            archive.raw(*kind, name, target, *mode, data)
        });
        // The helper checks that the neighbours are unchanged.
        let _ = place.unpack(&archive.tar());
        prop_assert!(!std::path::Path::new("/neighbour").exists());
        prop_assert!(!std::path::Path::new("/tmp/neighbour").exists());
    }

    #[test]
    fn no_sequence_of_bytes_panics(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        let place = Place::new();
        let _ = place.unpack(&bytes);
        let _ = place.unpack_bytes(&bytes, UnpackLimits::default());
    }

    #[test]
    fn no_damaged_archive_panics(at in 0_usize..3000, byte: u8) {
        let mut tar = Archive::default()
            .dir("top")
            .long_name(b"top/long")
            .file("top/x", "text")
            .pax(b'x', &[("path", "top/l")])
            .link("top/y", "x")
            .tar();
        let length = tar.len();
        tar[at % length] = byte;
        let _ = Place::new().unpack(&tar);
    }
}
