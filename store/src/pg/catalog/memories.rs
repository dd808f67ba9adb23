//! What the leader remembers of its readings of the download servers, for the next leader.

use std::collections::BTreeMap;

use serde_json::Value;
use sqlx::PgConnection;

use crate::{
    error::StoreError,
    pg::{PgStore, epoch::fence, json::to_json},
};

impl PgStore {
    /// What was remembered of the last reading of a distribution, by what was read.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn reading_memories(
        &self,
        distribution: &str,
    ) -> Result<BTreeMap<String, Value>, StoreError> {
        self.bounded("reading_memories", async {
            let rows = sqlx::query!(
                "select scope, memory from reading_memories where distribution = $1",
                distribution
            )
            .fetch_all(self.pool())
            .await?;
            Ok(rows.into_iter().map(|row| (row.scope, row.memory)).collect())
        })
        .await
    }

    /// Replaces what was remembered. Unchanged rows are not written.
    ///
    /// # Errors
    /// Those of the database; [`StoreError::Fenced`].
    pub async fn put_reading_memories(
        &self,
        distribution: &str,
        memories: &BTreeMap<String, Value>,
        epoch: i64,
    ) -> Result<(), StoreError> {
        self.bounded("put_reading_memories", async {
            let scopes: Vec<String> = memories.keys().cloned().collect();
            let mut tx = self.pool().begin().await?;
            fence(&mut tx, epoch).await?;
            sqlx::query!(
                "delete from reading_memories where distribution = $1 and not (scope = any($2))",
                distribution,
                &scopes
            )
            .execute(&mut *tx)
            .await?;
            sqlx::query!(
                "insert into reading_memories (distribution, scope, memory)
                 select $1, m.key, m.value from jsonb_each($2) as m
                 where not exists (select from reading_memories r
                     where r.distribution = $1 and r.scope = m.key and r.memory = m.value)
                 on conflict (distribution, scope) do update set memory = excluded.memory",
                distribution,
                to_json(memories)?
            )
            .execute(&mut *tx)
            .await?;
            tx.commit().await?;
            Ok(())
        })
        .await
    }
}

/// Deletes what was remembered of a distribution.
pub(super) async fn delete(tx: &mut PgConnection, distribution: &str) -> Result<(), StoreError> {
    sqlx::query!("delete from reading_memories where distribution = $1", distribution)
        .execute(tx)
        .await?;
    Ok(())
}
