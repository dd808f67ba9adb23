//! What the programs read from the database and write to it.

use std::time::Duration;

use super::{Error, World, missing};

impl World {
    /// Rows that were inserted, updated or deleted in the database, and bytes of its log.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn written(&self) -> Result<(u64, u64), Error> {
        // Backends report their counts at most once a second.
        tokio::time::sleep(Duration::from_millis(1500)).await;
        self.postgres.written(&self.database).await.map_err(missing)
    }

    /// Rows that were read from the database.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn read_rows(&self) -> Result<u64, Error> {
        // Backends report their counts at most once a second.
        tokio::time::sleep(Duration::from_millis(1500)).await;
        self.postgres.rows_read(&self.database).await.map_err(missing)
    }
}
