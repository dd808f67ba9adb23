use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn minimal() -> Value {
    json!({"version": "24.10.7", "target": "ath79/generic", "profile": "a,b"})
}

fn with(field: &str, value: Value) -> Value {
    let mut body = minimal();
    body[field] = value;
    body
}

fn read(body: &Value) -> Result<RawRequest, String> {
    parse(body.to_string().as_bytes()).map(|request| request.asked).map_err(|error| {
        assert_eq!(error.status(), 422);
        error.to_string()
    })
}

#[test]
fn requests_of_real_clients_are_parsed() {
    let owut = json!({"client":"owut/2026.04.09-r1","target":"mediatek/filogic","profile":"openwrt_one",
        "version":"24.10.1","version_code":"","filesystem":"squashfs","diff_packages":true,
        "packages_versions":{"base-files":"1656~0425664679"}, "rootfs_size_mb": 300});
    let asked = read(&owut).unwrap();
    assert_eq!(asked.filesystem, Some(Filesystem::Squashfs));
    assert_eq!((asked.rootfs_size_mb, asked.diff_packages), (Some(300), true));
    let luci = json!({"client":"luci/1","packages":["base-files","luci"],"profile":"openwrt,one",
        "target":"mediatek/filogic","version":"24.10.1","diff_packages":true,
        "filesystem":"tmpfs","rootfs_size_mb":null, "efi": null});
    assert_eq!(read(&luci).unwrap().filesystem, None);
    let ofs = json!({"profile":"openwrt_one","target":"mediatek/filogic","packages":[],"defaults":"",
        "version_code":"r1","version":"24.10.1","diff_packages":true,"client":"ofs/1",
        "repositories":{},"repository_keys":[]});
    assert_eq!(read(&ofs).unwrap().defaults, None);
}

#[test]
fn one_error_names_all_wrong_fields() {
    let body =
        json!({"target": 3, "packages": "x", "diff_packages": "maybe", "rootfs_size_mb": 1.5});
    assert_eq!(
        read(&body).unwrap_err(),
        "version: is required; target: must be a string; profile: is required; packages: must be a list of strings; \
         diff_packages: must be true or false; rootfs_size_mb: must be a whole number or null"
    );
}

#[test]
fn a_body_other_than_a_json_object_is_refused_with_the_position() {
    for (body, problem) in [
        ("", "body: a JSON object is required"),
        ("null", "body: must be a JSON object"),
        ("[]", "body: must be a JSON object"),
        ("{", "body: not JSON (line 1, column 1)"),
        (&"[".repeat(200_000), "body: not JSON (line 1, column 128)"),
    ] {
        assert_eq!(parse(body.as_bytes()).unwrap_err().to_string(), problem);
    }
}

#[test]
fn numbers_and_booleans_may_be_strings() {
    for (value, expected) in [
        (json!("300"), Some(300)),
        (json!(300.0), Some(300)),
        (json!(null), None),
        (json!(""), None),
    ] {
        assert_eq!(read(&with("rootfs_size_mb", value)).unwrap().rootfs_size_mb, expected);
    }
    for (value, expected) in
        [(json!("yes"), true), (json!("OFF"), false), (json!(1), true), (json!(0), false)]
    {
        assert_eq!(read(&with("diff_packages", value)).unwrap().diff_packages, expected);
    }
    for bad in [json!(-1), json!("abc"), json!([]), json!(1e300), json!(true)] {
        assert!(read(&with("rootfs_size_mb", bad)).is_err());
    }
    for bad in [json!(null), json!(2), json!({})] {
        assert!(read(&with("diff_packages", bad)).is_err());
    }
}

#[test]
fn null_is_only_allowed_where_clients_send_it() {
    for field in ["defaults", "rootfs_size_mb", "filesystem", "client"] {
        assert!(read(&with(field, Value::Null)).is_ok(), "{field}");
    }
    for field in [
        "version",
        "packages",
        "packages_versions",
        "repositories",
        "repository_keys",
        "distro",
        "version_code",
        "repositories_mode",
    ] {
        assert!(read(&with(field, Value::Null)).unwrap_err().starts_with(field), "{field}");
    }
}

#[test]
fn the_filesystem_of_a_running_root_is_ignored_and_malformed_ones_are_refused() {
    for ignored in ["", "tmpfs", "f2fs", "overlay"] {
        assert_eq!(read(&with("filesystem", json!(ignored))).unwrap().filesystem, None);
    }
    for bad in [json!(7), json!("a b"), json!("../x"), json!("x".repeat(33))] {
        assert!(read(&with("filesystem", bad)).unwrap_err().starts_with("filesystem: must be"));
    }
    assert_eq!(
        read(&with("filesystem", json!("jffs2-nand"))).unwrap().filesystem,
        Some(Filesystem::Jffs2Nand)
    );
}

proptest! {
    #[test]
    fn errors_never_contain_a_value(text in "[a-z]{16,40}", field in prop_oneof![
        Just("defaults"), Just("version"), Just("packages"), Just("rootfs_size_mb"), Just("filesystem"),
        Just("repositories_mode"), Just("packages_versions"), Just("diff_packages"),
    ]) {
        for value in [json!({&text: &text}), json!([[&text]]), json!({"a": [&text]})] {
            let mut body = with("defaults", json!([&text]));
            body[field] = value;
            let error = read(&body).unwrap_err();
            prop_assert!(!error.contains(&text), "{error}");
        }
        let broken = format!("{{\"defaults\": \"{text}\", {text}");
        prop_assert!(!parse(broken.as_bytes()).unwrap_err().to_string().contains(&text));
    }

    #[test]
    fn arbitrary_bytes_are_parsed_or_422(body in proptest::collection::vec(any::<u8>(), 0..300)) {
        if let Err(error) = parse(&body) {
            prop_assert_eq!(error.status(), 422);
        }
    }
}
