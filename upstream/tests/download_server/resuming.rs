//! Downloads that are interrupted and continued.

use std::path::Path;

use asu_core::digest::Digest;
use asu_upstream::UpstreamError;

use crate::server::{Reply, Server, client};

const CONTENT: &[u8] = b"0123456789 genuine";

async fn download(server: &Server, dest: &Path) -> Result<u64, UpstreamError> {
    let expected = Digest::of(CONTENT);
    client(&[server]).download_verified("file", dest, &expected, 1000, |_, _| {}).await
}

/// A server, and a part of the file that three interrupted rounds left.
async fn interrupted(content: &[u8], dest: &Path) -> Server {
    let server = Server::start();
    server.set("file", Reply::Ranged(content.to_vec(), 2));
    let error = download(&server, dest).await.unwrap_err();
    assert_eq!(error.reason(), "DownloadFailed");
    assert_eq!(std::fs::read(dest).unwrap(), &content[..6]);
    let ranges = [None, Some("bytes=2-".to_owned()), Some("bytes=4-".to_owned())];
    assert_eq!(server.ranges(), ranges);
    server.forget();
    server
}

#[tokio::test]
async fn an_interrupted_download_is_continued_by_rounds_and_by_later_calls() {
    let dir = tempfile::tempdir().unwrap();
    let dest = dir.path().join("file");
    let server = interrupted(CONTENT, &dest).await;
    server.set("file", Reply::Ranged(CONTENT.to_vec(), usize::MAX));
    let mut seen = Vec::new();
    let length = client(&[&server])
        .download_verified("file", &dest, &Digest::of(CONTENT), 1000, |bytes, all| {
            seen.push((bytes, all));
        })
        .await
        .unwrap();
    assert_eq!((length, server.ranges()), (18, vec![Some("bytes=6-".to_owned())]));
    assert_eq!(seen.last(), Some(&(18, Some(18))));
    assert_eq!(std::fs::read(&dest).unwrap(), CONTENT);
    server.forget();
    assert_eq!(download(&server, &dest).await.unwrap(), 18);
    assert!(server.asked().is_empty(), "a complete file was downloaded again");
}

#[tokio::test]
async fn a_server_that_cannot_continue_sends_the_whole() {
    for reply in [Reply::Body(CONTENT.to_vec()), Reply::WrongRange(CONTENT.to_vec())] {
        let dir = tempfile::tempdir().unwrap();
        let dest = dir.path().join("file");
        let server = interrupted(CONTENT, &dest).await;
        server.set("file", reply);
        assert_eq!(download(&server, &dest).await.unwrap(), 18);
        assert_eq!(std::fs::read(&dest).unwrap(), CONTENT);
    }
}

#[tokio::test]
async fn a_part_of_a_file_that_has_changed_is_not_continued() {
    let dir = tempfile::tempdir().unwrap();
    let dest = dir.path().join("file");
    let server = interrupted(b"an older file of it", &dest).await;
    server.set("file", Reply::Ranged(CONTENT.to_vec(), usize::MAX));
    assert_eq!(download(&server, &dest).await.unwrap(), 18);
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test]
async fn a_damaged_part_is_removed_and_the_download_begins_again() {
    let dir = tempfile::tempdir().unwrap();
    let dest = dir.path().join("file");
    let server = interrupted(CONTENT, &dest).await;
    std::fs::write(&dest, b"\0\0\0\0\0\0").unwrap();
    server.set("file", Reply::Ranged(CONTENT.to_vec(), usize::MAX));
    assert_eq!(download(&server, &dest).await.unwrap(), 18);
    assert_eq!(server.ranges(), [Some("bytes=6-".to_owned()), None]);
    assert_eq!(std::fs::read(&dest).unwrap(), CONTENT);
}

#[tokio::test]
async fn nothing_is_left_of_a_file_with_another_digest() {
    let dir = tempfile::tempdir().unwrap();
    let dest = dir.path().join("file");
    let server = interrupted(b"forged, all of it", &dest).await;
    server.set("file", Reply::Ranged(b"forged, all of it".to_vec(), usize::MAX));
    let error = download(&server, &dest).await.unwrap_err();
    assert_eq!(error.reason(), "BadChecksum");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}
