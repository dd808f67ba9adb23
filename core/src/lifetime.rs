//! Decides how long a finished build is fresh and how long it is kept. Called by the operator when it
//! archives a build.
//!
//! *Fresh*: the stored answer is served without another build. *Kept*: the answer and its files still
//! exist, so that a client that polls late or downloads slowly finds them.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{
    failure::{Disposition, FailureReason},
    request::Request,
};

/// Durations by kind of build. The defaults of the `…_fresh` fields are those of the public server
/// (`asu`), except that snapshots always have `moving_fresh`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LifetimePolicy {
    /// Freshness of an image of a release, when the request has package versions.
    pub release_fresh: SignedDuration,
    /// Freshness of an image of a snapshot, or of a request without package versions.
    pub moving_fresh: SignedDuration,
    /// Freshness of a build with a private first-boot script; for failures it is a maximum.
    pub private_fresh: SignedDuration,
    /// Freshness of a failure that the request caused.
    pub failure_fresh: SignedDuration,
    /// Freshness of a failure of the request's own repository. Short, because the repository may work
    /// again soon; not zero, so that repeated requests do not start a pod each time.
    pub repository_fresh: SignedDuration,
    /// How long a successful build is kept.
    pub success_keep: SignedDuration,
    /// How long a failed build and its log are kept.
    pub failure_keep: SignedDuration,
    /// How long a build with a private first-boot script is kept, whether it succeeded or failed.
    pub private_keep: SignedDuration,
}

impl Default for LifetimePolicy {
    fn default() -> Self {
        Self {
            release_fresh: SignedDuration::from_hours(7 * 24),
            moving_fresh: SignedDuration::from_hours(24),
            private_fresh: SignedDuration::from_mins(30),
            failure_fresh: SignedDuration::from_hours(1),
            repository_fresh: SignedDuration::from_mins(5),
            success_keep: SignedDuration::from_hours(30 * 24),
            failure_keep: SignedDuration::from_hours(24),
            private_keep: SignedDuration::from_hours(1),
        }
    }
}

/// How a build ended, reduced to what its lifetime depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It made images.
    Succeeded,
    /// It made none, for this reason.
    Failed(FailureReason),
}

/// The lifetime of a finished build. `keep_until` is never before `fresh_until`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Lifetime {
    /// The stored answer is served until this time.
    pub fresh_until: Timestamp,
    /// The answer and the files are kept until this time.
    pub keep_until: Timestamp,
}

impl LifetimePolicy {
    /// The lifetime of a build of `request` that ended at `finished`. `snapshot` says whether the
    /// version is rebuilt under the same name ([`crate::catalog::Version::snapshot`]).
    pub fn lifetime(
        &self,
        request: &Request,
        snapshot: bool,
        ending: Ending,
        finished: Timestamp,
    ) -> Lifetime {
        let fresh = self.fresh(request, snapshot, ending);
        let keep = self.keep(request, ending).max(fresh);
        Lifetime { fresh_until: after(finished, fresh), keep_until: after(finished, keep) }
    }

    fn fresh(&self, request: &Request, snapshot: bool, ending: Ending) -> SignedDuration {
        let private = request.defaults.is_some();
        match ending {
            // Not caused by the request: the next request starts another build at once.
            Ending::Failed(reason) if reason.disposition() != Disposition::Request => {
                SignedDuration::ZERO
            }
            // The client may have seen a rebuilt snapshot before the catalog did.
            Ending::Failed(FailureReason::RevisionMismatch) if snapshot => SignedDuration::ZERO,
            Ending::Failed(reason) => {
                let fresh = if reason == FailureReason::RepositoryFailed {
                    self.repository_fresh
                } else {
                    self.failure_fresh
                };
                if private { fresh.min(self.private_fresh) } else { fresh }
            }
            Ending::Succeeded if private => self.private_fresh,
            Ending::Succeeded if snapshot || request.packages_versions.is_empty() => {
                self.moving_fresh
            }
            Ending::Succeeded => self.release_fresh,
        }
    }

    fn keep(&self, request: &Request, ending: Ending) -> SignedDuration {
        match ending {
            _ if request.defaults.is_some() => self.private_keep,
            Ending::Succeeded => self.success_keep,
            Ending::Failed(_) => self.failure_keep,
        }
    }
}

/// `time + span`, or the maximum timestamp if that overflows. A negative span counts as zero.
fn after(time: Timestamp, span: SignedDuration) -> Timestamp {
    time.checked_add(span.max(SignedDuration::ZERO)).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        digest::Digest,
        request::{DefaultsDigest, tests::example},
    };

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn versioned() -> Request {
        Request {
            packages_versions: [("vim".parse().unwrap(), "9".to_owned())].into(),
            ..example()
        }
    }

    fn private() -> Request {
        Request {
            defaults: Some(DefaultsDigest { sha256: Digest::of(b"uci set"), length: 7 }),
            ..versioned()
        }
    }

    fn fresh(request: &Request, snapshot: bool, ending: Ending) -> SignedDuration {
        let lifetime = LifetimePolicy::default().lifetime(request, snapshot, ending, NOW);
        lifetime.fresh_until.duration_since(NOW)
    }

    #[test]
    fn a_release_with_named_package_versions_is_fresh_for_7_days() {
        assert_eq!(fresh(&versioned(), false, Ending::Succeeded), SignedDuration::from_hours(168));
    }

    #[test]
    fn snapshots_and_requests_without_versions_are_fresh_for_24_hours() {
        let day = SignedDuration::from_hours(24);
        let unversioned = Request { packages_versions: [].into(), ..example() };
        assert_eq!(fresh(&unversioned, false, Ending::Succeeded), day);
        assert_eq!(fresh(&versioned(), true, Ending::Succeeded), day);
    }

    #[test]
    fn a_private_image_is_fresh_for_30_minutes_and_kept_for_an_hour() {
        let lifetime =
            LifetimePolicy::default().lifetime(&private(), false, Ending::Succeeded, NOW);
        let minutes = |n| NOW + SignedDuration::from_mins(n);
        assert_eq!(lifetime.fresh_until, minutes(30));
        assert_eq!(lifetime.keep_until, minutes(60));
    }

    #[test]
    fn only_a_failure_that_the_request_caused_is_fresh() {
        for &reason in FailureReason::ALL {
            let kept = match reason.disposition() {
                Disposition::Request if reason == FailureReason::RepositoryFailed => {
                    SignedDuration::from_mins(5)
                }
                Disposition::Request => SignedDuration::from_hours(1),
                Disposition::Infrastructure | Disposition::Cancelled => SignedDuration::ZERO,
            };
            assert_eq!(fresh(&versioned(), false, Ending::Failed(reason)), kept, "{reason}");
        }
    }

    /// The client may have seen a rebuilt snapshot before the catalog did.
    #[test]
    fn a_revision_mismatch_of_a_snapshot_is_never_fresh() {
        let wrong = Ending::Failed(FailureReason::RevisionMismatch);
        assert_eq!(fresh(&versioned(), true, wrong), SignedDuration::ZERO);
        assert_eq!(fresh(&versioned(), false, wrong), SignedDuration::from_hours(1));
    }

    proptest! {
        #[test]
        fn a_fresh_build_is_always_kept(
            hours in proptest::array::uniform8(-5_i64..2000),
            is_private: bool,
            snapshot: bool,
            ending in prop_oneof![
                Just(Ending::Succeeded),
                Just(Ending::Failed(FailureReason::BuildFailed)),
                Just(Ending::Failed(FailureReason::RepositoryFailed)),
                Just(Ending::Failed(FailureReason::NoSpace)),
            ],
        ) {
            let [a, b, c, d, e, f, g, h] = hours.map(SignedDuration::from_hours);
            let policy = LifetimePolicy {
                release_fresh: a,
                moving_fresh: b,
                private_fresh: c,
                failure_fresh: d,
                success_keep: e,
                failure_keep: f,
                private_keep: g,
                repository_fresh: h,
            };
            let request = if is_private { private() } else { versioned() };
            let lifetime = policy.lifetime(&request, snapshot, ending, NOW);
            prop_assert!(lifetime.keep_until >= lifetime.fresh_until);
            prop_assert!(lifetime.fresh_until >= NOW);
        }
    }
}
