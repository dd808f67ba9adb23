//! Writes documents of upstream to the database while they are read. Called by the reading. The catalog
//! that refers to them is written after the reading.

use asu_core::digest::Digest;
use asu_store::{PgStore, StoreError};
use jiff::Timestamp;

use crate::context::Context;

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

impl DocumentKeeper {
    /// The keeper of a reading that begins now.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] while the database has not assigned an epoch.
    pub fn of(context: &Context) -> Result<Self, StoreError> {
        let (database, epoch) = (context.database.clone(), context.epoch()?);
        Ok(Self { database, epoch, seen_at: context.now() })
    }
}

impl asu_upstream::Keeper for DocumentKeeper {
    async fn keep(&self, content: Vec<u8>) -> Result<Digest, String> {
        let kept = self.database.put_document(content, self.seen_at, self.epoch).await;
        kept.map_err(|error| error.to_string())
    }
}
