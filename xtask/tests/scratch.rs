#![allow(missing_docs, clippy::unwrap_used, dead_code)]
#[path = "../src/crdgen.rs"] mod crdgen;
#[path = "../src/generated.rs"] mod generated;
#[path = "../src/manifests.rs"] mod manifests;
#[tokio::test]
async fn write() { crdgen::run(false).unwrap(); manifests::run(false, &asu_tests::progress::Progress::new()).await.unwrap(); }
