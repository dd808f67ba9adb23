//! Tests of the client with a server that sends incomplete or wrong responses.

use crate::server::{Reply, Server, client};
use asu_core::digest::Digest;
use asu_upstream::{Fetched, UpstreamError};

const LIMIT: u64 = 1 << 20;

#[tokio::test]
async fn a_document_has_the_validators_for_the_next_conditional_request() {
    let server = Server::start();
    server.body("a/b.json", "text");
    let upstream = client(&[&server]);
    let document = upstream.document("a/b.json", LIMIT).await.unwrap();
    assert_eq!(&document.bytes[..], b"text");
    let again = upstream.fetch("a/b.json", LIMIT, Some(&document.validator)).await.unwrap();
    assert!(matches!(again, Fetched::NotModified));
    server.body("a/b.json", "other");
    let Fetched::New(changed) =
        upstream.fetch("a/b.json", LIMIT, Some(&document.validator)).await.unwrap()
    else {
        panic!("a changed document was skipped");
    };
    assert_eq!(&changed.bytes[..], b"other");
}

#[tokio::test]
async fn after_any_failure_the_next_mirror_is_tried() {
    for reply in [
        Reply::Status(503),
        Reply::Status(404),
        Reply::Status(403),
        Reply::Truncated(b"te".to_vec()),
        Reply::Endless,
        Reply::Silence,
    ] {
        let (bad, good) = (Server::start(), Server::start());
        bad.set("x", reply);
        good.body("x", "text");
        let document = client(&[&bad, &good]).document("x", LIMIT).await.unwrap();
        assert_eq!(&document.bytes[..], b"text");
        assert_eq!(bad.asked().len(), 1, "a mirror that failed is not asked twice in a row");
    }
}

#[tokio::test]
async fn only_temporary_failures_are_tried_again() {
    let server = Server::start();
    let passing = vec![Reply::Status(503), Reply::Status(502), Reply::Body(b"text".to_vec())];
    server.set("x", Reply::Sequence(passing));
    assert!(client(&[&server]).document("x", LIMIT).await.is_ok());
    assert_eq!(server.asked().len(), 3);

    server.forget();
    server.set("x", Reply::Status(503));
    let error = client(&[&server]).document("x", LIMIT).await.unwrap_err();
    assert_eq!(error.reason(), "UpstreamUnavailable");
    assert!(error.to_string().contains("503"), "{error}");
    assert_eq!(server.asked().len(), 3, "the number of rounds is bounded");

    server.forget();
    let error = client(&[&server]).document("missing", LIMIT).await.unwrap_err();
    assert_eq!(error.reason(), "NotFound");
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test]
async fn a_file_is_not_missing_while_a_mirror_is_unavailable() {
    let (away, without) = (Server::start(), Server::start());
    away.set("x", Reply::Status(503));
    for mirrors in [[&away, &without], [&without, &away]] {
        let error = client(&mirrors).document("x", LIMIT).await.unwrap_err();
        assert_eq!(error.reason(), "UpstreamUnavailable");
    }
}

#[tokio::test]
async fn an_unreachable_server_is_unavailable() {
    let server = Server::start();
    let upstream = client(&[&server]);
    drop(server);
    let error = upstream.document("x", LIMIT).await.unwrap_err();
    assert_eq!(error.reason(), "UpstreamUnavailable");
    assert!(error.to_string().contains("refused"), "{error}");
}

#[tokio::test]
async fn bodies_are_cut_off_at_their_limit_with_and_without_a_length() {
    let server = Server::start();
    server.body("long", vec![b'x'; 101]);
    server.body("fits", vec![b'x'; 100]);
    server.set("endless", Reply::Endless);
    let upstream = client(&[&server]);
    assert!(upstream.document("fits", 100).await.is_ok());
    for path in ["long", "endless"] {
        let error = upstream.document(path, 100).await.unwrap_err();
        assert!(matches!(error, UpstreamError::TooLarge { limit: 100, .. }), "{error}");
    }
}

#[tokio::test]
async fn an_interrupted_body_and_a_stalled_body_have_different_errors() {
    let server = Server::start();
    server.set("broken", Reply::Truncated(b"text".to_vec()));
    server.set("silent", Reply::Silence);
    let upstream = client(&[&server]);
    let error = upstream.document("broken", LIMIT).await.unwrap_err();
    assert!(error.to_string().ends_with("broke off after 4 of 14 bytes"), "{error}");
    let error = upstream.document("silent", LIMIT).await.unwrap_err();
    assert!(error.to_string().ends_with("fell silent after 0 of 10 bytes"), "{error}");
}

/// The received part and its digest say nothing about the file on the server.
#[tokio::test]
async fn an_incomplete_body_is_a_failed_download_for_any_cause() {
    let dir = tempfile::tempdir().unwrap();
    let dest = dir.path().join("file");
    for reply in [
        Reply::Truncated(b"gen".to_vec()),
        Reply::TruncatedChunks(b"gen".to_vec()),
        Reply::Reset(b"gen".to_vec()),
        Reply::Silence,
        Reply::SilenceAfter(b"gen".to_vec()),
    ] {
        let server = Server::start();
        server.set("file", reply);
        let error = client(&[&server])
            .download_verified("file", &dest, &Digest::of(b"genuine"), LIMIT, |_, _| {})
            .await
            .unwrap_err();
        assert_eq!(error.reason(), "DownloadFailed", "{error}");
        assert!(error.is_transient(), "{error}");
        assert!(!dest.exists(), "half a file is left");
    }
}

#[tokio::test]
async fn redirects_are_followed_up_to_a_limit() {
    let server = Server::start();
    server.body("x", "text");
    server.set("old", Reply::Redirect("x".into()));
    server.set("loop", Reply::Redirect("loop".into()));
    let upstream = client(&[&server]);
    assert!(upstream.document("old", LIMIT).await.is_ok());
    server.forget();
    let error = upstream.document("loop", LIMIT).await.unwrap_err();
    assert!(error.to_string().contains("redirects too often"), "{error}");
}

#[tokio::test]
async fn no_error_shows_credentials() {
    let server = Server::start();
    server.set("x", Reply::Status(500));
    server.set("loop", Reply::Redirect("loop".into()));
    server.set("long", Reply::Endless);
    server.set("broken", Reply::Truncated(b"x".to_vec()));
    let upstream = client(&[&server]);
    for path in ["x", "missing", "loop", "long", "broken"] {
        let error = upstream.document(path, 100).await.unwrap_err();
        let texts = format!("{error} {error:?}");
        assert!(!texts.contains("secret"), "{texts}");
    }
}

#[tokio::test]
async fn a_download_is_written_hashed_and_reports_its_progress() {
    let (server, dir) = (Server::start(), tempfile::tempdir().unwrap());
    let content = vec![b'x'; 300_000];
    server.body("file", content.clone());
    let dest = dir.path().join("file");
    let mut seen = Vec::new();
    let length = client(&[&server])
        .download_verified("file", &dest, &Digest::of(&content), LIMIT, |bytes, all| {
            seen.push((bytes, all));
        })
        .await
        .unwrap();
    assert_eq!(length, 300_000);
    assert_eq!(std::fs::read(&dest).unwrap(), content);
    assert_eq!(seen.last(), Some(&(300_000, Some(300_000))));
    assert!(seen.is_sorted());
}

#[tokio::test]
async fn another_digest_is_an_error_that_names_both_and_leaves_no_file() {
    let (server, dir) = (Server::start(), tempfile::tempdir().unwrap());
    server.body("file", "forged");
    let dest = dir.path().join("file");
    let (expected, actual) = (Digest::of(b"genuine"), Digest::of(b"forged"));
    let error = client(&[&server])
        .download_verified("file", &dest, &expected, LIMIT, |_, _| {})
        .await
        .unwrap_err();
    assert_eq!(error.reason(), "BadChecksum");
    let text = error.to_string();
    assert!(text.contains(&expected.to_string()) && text.contains(&actual.to_string()), "{text}");
    assert!(!dest.exists());
}

#[tokio::test]
async fn a_stale_or_broken_mirror_does_not_fail_a_download() {
    let dir = tempfile::tempdir().unwrap();
    let dest = dir.path().join("file");
    for reply in [
        Reply::Body(b"stale, and longer than the genuine one".to_vec()),
        Reply::Truncated(b"gen".to_vec()),
        Reply::Endless,
    ] {
        let (bad, good) = (Server::start(), Server::start());
        bad.set("file", reply);
        good.body("file", "genuine");
        client(&[&bad, &good])
            .download_verified("file", &dest, &Digest::of(b"genuine"), LIMIT, |_, _| {})
            .await
            .unwrap();
        assert_eq!(std::fs::read(&dest).unwrap(), b"genuine");
    }
}

#[tokio::test]
async fn a_missing_folder_is_a_local_error() {
    let (server, dir) = (Server::start(), tempfile::tempdir().unwrap());
    server.body("file", "x");
    let dest = dir.path().join("missing/file");
    let error = client(&[&server])
        .download_verified("file", &dest, &Digest::of(b"x"), LIMIT, |_, _| {})
        .await
        .unwrap_err();
    assert_eq!(error.reason(), "WriteFailed");
    assert_eq!(server.asked().len(), 1);
}
