//! Writes the counters of the API.

use asu_core::request_hash::RequestHash;
use jiff::Timestamp;
use jiff_sqlx::Timestamp as PgTime;

use crate::{
    error::StoreError,
    model::{Counter, CounterKind},
    pg::{PgStore, json::text},
};

impl PgStore {
    /// Adds counters.
    pub async fn record_counters(&self, counters: &[Counter]) -> Result<(), StoreError> {
        let counters: Vec<&Counter> = counters.iter().filter(|counter| counter.count > 0).collect();
        if counters.is_empty() {
            return Ok(());
        }
        let at: Vec<PgTime> = counters.iter().map(|counter| PgTime::from(counter.at)).collect();
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
        let clients: Vec<Option<String>> =
            counters.iter().map(|counter| counter.client.as_deref().map(text)).collect();
        self.bounded("record_counters", async {
            sqlx::query!(
                "insert into request_counters (at, kind, request_hash, count, client)
                 select * from unnest($1::timestamptz[], $2::text[], $3::text[], $4::int[], $5::text[])",
                &at as _,
                &kinds,
                &hashes as _,
                &counts,
                &clients as _,
            )
            .execute(self.pool())
            .await?;
            Ok(())
        })
        .await
    }

    /// Records when files of these requests were sent. The operator adds this to the builds later.
    pub async fn touch_served(&self, batch: &[(RequestHash, Timestamp)]) -> Result<(), StoreError> {
        let counters: Vec<Counter> = batch
            .iter()
            .map(|(hash, at)| Counter {
                at: *at,
                kind: CounterKind::Served,
                request_hash: Some(*hash),
                client: None,
                count: 1,
            })
            .collect();
        self.record_counters(&counters).await
    }
}
