//! Databases, and records of builds in them.

use asu_core::{
    build_key::BuildKey,
    digest::Digest,
    request::Request,
    request_hash::request_hash,
    result::{Built, StoredFile, store_keys},
};
use asu_store::{
    PgStore,
    model::{BuildFacts, BuildTimes, Ending, LogRecord, NewArchive},
};
use jiff::Timestamp;

use crate::postgres::TestDatabase;

/// A database on the server that the tests of this process share, and its store with the owner's role.
/// The server runs for as long as the first of the two is kept.
pub async fn database() -> (TestDatabase, PgStore) {
    let database = TestDatabase::new().await.expect("a database");
    let store = database.store().expect("a URL");
    (database, store)
}

/// A file of a build, with this content.
pub fn file(name: &str, content: &[u8]) -> StoredFile {
    let size = u64::try_from(content.len()).expect("a length");
    StoredFile { name: name.into(), size, sha256: Digest::of(content) }
}

/// Data of a successful build: these files, one package, no commands and no profile.
pub fn built(build_key: BuildKey, files: Vec<StoredFile>) -> Built {
    Built {
        build_key,
        files,
        manifest: [("luci".to_owned(), "1".to_owned())].into(),
        packages: vec!["luci".parse().expect("a package")],
        commands: vec![],
        profile: serde_json::Map::new(),
    }
}

/// The record of a build that was created, ended and archived at the same moment, in its first attempt,
/// with a log of one byte. Its answer is stale from then on, and its files are not kept.
pub fn record(uid: &str, request: Request, ending: Ending, ended: Timestamp) -> NewArchive {
    let log = LogRecord { key: store_keys::log(uid), size: 1, text_bytes: 1, truncated: false };
    let facts = BuildFacts {
        uid: uid.into(),
        request_hash: request_hash(&request),
        request,
        version_code: "r1-abc".into(),
        catalog_revision: 1,
        attempt: 1,
        ending,
        times: BuildTimes {
            created: ended,
            queued: None,
            admitted: None,
            started: None,
            finished: ended,
        },
        fresh_until: ended,
        keep_until: ended,
        log: Some(log),
        millis: [].into(),
    };
    NewArchive { facts, events: vec![], archived_at: ended }
}
