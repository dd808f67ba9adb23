//! The catalog: replaced as a whole, or not at all.

use asu_store::listen::{CATALOG_CHANNEL, Hint, listen};
use asu_tests::given::database;
use futures::StreamExt as _;

use crate::samples::{none, offer, plain, version};

#[tokio::test]
async fn a_distribution_is_read_back_completely() {
    let (_database, store) = database().await;
    let versions = [version("24.10.7", &["b", "a", "c"]), version("24.10.6", &["a"])];
    let write = store.put_distribution("openwrt", &offer(), &versions, none(), 0).await.unwrap();
    assert_eq!((write.revision, write.changed), (1, true));
    let catalog = store.load_catalog().await.unwrap();
    assert_eq!(catalog.revision, 1);
    let [distribution] = catalog.distributions.as_slice() else {
        panic!("{catalog:?}");
    };
    assert_eq!((distribution.name.as_str(), distribution.revision), ("openwrt", 1));
    assert_eq!(distribution.offer, offer());
    assert_eq!(plain(distribution), versions);
}

#[tokio::test]
async fn the_same_catalog_again_is_not_a_change() {
    let (_database, store) = database().await;
    let versions = [version("24.10.7", &["a"])];
    store.put_distribution("openwrt", &offer(), &versions, none(), 0).await.unwrap();
    let again = store.put_distribution("openwrt", &offer(), &versions, none(), 0).await.unwrap();
    assert_eq!((again.revision, again.changed), (1, false));
    assert_eq!(store.catalog_revision().await.unwrap(), 1);
}

#[tokio::test]
async fn removed_versions_and_profiles_disappear_and_order_follows() {
    let (_database, store) = database().await;
    let mut before = vec![
        version("24.10.7", &["a", "b"]),
        version("24.10.6", &["a"]),
        version("24.10.5", &["a"]),
    ];
    store.put_distribution("openwrt", &offer(), &before, none(), 0).await.unwrap();
    let after = [before.remove(2), version("24.10.7", &["b"])];
    let write = store.put_distribution("openwrt", &offer(), &after, none(), 0).await.unwrap();
    assert_eq!((write.revision, write.changed), (2, true));
    let catalog = store.load_catalog().await.unwrap();
    assert_eq!(plain(&catalog.distributions[0]), after);
}

#[tokio::test]
async fn a_distribution_that_is_created_again_continues_its_revision() {
    let (_database, store) = database().await;
    let (offer, versions) = (offer(), [version("24.10.7", &["a"])]);
    let put = || store.put_distribution("openwrt", &offer, &versions, none(), 0);
    put().await.unwrap();
    store.put_distribution("other", &offer, &[], none(), 0).await.unwrap();
    assert!(store.remove_distribution("openwrt", 0).await.unwrap().changed);
    assert!(!store.remove_distribution("openwrt", 0).await.unwrap().changed);
    assert!(!store.remove_distribution("never-was", 0).await.unwrap().changed);
    let catalog = store.load_catalog().await.unwrap();
    assert_eq!(catalog.revision, 3);
    assert_eq!(catalog.distributions.len(), 1);
    assert_eq!(catalog.distributions[0].name, "other");
    assert_eq!(put().await.unwrap().revision, 3);
    assert_eq!(plain(&store.load_catalog().await.unwrap().distributions[0]), versions);
}

#[tokio::test]
async fn a_failed_write_keeps_the_last_good_catalog() {
    let (_database, store) = database().await;
    let good = [version("24.10.7", &["a"])];
    store.put_distribution("openwrt", &offer(), &good, none(), 0).await.unwrap();
    // The same name twice violates a key after other rows were written.
    let bad = [version("24.10.8", &["a"]), version("24.10.8", &["b"])];
    store.put_distribution("openwrt", &offer(), &bad, none(), 0).await.unwrap_err();
    let catalog = store.load_catalog().await.unwrap();
    assert_eq!(catalog.revision, 1);
    assert_eq!(plain(&catalog.distributions[0]), good);
}

#[tokio::test]
async fn listeners_are_notified_of_the_new_revision() {
    let (database, store) = database().await;
    let mut hints = listen(database.url.clone(), [CATALOG_CHANNEL]);
    assert_eq!(hints.next().await, Some(Hint::Check));
    store.put_distribution("openwrt", &offer(), &[], none(), 0).await.unwrap();
    let hint = tokio::time::timeout(std::time::Duration::from_secs(10), hints.next()).await;
    let expected = Hint::Changed { channel: CATALOG_CHANNEL.to_owned(), payload: "1".to_owned() };
    assert_eq!(hint.expect("a hint within 10 s"), Some(expected));
}
