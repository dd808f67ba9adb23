//! Decides how a request is answered, from the newest known build with its hash: the look-up table of
//! the API. How long a finished build answers is decided in [`crate::lifetime`].

use jiff::Timestamp;

use crate::{
    digest::{Digest, FieldHasher},
    failure::{Disposition, FailureReason},
    names::PackageSpec,
    request::Request,
};

/// The order of the packages in a request. It may differ between requests with the same hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Order(Digest);

impl Order {
    /// The order of a canonical request.
    pub fn of(request: &Request) -> Self {
        let mut hasher = FieldHasher::new("asu.dev/order/v1");
        let packages = request.requested_packages();
        hasher.list(packages.into_iter().map(PackageSpec::as_str));
        Self(hasher.finish())
    }

    /// The order of a failed request, if the failure may depend on the order.
    pub fn failed(reason: FailureReason, request: &Request) -> Option<Self> {
        reason.depends_on_order().then(|| Self::of(request))
    }
}

/// The kind of a client's request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Intent {
    /// POST: the client wants the image, with its packages in this order.
    Build(Order),
    /// GET or HEAD: the client wants the state of the build.
    Poll,
}

impl Intent {
    /// Whether a build that depends on this order, if on any, answers the request.
    pub fn accepts_order(self, order: Option<Order>) -> bool {
        match self {
            Self::Build(sent) => order.is_none_or(|failed| failed == sent),
            Self::Poll => true,
        }
    }
}

/// The newest known build of a request hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Newest {
    /// There is none.
    None,
    /// It is not archived yet.
    Alive,
    /// It is archived.
    Ended(EndedBuild),
}

/// An archived build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndedBuild {
    /// How it ended.
    pub conclusion: Conclusion,
    /// Its answer is sent again until this time.
    pub fresh_until: Timestamp,
    /// Its answer and files are kept until this time.
    pub keep_until: Timestamp,
}

/// How a build ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conclusion {
    /// It built an image.
    Succeeded {
        /// Whether its files still exist. Retention may delete them before they expire.
        files: bool,
        /// Whether another build is predicted to have the same files.
        unchanged: bool,
    },
    /// It failed.
    Failed {
        /// Whose fault the failure is.
        disposition: Disposition,
        /// The order that failed, if another one may succeed.
        order: Option<Order>,
    },
}

impl Conclusion {
    /// The conclusion of a failed build of `request`.
    pub fn failed(reason: FailureReason, request: &Request) -> Self {
        Self::Failed { disposition: reason.disposition(), order: Order::failed(reason, request) }
    }
}

/// The kind of answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Create a build and answer 202.
    Create,
    /// A live build: 202.
    Wait,
    /// The stored image: 200.
    Serve,
    /// The stored failure: 500.
    StoredFailure,
    /// No build: 404.
    NotFound,
}

/// Decides the answer.
pub fn answer(newest: Newest, intent: Intent, now: Timestamp) -> Answer {
    match newest {
        Newest::None => absent(intent),
        Newest::Alive => Answer::Wait,
        Newest::Ended(build) => {
            let stored = match build.conclusion {
                Conclusion::Succeeded { files: false, .. } => return absent(intent),
                Conclusion::Succeeded { .. } => Answer::Serve,
                Conclusion::Failed { .. } => Answer::StoredFailure,
            };
            match intent {
                _ if build.counts(now) && build.fits(intent) => stored,
                Intent::Poll if now < build.keep_until => stored,
                _ => absent(intent),
            }
        }
    }
}

fn absent(intent: Intent) -> Answer {
    match intent {
        Intent::Build(_) => Answer::Create,
        Intent::Poll => Answer::NotFound,
    }
}

impl EndedBuild {
    /// Whether the answer is sent again without another build. An infrastructure failure never is,
    /// regardless of its lifetime.
    pub fn counts(&self, now: Timestamp) -> bool {
        let fresh = now < self.fresh_until;
        match self.conclusion {
            Conclusion::Succeeded { files, unchanged } => {
                files && (fresh || (unchanged && now < self.keep_until))
            }
            Conclusion::Failed { disposition, .. } => fresh && disposition == Disposition::Request,
        }
    }

    /// Whether this is a failure of another order of the packages, so that an older failure may answer
    /// the request.
    pub fn is_of_another_order(&self, intent: Intent) -> bool {
        !self.fits(intent)
    }

    /// Whether the build answers the request. A failure that may depend on the order of the packages
    /// answers only requests with the same order.
    pub fn fits(&self, intent: Intent) -> bool {
        match self.conclusion {
            Conclusion::Failed { order, .. } => intent.accepts_order(order),
            Conclusion::Succeeded { .. } => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use proptest::prelude::*;

    use super::*;

    const GOOD: Conclusion = Conclusion::Succeeded { files: true, unchanged: false };
    const SAME: Conclusion = Conclusion::Succeeded { files: true, unchanged: true };
    const GONE: Conclusion = Conclusion::Succeeded { files: false, unchanged: true };
    const fn failed(disposition: Disposition) -> Conclusion {
        Conclusion::Failed { disposition, order: None }
    }
    const OWN_FAULT: Conclusion = failed(Disposition::Request);
    const OUR_FAULT: Conclusion = failed(Disposition::Infrastructure);
    const CANCELLED: Conclusion = failed(Disposition::Cancelled);
    const SENT: Order = Order(Digest::from_bytes([1; 32]));
    const OTHER: Order = Order(Digest::from_bytes([2; 32]));

    fn at(minute: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minute)
    }

    /// Fresh until minute 10, kept until minute 20.
    fn ended(conclusion: Conclusion) -> Newest {
        Newest::Ended(EndedBuild { conclusion, fresh_until: at(10), keep_until: at(20) })
    }

    fn both(newest: Newest, minute: i64) -> (Answer, Answer) {
        (answer(newest, Intent::Build(SENT), at(minute)), answer(newest, Intent::Poll, at(minute)))
    }

    #[test]
    fn the_answers_of_post_and_get_match_the_table() {
        use Answer::{Create, NotFound, Serve, StoredFailure, Wait};
        let (fresh, stale, over) = (5, 15, 25);
        let table = [
            (Newest::None, fresh, (Create, NotFound)),
            (Newest::Alive, fresh, (Wait, Wait)),
            (ended(GOOD), fresh, (Serve, Serve)),
            (ended(GOOD), stale, (Create, Serve)),
            (ended(GOOD), over, (Create, NotFound)),
            (ended(SAME), stale, (Serve, Serve)),
            (ended(SAME), over, (Create, NotFound)),
            (ended(GONE), fresh, (Create, NotFound)),
            (ended(OWN_FAULT), fresh, (StoredFailure, StoredFailure)),
            (ended(OWN_FAULT), stale, (Create, StoredFailure)),
            (ended(OWN_FAULT), over, (Create, NotFound)),
            (ended(OUR_FAULT), fresh, (Create, StoredFailure)),
            (ended(OUR_FAULT), stale, (Create, StoredFailure)),
            (ended(OUR_FAULT), over, (Create, NotFound)),
            (ended(CANCELLED), fresh, (Create, StoredFailure)),
        ];
        for (newest, minute, expected) in table {
            assert_eq!(both(newest, minute), expected, "{newest:?} at minute {minute}");
        }
    }

    #[test]
    fn a_failure_of_one_order_answers_the_same_order_and_get() {
        let of = |order| {
            let conclusion =
                Conclusion::Failed { disposition: Disposition::Request, order: Some(order) };
            both(ended(conclusion), 5)
        };
        assert_eq!(of(SENT), (Answer::StoredFailure, Answer::StoredFailure));
        assert_eq!(of(OTHER), (Answer::Create, Answer::StoredFailure));
    }

    #[test]
    fn only_failures_that_may_depend_on_the_order_keep_the_order() {
        let request = crate::request::tests::example();
        let order = |reason| match Conclusion::failed(reason, &request) {
            Conclusion::Failed { order, .. } => order,
            Conclusion::Succeeded { .. } => None,
        };
        assert_eq!(order(FailureReason::PackageSelection), Some(Order::of(&request)));
        assert_eq!(order(FailureReason::RevisionMismatch), None);
        assert_eq!(order(FailureReason::ProfileNotBuilt), None);
    }

    #[test]
    fn an_order_contains_names_with_and_without_versions() {
        let of = |packages: &[&str], versions: &[&str]| {
            Order::of(&Request {
                packages: packages.iter().map(|name| name.parse().unwrap()).collect(),
                packages_versions: versions
                    .iter()
                    .map(|name| (name.parse().unwrap(), "1".into()))
                    .collect(),
                ..crate::request::tests::example()
            })
        };
        assert_ne!(of(&["a", "b"], &[]), of(&["b", "a"], &[]));
        assert_eq!(of(&["a", "b"], &[]), of(&["a", "b", "a"], &["a", "b"]));
        assert_ne!(of(&["a", "b"], &["a", "b"]), of(&["b", "a"], &["a", "b"]));
    }

    #[test]
    fn a_lifetime_ends_exactly_at_its_end() {
        assert_eq!(both(ended(GOOD), 10).0, Answer::Create);
        assert_eq!(both(ended(GOOD), 20).1, Answer::NotFound);
    }

    fn conclusions() -> impl Strategy<Value = Conclusion> {
        prop_oneof![
            (any::<bool>(), any::<bool>())
                .prop_map(|(files, unchanged)| Conclusion::Succeeded { files, unchanged }),
            Just(OWN_FAULT),
            Just(OUR_FAULT),
            Just(CANCELLED),
        ]
    }

    fn newest() -> impl Strategy<Value = Newest> {
        prop_oneof![
            Just(Newest::None),
            Just(Newest::Alive),
            (conclusions(), 0_i64..100, 0_i64..100).prop_map(|(conclusion, fresh, more)| {
                Newest::Ended(EndedBuild {
                    conclusion,
                    fresh_until: at(fresh),
                    keep_until: at(fresh + more),
                })
            }),
        ]
    }

    proptest! {
        #[test]
        fn a_get_never_creates_and_a_post_never_ends_in_404(known in newest(), minute in 0_i64..250) {
            let (post, get) = both(known, minute);
            prop_assert_ne!(get, Answer::Create);
            prop_assert_ne!(post, Answer::NotFound);
        }

        #[test]
        fn every_stored_answer_to_a_post_also_answers_a_get(known in newest(), minute in 0_i64..250) {
            let (post, get) = both(known, minute);
            if post != Answer::Create {
                prop_assert_eq!(post, get);
            }
        }

        #[test]
        fn expired_builds_and_builds_without_files_are_not_served(known in newest(), minute in 0_i64..250) {
            if let Newest::Ended(build) = known {
                let over = at(minute) >= build.keep_until;
                let gone = matches!(build.conclusion, Conclusion::Succeeded { files: false, .. });
                if over || gone {
                    prop_assert_eq!(both(known, minute), (Answer::Create, Answer::NotFound));
                }
            }
        }

        #[test]
        fn an_infrastructure_failure_is_never_kept_as_an_answer(
            fresh in 0_i64..100, more in 0_i64..100, minute in 0_i64..250,
        ) {
            let known = Newest::Ended(EndedBuild {
                conclusion: OUR_FAULT,
                fresh_until: at(fresh),
                keep_until: at(fresh + more),
            });
            prop_assert_eq!(both(known, minute).0, Answer::Create);
        }
    }
}
