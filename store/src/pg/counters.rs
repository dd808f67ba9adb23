//! Writes the counters of the API.

use asu_core::digest::Sha256Hex;
use async_trait::async_trait;
use jiff::Timestamp;

use crate::{
    error::StoreError,
    model::{Counter, CounterKind},
    pg::PgStore,
    repository::CounterRepository,
    time::PgTime,
};

#[async_trait]
impl CounterRepository for PgStore {
    async fn record(&self, counters: &[Counter]) -> Result<(), StoreError> {
        let counters: Vec<&Counter> = counters.iter().filter(|counter| counter.count > 0).collect();
        if counters.is_empty() {
            return Ok(());
        }
        let at: Vec<PgTime> = counters.iter().map(|counter| PgTime(counter.at)).collect();
        let kinds: Vec<String> =
            counters.iter().map(|counter| counter.kind.as_str().into()).collect();
        let hashes: Vec<Option<String>> = counters
            .iter()
            .map(|counter| counter.request_hash.as_ref().map(ToString::to_string))
            .collect();
        let counts: Vec<i32> = counters
            .iter()
            .map(|counter| i32::try_from(counter.count).unwrap_or(i32::MAX))
            .collect();
        self.bounded(async {
            sqlx::query!(
                "insert into request_counters (at, kind, request_hash, count)
                 select * from unnest($1::timestamptz[], $2::text[], $3::text[], $4::int[])",
                &at as _,
                &kinds,
                &hashes as _,
                &counts,
            )
            .execute(self.pool())
            .await?;
            Ok(())
        })
        .await
    }

    async fn touch_served(&self, batch: &[(Sha256Hex, Timestamp)]) -> Result<(), StoreError> {
        let counters: Vec<Counter> = batch
            .iter()
            .map(|(hash, at)| Counter {
                at: *at,
                kind: CounterKind::Served,
                request_hash: Some(hash.clone()),
                count: 1,
            })
            .collect();
        self.record(&counters).await
    }
}
