//! Archives that are too large, damaged or truncated are refused.

use super::*;

fn limited(archive: Archive, entries: u64, bytes: u64) -> Result<Unpacked, TarballError> {
    let packed = zstd::encode_all(&*archive.tar(), 1).unwrap();
    Place::new().unpack_bytes(&packed, UnpackLimits { entries, bytes })
}

fn three() -> Archive {
    Archive::default().dir("top").file("top/a", "1234").file("top/b", "5678")
}

#[test]
fn the_limits_themselves_are_allowed() {
    assert_eq!(limited(three(), 3, 8).unwrap().bytes, 8);
}

#[test]
fn the_first_entry_above_the_limit_is_named() {
    let error = limited(three(), 2, 8).unwrap_err();
    assert!(matches!(error, TarballError::TooManyEntries { limit: 2, .. }), "{error}");
    assert_eq!(error.member(), Some("top/b"));
}

#[test]
fn implied_folders_and_extension_headers_are_entries_too() {
    let deep = Archive::default().file("top/a/b/c/d/e/f", "x");
    assert!(matches!(limited(deep, 5, 8), Err(TarballError::TooManyEntries { .. })));
    let pax = (0..9).fold(Archive::default(), |archive, _| archive.pax(b'g', &[]));
    assert!(matches!(limited(pax, 5, 8), Err(TarballError::TooManyEntries { .. })));
}

#[test]
fn a_bomb_is_refused_by_its_header_before_its_content_is_written() {
    let place = Place::new();
    let zeros = String::from_utf8(vec![b'0'; 64 << 20]).unwrap();
    let tar = Archive::default().dir("top").file("top/bomb", &zeros).tar();
    let packed = zstd::encode_all(&*tar, 1).unwrap();
    let limits = UnpackLimits { entries: 9, bytes: 1 << 20 };
    let error = place.unpack_bytes(&packed, limits).unwrap_err();
    assert!(matches!(error, TarballError::TooManyBytes { .. }), "{error}");
    assert_eq!(error.member(), Some("top/bomb"));
    assert!(!place.dest().join("top/bomb").exists());
}

#[test]
fn content_of_members_that_have_none_counts_too() {
    let folder = Archive::default().raw(b'5', b"top", b"", 0o755, &[0; 100]);
    assert!(matches!(limited(folder, 9, 99), Err(TarballError::TooManyBytes { .. })));
}

#[test]
fn an_end_at_any_byte_is_an_early_end() {
    let tar = three().tar();
    for packed in [zstd::encode_all(&*tar, 1).unwrap(), xz(&tar)] {
        for length in 6..packed.len() {
            let cut = &packed[..length];
            let error = Place::new().unpack_bytes(cut, UnpackLimits::default()).unwrap_err();
            assert!(matches!(error, TarballError::Truncated), "{length}: {error:?}");
        }
    }
}

#[test]
fn an_archive_cut_before_it_was_compressed_is_an_early_end() {
    let tar = three().tar();
    // The length up to the end mark, which is two blocks of zeros.
    for length in (0..=tar.len() - 1024).step_by(256) {
        let error = Place::new().unpack(&tar[..length]).unwrap_err();
        assert!(matches!(error, TarballError::Truncated), "{length}: {error:?}");
    }
}

#[test]
fn damage_and_an_early_end_have_different_errors() {
    let mut tar = three().tar();
    tar[512] ^= 1;
    let error = Place::new().unpack(&tar).unwrap_err();
    assert!(matches!(error, TarballError::Malformed { .. }), "{error:?}");

    let mut packed = xz(&three().tar());
    let middle = packed.len() / 2;
    packed[middle] ^= 0xff;
    let error = Place::new().unpack_bytes(&packed, UnpackLimits::default()).unwrap_err();
    assert!(matches!(error, TarballError::Malformed { .. }), "{error:?}");
}

#[test]
fn the_checksum_after_the_last_member_is_verified() {
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    encoder.include_checksum(true).unwrap();
    std::io::Write::write_all(&mut encoder, &three().tar()).unwrap();
    let mut packed = encoder.finish().unwrap();
    *packed.last_mut().unwrap() ^= 1;
    let error = Place::new().unpack_bytes(&packed, UnpackLimits::default()).unwrap_err();
    assert!(matches!(error, TarballError::Malformed { .. }), "{error:?}");
}

#[test]
fn data_after_the_end_is_refused_unless_it_is_padding() {
    let padded = [three().tar(), vec![0; 8192]].concat();
    Place::new().unpack(&padded).unwrap();
    let second = [three().tar(), Archive::default().file("top/hidden", "x").tar()].concat();
    let error = Place::new().unpack(&second).unwrap_err();
    assert!(matches!(error, TarballError::TrailingData), "{error:?}");
    let zeros = [three().tar(), vec![0; 2 << 20]].concat();
    let error = Place::new().unpack(&zeros).unwrap_err();
    assert!(matches!(error, TarballError::TrailingData), "{error:?}");
}

#[test]
fn windows_of_real_tarballs_are_supported_and_larger_ones_are_refused() {
    let pack = |log| {
        let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(log).unwrap();
        std::io::Write::write_all(&mut encoder, &three().tar()).unwrap();
        encoder.finish().unwrap()
    };
    Place::new().unpack_bytes(&pack(27), UnpackLimits::default()).unwrap();
    let error = Place::new().unpack_bytes(&pack(28), UnpackLimits::default()).unwrap_err();
    assert!(matches!(error, TarballError::Malformed { .. }), "{error:?}");
}

#[test]
fn an_existing_file_is_not_overwritten() {
    let place = Place::new();
    std::fs::create_dir(place.dest().join("top")).unwrap();
    let error = place.unpack(&three().tar()).unwrap_err();
    assert!(error.is_io() && !error.is_no_space(), "{error}");
}

#[test]
fn a_symlink_in_the_destination_is_not_followed() {
    // A folder is replaced by a symlink during unpacking: only the check of the kernel remains.
    let place = Place::new();
    std::os::unix::fs::symlink(place.dir.path(), place.dest().join("top")).unwrap();
    let error = place.unpack(&Archive::default().file("top/file", "x").tar()).unwrap_err();
    assert!(error.is_io(), "{error}");
}
