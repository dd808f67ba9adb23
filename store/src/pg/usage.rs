//! What was built how often. Read by the operator when it decides which ImageBuilders are needed next.

use crate::{error::StoreError, pg::PgStore};

impl PgStore {
    /// The targets of these versions of a distribution that were built most often, at most `limit`,
    /// the most used first. It counts the builds of which the store still has files or logs.
    pub async fn most_used_targets(
        &self,
        distribution: &str,
        versions: &[String],
        limit: u32,
    ) -> Result<Vec<String>, StoreError> {
        self.bounded("most_used_targets", async {
            let rows = sqlx::query_scalar!(
                "select target from builds
                 where (log_deleted_at is null
                        or (build_key is not null and files_deleted_at is null))
                   and distribution = $1 and version = any($2)
                 group by target order by count(*) desc, target limit $3",
                distribution,
                versions,
                i64::from(limit)
            )
            .fetch_all(self.pool())
            .await?;
            Ok(rows)
        })
        .await
    }
}
