use super::*;

fn store_with(files: &[(&str, Vec<u8>)]) -> (tempfile::TempDir, ArtifactStore) {
    let folder = tempfile::tempdir().unwrap();
    for (key, bytes) in files {
        let file = folder.path().join(key);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, bytes).unwrap();
    }
    let url = Url::from_file_path(folder.path()).unwrap();
    let store = ArtifactStore::open(url.as_str()).unwrap();
    (folder, store)
}

async fn read(store: &ArtifactStore, key: &str, range: Range<u64>) -> Vec<u8> {
    let pieces: Vec<Bytes> =
        store.read_range(key, range).await.unwrap().try_collect().await.unwrap();
    pieces.concat()
}

#[tokio::test]
async fn any_range_returns_exactly_its_bytes() {
    let bytes: Vec<u8> = (0..700_000_u32).map(|n| u8::try_from(n % 251).unwrap()).collect();
    let (_folder, store) = store_with(&[("artifacts/k/f.bin", bytes.clone())]);
    for range in [0..700_000, 0..1, 699_999..700_000, 5..600_000, 10..10] {
        let [start, end] = [range.start, range.end].map(|at| usize::try_from(at).unwrap());
        let expected = &bytes[start..end];
        assert_eq!(read(&store, "artifacts/k/f.bin", range).await, expected);
    }
}

#[tokio::test]
async fn a_range_beyond_the_object_is_an_error_before_the_first_byte() {
    let (_folder, store) = store_with(&[("a", vec![1; 10])]);
    assert!(store.read_range("a", 0..11).await.is_err());
    assert!(store.read_range("b", 0..0).await.is_err());
}

#[tokio::test]
async fn an_object_that_shrinks_while_it_is_read_ends_with_an_error() {
    let (folder, store) = store_with(&[("a", vec![1; 2 * PIECE])]);
    let stream = store.read_range("a", 0..2 * PIECE as u64).await.unwrap();
    std::fs::OpenOptions::new()
        .write(true)
        .open(folder.path().join("a"))
        .unwrap()
        .set_len(10)
        .unwrap();
    assert!(stream.try_collect::<Vec<_>>().await.is_err());
}

#[tokio::test]
async fn keys_cannot_leave_the_store() {
    let (_folder, store) = store_with(&[("a", vec![1])]);
    for key in ["../a", "x/../../a", "a//b", "x/./a"] {
        assert!(matches!(store.head(key).await, Err(ArtifactError::Key(_))), "{key}");
    }
}

#[tokio::test]
async fn presence_compares_the_size() {
    let (_folder, store) = store_with(&[("a", vec![1; 3])]);
    assert_eq!(store.presence("a", 3).await.unwrap(), Presence::Present);
    assert_eq!(store.presence("a", 4).await.unwrap(), Presence::OtherSize(3));
    assert_eq!(store.presence("b", 4).await.unwrap(), Presence::Missing);
}

#[tokio::test]
async fn a_bounded_read_refuses_larger_objects() {
    let (_folder, store) = store_with(&[("results/u.json", vec![b'x'; 5])]);
    let found = store.get_bounded("results/u.json", 5).await.unwrap();
    assert_eq!(found.as_deref(), Some(&b"xxxxx"[..]));
    assert!(matches!(
        store.get_bounded("results/u.json", 4).await,
        Err(ArtifactError::TooLarge { size: 5, max: 4, .. })
    ));
    assert_eq!(store.get_bounded("results/v.json", 4).await.unwrap(), None);
}

#[tokio::test]
async fn deleting_twice_succeeds_and_listing_shows_the_rest() {
    let files =
        [("artifacts/k/a", vec![1]), ("artifacts/k/b", vec![1; 2]), ("logs/u.zst", vec![1])];
    let (folder, store) = store_with(&files);
    store.delete("artifacts/k/a").await.unwrap();
    store.delete("artifacts/k/a").await.unwrap();
    let left: Vec<ObjectInfo> =
        store.list_prefix("artifacts").unwrap().try_collect().await.unwrap();
    assert_eq!(left.len(), 1);
    assert_eq!((left[0].key.as_str(), left[0].size), ("artifacts/k/b", 2));
    store.delete("artifacts/k/b").await.unwrap();
    assert!(!folder.path().join("artifacts").exists());
    assert!(folder.path().join("logs/u.zst").exists());
}

#[tokio::test]
async fn the_space_of_a_volume_is_reported() {
    let (_folder, store) = store_with(&[]);
    let space = store.space().unwrap().unwrap();
    assert!(space.used > 0 && space.used <= space.capacity);
}

#[test]
fn blocks_that_only_root_may_use_do_not_make_a_volume_look_full() {
    let mut stat = rustix::fs::statvfs("/").unwrap();
    stat.f_frsize = 10;
    (stat.f_blocks, stat.f_bfree, stat.f_bavail) = (100, 80, 20);
    assert_eq!(space_of(&stat), Some(Space { used: 200, capacity: 400 }));
    (stat.f_bfree, stat.f_bavail) = (60, 0);
    assert_eq!(space_of(&stat), Some(Space { used: 400, capacity: 400 }));
}

#[test]
fn only_file_urls_with_an_existing_folder_open() {
    for url in ["s3://bucket", "/asu/store", "http://x/", "file://host/x"] {
        assert!(matches!(ArtifactStore::open(url), Err(ArtifactError::Url)), "{url}");
    }
    assert!(matches!(ArtifactStore::open("file:///nowhere/at/all"), Err(ArtifactError::Folder(_))));
}
