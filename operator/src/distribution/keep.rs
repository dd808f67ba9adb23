//! Writes documents of upstream to the database while they are read. Called by the reading. The catalog
//! that refers to them is written after the reading.

use asu_core::digest::Digest;
use asu_store::PgStore;
use jiff::Timestamp;

/// Stores documents in the database, for the leader of this epoch.
#[derive(Clone, Debug)]
pub struct DocumentKeeper {
    /// The database.
    pub database: PgStore,
    /// Epoch of the leader.
    pub epoch: i64,
    /// When the reading began.
    pub seen_at: Timestamp,
}

impl asu_upstream::Keeper for DocumentKeeper {
    async fn keep(&self, content: Vec<u8>) -> Result<Digest, String> {
        let kept = self.database.put_document(content, self.seen_at, self.epoch).await;
        kept.map_err(|error| error.to_string())
    }
}
