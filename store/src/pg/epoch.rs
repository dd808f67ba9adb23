//! The epoch that fences the operator's writes.

use sqlx::PgConnection;

use crate::{
    error::StoreError,
    pg::PgStore,
    schema::{SCHEMA_VERSION, SchemaState},
};

/// Lets the transaction go on only for the present epoch, and keeps that present until its end: a
/// new leader waits for it in [`PgStore::raise_epoch`].
///
/// An epoch below ours means that the database is not the one in which ours was raised, for example
/// a restored backup: another leader may hold the same number there, so that is refused as well.
/// So is a schema that was migrated meanwhile to one that this program must not touch.
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
    /// Raises it by one and gives the new one: every earlier leader is fenced from now on.
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

    /// The present one.
    pub async fn current_epoch(&self) -> Result<i64, StoreError> {
        self.bounded("current_epoch", async {
            Ok(sqlx::query_scalar!("select epoch from leader_epoch").fetch_one(self.pool()).await?)
        })
        .await
    }
}
