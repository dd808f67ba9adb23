//! Tries the mirrors of a download server in order, and again after a pause. Used by the client's
//! calls; the error decides whether another mirror or another round may help.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use url::Url;

use crate::client::{Upstream, join};
use crate::error::UpstreamError;

/// The answer of the first mirror that succeeded.
pub(crate) struct Given<T> {
    /// The answer.
    pub(crate) answer: T,
    /// The error of an earlier mirror that served wrong content. `None` when the earlier ones only
    /// were unavailable or did not have the file.
    pub(crate) fault: Option<UpstreamError>,
}

impl Upstream {
    /// Calls `ask` with the URL of `path` at each mirror until one succeeds.
    pub(crate) async fn on_any_mirror<T>(
        &self,
        path: &str,
        mut ask: impl AsyncFnMut(Url) -> Result<T, UpstreamError>,
    ) -> Result<T, UpstreamError> {
        let given = self.on_any_base(async |base| ask(join(base, path)?).await).await?;
        Ok(given.answer)
    }

    /// Calls `ask` with a client for each single mirror until one succeeds, so that all files that
    /// `ask` reads come from the same mirror.
    pub(crate) async fn on_each_alone<T>(
        &self,
        mut ask: impl AsyncFnMut(&Self) -> Result<T, UpstreamError>,
    ) -> Result<Given<T>, UpstreamError> {
        self.on_any_base(async |base| ask(&self.alone(base)).await).await
    }

    /// A client for only this mirror, with one round.
    fn alone(&self, base: &Url) -> Self {
        let mut alone = self.clone();
        alone.bases = vec![base.clone()];
        alone.options.rounds = 1;
        alone
    }

    /// Calls `ask` with each mirror until one succeeds, in several rounds while the most important
    /// failure is temporary.
    async fn on_any_base<T>(
        &self,
        mut ask: impl AsyncFnMut(&Url) -> Result<T, UpstreamError>,
    ) -> Result<Given<T>, UpstreamError> {
        let mut round = 0;
        loop {
            let mut worst: Option<UpstreamError> = None;
            for base in &self.bases {
                match ask(base).await {
                    Ok(answer) => {
                        let fault = worst.filter(UpstreamError::is_wrong_content);
                        return Ok(Given { answer, fault });
                    }
                    Err(error) if !error.is_mirrors_fault() => return Err(error),
                    Err(error) => {
                        tracing::debug!(%error, round, "a mirror failed");
                        if worst.as_ref().is_none_or(|worst| worst.weight() < error.weight()) {
                            worst = Some(error);
                        }
                    }
                }
            }
            round += 1;
            match worst {
                Some(error) if !error.is_transient() || round >= self.options.rounds => {
                    return Err(error);
                }
                _ => tokio::time::sleep(self.pause(round)).await,
            }
        }
    }

    /// Pause after this round: random (jitter) between half of the doubled pause and all of it, so
    /// that many clients do not retry at the same moment. The random seed of a hash map is good
    /// enough for that.
    fn pause(&self, round: u32) -> Duration {
        let doubled = self.options.pause.saturating_mul(1 << round.saturating_sub(1).min(16));
        let longest = doubled.min(self.options.max_pause);
        let share = RandomState::new().hash_one(round) % 1000;
        longest / 2 + longest.mul_f64(0.0005 * f64::from(u32::try_from(share).unwrap_or(0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::ClientOptions;

    #[test]
    fn pauses_grow_up_to_their_limit() {
        let bases = vec!["http://h/".parse().unwrap()];
        let upstream = Upstream::new(bases, ClientOptions::default()).unwrap();
        for (round, half) in [(1, 250), (2, 500), (3, 1000), (40, 5000)] {
            let pause = upstream.pause(round).as_millis();
            assert!((half..=2 * half).contains(&pause), "{round}: {pause}");
        }
    }
}
