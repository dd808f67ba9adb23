//! Progress of populate pods, as their logs last reported it, and when it was last written to the
//! status of each cache. Held in memory by the leader: a new leader reads the logs again.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use asu_core::populate_progress::Progress;
use asu_crds::CacheProgress;
use tokio_util::sync::CancellationToken;

/// Minimum time between two writes of a cache's progress.
const INTERVAL: Duration = Duration::from_secs(5);

/// The progress of each cache, by its uid.
#[derive(Debug, Default)]
pub struct Progresses(Mutex<HashMap<String, Followed>>);

#[derive(Debug, Default)]
struct Followed {
    /// The pod whose log is followed now, and what ends this.
    pod: Option<(String, CancellationToken)>,
    latest: Option<Progress>,
    written: Option<(Instant, Option<Progress>)>,
}

impl Drop for Followed {
    fn drop(&mut self) {
        if let Some((_, stop)) = &self.pod {
            stop.cancel();
        }
    }
}

impl Progresses {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Followed>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that the log of a pod is followed, until the returned token is cancelled. `None` if
    /// it already is. Another pod takes the place of the former.
    pub(super) fn begin(
        &self,
        uid: &str,
        pod: &str,
        stop: &CancellationToken,
    ) -> Option<CancellationToken> {
        let mut all = self.lock();
        let followed = all.entry(uid.to_owned()).or_default();
        if followed.pod.as_ref().is_some_and(|(known, _)| known == pod) {
            return None;
        }
        let token = stop.child_token();
        if let Some((_, former)) = followed.pod.replace((pod.to_owned(), token.clone())) {
            former.cancel();
            followed.latest = None;
        }
        Some(token)
    }

    /// Notes that the log of a pod has ended, or cannot be read now.
    pub(super) fn end(&self, uid: &str, pod: &str) {
        if let Some(followed) = self.lock().get_mut(uid) {
            followed.pod.take_if(|(known, _)| known == pod);
        }
    }

    /// Notes what the log of a pod says.
    pub(super) fn report(&self, uid: &str, pod: &str, progress: Progress) {
        if let Some(followed) = self.lock().get_mut(uid)
            && followed.pod.as_ref().is_some_and(|(known, _)| known == pod)
        {
            followed.latest = Some(progress);
        }
    }

    /// The progress for the status of a cache. It changes at most once in [`INTERVAL`].
    pub(super) fn shown(&self, uid: &str, now: Instant) -> Option<CacheProgress> {
        let mut all = self.lock();
        let followed = all.get_mut(uid)?;
        let latest = followed.latest;
        let shown = match followed.written {
            Some((at, shown)) if shown == latest || now.duration_since(at) < INTERVAL => shown,
            _ => {
                followed.written = Some((now, latest));
                latest
            }
        };
        shown.map(|progress| CacheProgress::from(&progress))
    }

    /// Forgets a cache that is not being filled, and stops to follow its pod.
    pub fn forget(&self, uid: &str) {
        self.lock().remove(uid);
    }
}

#[cfg(test)]
mod tests {
    use asu_core::populate_progress::PopulateStep;

    use super::*;

    fn downloaded(bytes: u64) -> Progress {
        Progress { step: PopulateStep::Downloading, bytes: Some(bytes), of: Some(100) }
    }

    fn bytes(shown: Option<CacheProgress>) -> Option<i64> {
        shown.and_then(|progress| progress.bytes)
    }

    #[test]
    fn progress_changes_at_most_once_in_five_seconds() {
        let (all, stop, now) = (Progresses::default(), CancellationToken::new(), Instant::now());
        assert_eq!(all.shown("u", now), None);
        all.begin("u", "pod", &stop).unwrap();
        all.report("u", "pod", downloaded(1));
        assert_eq!(bytes(all.shown("u", now)), Some(1));
        all.report("u", "pod", downloaded(2));
        assert_eq!(bytes(all.shown("u", now + Duration::from_millis(4999))), Some(1));
        assert_eq!(bytes(all.shown("u", now + INTERVAL)), Some(2));
        all.report("u", "pod", downloaded(3));
        assert_eq!(bytes(all.shown("u", now + INTERVAL)), Some(2));
    }

    #[test]
    fn only_the_present_pod_of_a_cache_reports() {
        let (all, stop, now) = (Progresses::default(), CancellationToken::new(), Instant::now());
        let first = all.begin("u", "a", &stop).unwrap();
        assert!(all.begin("u", "a", &stop).is_none(), "one log is read twice");
        all.report("u", "a", downloaded(9));
        let second = all.begin("u", "b", &stop).unwrap();
        assert!(first.is_cancelled());
        all.report("u", "a", downloaded(9));
        assert_eq!(all.shown("u", now), None);
        all.end("u", "a");
        assert!(all.begin("u", "b", &stop).is_none());
        all.end("u", "b");
        assert!(all.begin("u", "b", &stop).is_some(), "a broken log is not read again");
        all.forget("u");
        assert!(!second.is_cancelled(), "its log has ended by itself");
    }
}
