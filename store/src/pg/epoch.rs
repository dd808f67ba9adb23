//! The epoch, which fences the writes of former leaders. Every write transaction of the operator
//! begins with [`fence`].

use sqlx::PgConnection;

use crate::{
    error::StoreError,
    pg::PgStore,
    schema::{SCHEMA_VERSION, SchemaState},
};

/// Fails the transaction unless `ours` is the current epoch, and keeps it current until the end of the
/// transaction: a new leader waits for this in [`PgStore::raise_epoch`].
///
/// An epoch in the database that is lower than `ours` is an error as well: it means that this is
/// not the database in which `ours` was raised, for example a restored backup, where another leader
/// may raise the same number. A schema that no longer supports this program is also an error.
pub(crate) async fn fence(tx: &mut PgConnection, ours: i64) -> Result<(), StoreError> {
    let row = sqlx::query!(
        "select e.epoch, s.version, s.min_reader from leader_epoch e, schema_info s
         for share of e"
    )
    .fetch_one(tx)
    .await?;
    if row.min_reader > SCHEMA_VERSION {
        return Err(StoreError::SchemaTooNew(row.version));
    }
    if row.epoch == ours { Ok(()) } else { Err(StoreError::Fenced { ours, current: row.epoch }) }
}

impl PgStore {
    /// Raises the epoch by one and returns it. From now on, writes of earlier leaders are refused.
    ///
    /// # Errors
    /// [`StoreError::SchemaTooNew`]: nothing is written to such a database.
    pub async fn raise_epoch(&self) -> Result<i64, StoreError> {
        self.bounded("raise_epoch", async {
            match self.schema_state().await? {
                SchemaState::TooNew(version) => Err(StoreError::SchemaTooNew(version)),
                _ => Ok(sqlx::query_scalar!(
                    "update leader_epoch set epoch = epoch + 1 returning epoch"
                )
                .fetch_one(self.pool())
                .await?),
            }
        })
        .await
    }

    /// Reads the current epoch.
    pub async fn current_epoch(&self) -> Result<i64, StoreError> {
        self.bounded("current_epoch", async {
            Ok(sqlx::query_scalar!("select epoch from leader_epoch").fetch_one(self.pool()).await?)
        })
        .await
    }
}
