//! Reads and writes the Lease as the state machine in `election.rs` decides. Called by `run.rs`.

use std::time::{Duration, Instant};

use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
};
use kube::{
    Api, Client,
    api::{ObjectMeta, PostParams},
};
use tokio_util::sync::CancellationToken;

use super::election::{Election, Lead, Record, Step, Timing};
use crate::settings::LeaseSettings;

/// Why leading ended.
#[derive(Debug, thiserror::Error)]
pub enum LeaderError {
    /// Another process leads, or the API server could not be reached in time.
    #[error("the Lease {0} is lost")]
    Lost(String),
}

/// The Lease while this process holds it.
pub struct Leadership {
    candidate: Candidate,
}

struct Candidate {
    api: Api<Lease>,
    name: String,
    identity: String,
    timing: Timing,
    election: Election,
    lease: Option<Lease>,
}

/// Waits until this process leads. `None` when `stop` is cancelled before.
pub async fn acquire(
    client: Client,
    namespace: &str,
    settings: &LeaseSettings,
    identity: &str,
    stop: &CancellationToken,
) -> Option<Leadership> {
    let timing = Timing {
        duration: settings.lease_duration,
        renew_deadline: settings.lease_renew_deadline,
        retry: settings.lease_retry,
    };
    let mut candidate = Candidate {
        api: Api::namespaced(client, namespace),
        name: settings.lease_name.clone(),
        identity: identity.to_owned(),
        timing,
        election: Election::new(identity, timing),
        lease: None,
    };
    loop {
        candidate.attempt().await;
        if candidate.election.lead(Instant::now()) == Lead::Leads {
            return Some(Leadership { candidate });
        }
        stop.run_until_cancelled(tokio::time::sleep(timing.retry)).await?;
    }
}

impl Leadership {
    /// Renews the Lease until `stop` is cancelled or the Lease is lost.
    ///
    /// # Errors
    /// [`LeaderError::Lost`]: this process must not write any more.
    pub async fn keep(&mut self, stop: &CancellationToken) -> Result<(), LeaderError> {
        let retry = self.candidate.timing.retry;
        while stop.run_until_cancelled(tokio::time::sleep(retry)).await.is_some() {
            self.candidate.attempt().await;
            if self.candidate.election.lead(Instant::now()) != Lead::Leads {
                return Err(LeaderError::Lost(self.candidate.name.clone()));
            }
        }
        Ok(())
    }

    /// Time until another process may take the Lease if it is not renewed.
    pub fn time_left(&self) -> Duration {
        self.candidate.election.time_left(Instant::now())
    }

    /// Releases the Lease, so that another process can take over at once.
    #[expect(clippy::disallowed_methods, reason = "a Lease tells the time of its holder's clock")]
    pub async fn release(mut self) {
        let Some(mut lease) = self.candidate.lease.take() else { return };
        if let Some(spec) = &mut lease.spec {
            spec.holder_identity = None;
            spec.renew_time = Some(MicroTime(jiff::Timestamp::now()));
        }
        let Candidate { api, name, timing, .. } = &self.candidate;
        let params = PostParams::default();
        let write = api.replace(name, &params, &lease);
        match tokio::time::timeout(timing.retry, write).await {
            Ok(Ok(_)) => tracing::info!(lease = %name, "released the Lease"),
            Ok(Err(error)) => tracing::warn!(lease = %name, %error, "the Lease was not released"),
            Err(_) => tracing::warn!(lease = %name, "releasing the Lease took too long"),
        }
    }
}

impl Candidate {
    /// Reads the Lease once and writes it at most once, before the renew deadline.
    async fn attempt(&mut self) {
        let limit = self.election.attempt_timeout(Instant::now());
        match tokio::time::timeout(limit, self.exchange()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(lease = %self.name, %error, "the Lease was not written");
            }
            Err(_) => tracing::warn!(lease = %self.name, "the request for the Lease timed out"),
        }
    }

    async fn exchange(&mut self) -> Result<(), kube::Error> {
        let sent = Instant::now();
        let found = self.api.get_opt(&self.name).await?;
        let step = self.election.observe(found.as_ref().map(record), sent);
        let written = match (step, found) {
            (Step::Create, _) => {
                let lease = self.desired(None, true);
                self.api.create(&PostParams::default(), &lease).await
            }
            (Step::Replace { takeover, .. }, Some(found)) => {
                let lease = self.desired(Some(found), takeover);
                self.api.replace(&self.name, &PostParams::default(), &lease).await
            }
            _ => return Ok(()),
        };
        match written {
            Ok(lease) => {
                self.election.written(record(&lease), sent);
                self.lease = Some(lease);
                Ok(())
            }
            Err(kube::Error::Api(status)) if status.code == 409 => {
                self.election.conflict();
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// The Lease with this process as its holder. It keeps the resourceVersion that was read, so
    /// that the write conflicts if another process has written since.
    #[expect(clippy::disallowed_methods, reason = "a Lease tells the time of its holder's clock")]
    fn desired(&self, found: Option<Lease>, takeover: bool) -> Lease {
        let now = MicroTime(jiff::Timestamp::now());
        let mut lease = found.unwrap_or_else(|| Lease {
            metadata: ObjectMeta { name: Some(self.name.clone()), ..ObjectMeta::default() },
            spec: None,
        });
        let mut spec = lease.spec.take().unwrap_or_default();
        if takeover {
            spec.acquire_time = Some(now.clone());
            spec.lease_transitions = Some(spec.lease_transitions.unwrap_or(-1).saturating_add(1));
        }
        lease.spec = Some(LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: i32::try_from(self.timing.duration.as_secs()).ok(),
            renew_time: Some(now),
            ..spec
        });
        lease
    }
}

fn record(lease: &Lease) -> Record {
    let spec = lease.spec.clone().unwrap_or_default();
    let seconds = spec.lease_duration_seconds.and_then(|s| u64::try_from(s).ok()).unwrap_or(15);
    Record {
        version: lease.metadata.resource_version.clone().unwrap_or_default(),
        holder: spec.holder_identity.filter(|holder| !holder.is_empty()),
        duration: Duration::from_secs(seconds),
    }
}
