use asu_core::catalog::TarballDigest;

use super::*;

fn sought(target: &str) -> Sought {
    Sought { distribution: "openwrt".into(), version: "SNAPSHOT".into(), target: target.to_owned() }
}

fn basis(revision: &str) -> Basis {
    Basis {
        catalog_revision: 1,
        version_code: revision.to_owned(),
        image_builder_sha256: TarballDigest::of(revision.as_bytes()),
    }
}

#[test]
fn builds_of_one_target_share_one_reading() {
    let (looks, now) = (Looks::default(), Instant::now());
    for uid in ["a", "b"] {
        assert_eq!(looks.ask_at(&sought("x/y"), uid, uid, now), Answer::Asked);
    }
    assert_eq!(looks.due_at("openwrt", now), [sought("x/y")]);
    assert!(looks.due_at("other", now).is_empty());
    looks.begin_at(&sought("x/y"), now);
    assert!(looks.due_at("openwrt", now).is_empty(), "it is being read");
    let during = now + Duration::from_secs(1);
    assert_eq!(looks.ask_at(&sought("x/y"), "a", "a", during), Answer::Asked);
    assert_eq!(looks.end(&sought("x/y"), Some(basis("r2"))), ["a", "b"]);
    for uid in ["a", "b"] {
        assert_eq!(looks.ask_at(&sought("x/y"), uid, uid, now), Answer::Read(basis("r2")));
    }
}

#[test]
fn a_later_build_gets_no_older_answer_and_causes_a_reading_after_a_minute() {
    let (looks, now) = (Looks::default(), Instant::now());
    looks.ask_at(&sought("x/y"), "a", "a", now);
    looks.begin_at(&sought("x/y"), now);
    looks.end(&sought("x/y"), Some(basis("r2")));
    let later = now + Duration::from_secs(1);
    assert_eq!(looks.ask_at(&sought("x/y"), "b", "b", later), Answer::Asked);
    assert!(looks.due_at("openwrt", later).is_empty());
    assert_eq!(looks.due_at("openwrt", now + INTERVAL), [sought("x/y")]);
    let wait = looks.next("openwrt").unwrap();
    assert!(wait > Duration::from_secs(50) && wait <= INTERVAL, "{wait:?}");
}

#[test]
fn a_failed_reading_is_repeated() {
    let (looks, now) = (Looks::default(), Instant::now());
    looks.ask_at(&sought("x/y"), "a", "a", now);
    looks.begin_at(&sought("x/y"), now);
    assert_eq!(looks.end(&sought("x/y"), None), ["a"]);
    let later = now + Duration::from_secs(1);
    assert_eq!(looks.ask_at(&sought("x/y"), "a", "a", later), Answer::Asked);
    assert_eq!(looks.due_at("openwrt", now + INTERVAL), [sought("x/y")]);
}

#[test]
fn a_deleted_build_asks_for_nothing() {
    let (looks, now) = (Looks::default(), Instant::now());
    looks.ask_at(&sought("x/y"), "a", "a", now);
    looks.forget("a");
    assert!(looks.due_at("openwrt", now).is_empty());
    assert!(looks.next("openwrt").is_none());
}
