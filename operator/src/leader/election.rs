//! The state machine of the election: pure, with the time as an argument. Called by `driver.rs`,
//! which reads and writes the Lease.

use std::time::{Duration, Instant};

/// The fields of a Lease that the election depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The resourceVersion that was read.
    pub version: String,
    /// Identity of the holder; `None` after a release.
    pub holder: Option<String>,
    /// Time within which its holder must renew it.
    pub duration: Duration,
}

/// Times of the election, from the settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Time without renewal after which another process takes over.
    pub duration: Duration,
    /// Time without a successful renewal after which the leader stops.
    pub renew_deadline: Duration,
    /// Time between two attempts.
    pub retry: Duration,
}

/// Whether this process leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lead {
    /// Another process leads, or none does yet.
    Follows,
    /// This process leads.
    Leads,
    /// This process led and must not write any more.
    Lost,
}

/// What to do with the Lease now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// No Lease exists: create it.
    Create,
    /// Write it with this resourceVersion; `takeover` counts as a transition.
    Replace {
        /// resourceVersion that it must still have.
        version: String,
        /// Whether the holder changes.
        takeover: bool,
    },
    /// Do not write.
    Wait,
}

/// The state of one candidate.
#[derive(Clone, Debug)]
pub struct Election {
    identity: String,
    timing: Timing,
    /// The last record that was read, and when it was first read unchanged.
    seen: Option<(Record, Instant)>,
    /// When the last successful renewal was sent.
    renewed: Option<Instant>,
    lost: bool,
}

impl Election {
    /// A candidate that has not read the Lease yet.
    pub fn new(identity: &str, timing: Timing) -> Self {
        Self { identity: identity.to_owned(), timing, seen: None, renewed: None, lost: false }
    }

    /// Whether this process may write at `now`.
    pub fn lead(&self, now: Instant) -> Lead {
        match self.renewed {
            _ if self.lost => Lead::Lost,
            None => Lead::Follows,
            Some(at) if now.duration_since(at) < self.timing.renew_deadline => Lead::Leads,
            Some(_) => Lead::Lost,
        }
    }

    /// Maximum time of an attempt that begins at `now`.
    pub fn attempt_timeout(&self, now: Instant) -> Duration {
        let since = self.renewed.map_or(Duration::ZERO, |at| now.duration_since(at));
        self.timing.renew_deadline.saturating_sub(since)
    }

    /// Time from `now` until another process may take over, without a further renewal.
    pub fn time_left(&self, now: Instant) -> Duration {
        let since = self.renewed.map_or(Duration::MAX, |at| now.duration_since(at));
        self.timing.duration.saturating_sub(since)
    }

    /// Decides what to write after a reading of the Lease that began at `now`.
    pub fn observe(&mut self, record: Option<Record>, now: Instant) -> Step {
        let Some(record) = record else {
            self.seen = None;
            self.lost = self.renewed.is_some();
            return if self.lost { Step::Wait } else { Step::Create };
        };
        let ours = record.holder.as_deref() == Some(self.identity.as_str());
        if self.renewed.is_some() && !ours {
            self.lost = true;
        }
        if self.lost {
            return Step::Wait;
        }
        let since = match &self.seen {
            Some((seen, since)) if *seen == record => *since,
            _ => now,
        };
        self.seen = Some((record.clone(), since));
        let leads = ours && self.renewed.is_some();
        // A record with this identity that this process did not write belongs to another process
        // until it expires: two pods with the same name must not both lead.
        let free = record.holder.is_none() || now.duration_since(since) >= record.duration;
        if leads || free {
            Step::Replace { version: record.version, takeover: !leads }
        } else {
            Step::Wait
        }
    }

    /// Records that the write that was sent at `sent` succeeded with this record.
    pub fn written(&mut self, record: Record, sent: Instant) {
        self.seen = Some((record, sent));
        if !self.lost {
            self.renewed = Some(sent);
        }
    }

    /// Records that the write conflicted, because another process wrote first.
    pub fn conflict(&mut self) {
        if self.renewed.is_some() {
            self.lost = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TIMING: Timing = Timing {
        duration: Duration::from_secs(15),
        renew_deadline: Duration::from_secs(10),
        retry: Duration::from_secs(2),
    };

    fn record(version: u64, holder: Option<&str>) -> Record {
        Record {
            version: version.to_string(),
            holder: holder.map(str::to_owned),
            duration: TIMING.duration,
        }
    }

    fn after(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn a_lease_is_taken_only_after_its_duration_without_a_change() {
        let start = Instant::now();
        let mut b = Election::new("b", TIMING);
        assert_eq!(b.observe(Some(record(1, Some("a"))), start), Step::Wait);
        assert_eq!(b.observe(Some(record(1, Some("a"))), after(start, 14)), Step::Wait);
        let take = Step::Replace { version: "1".into(), takeover: true };
        assert_eq!(b.observe(Some(record(1, Some("a"))), after(start, 15)), take);
    }

    #[test]
    fn a_renewal_restarts_the_wait() {
        let start = Instant::now();
        let mut b = Election::new("b", TIMING);
        b.observe(Some(record(1, Some("a"))), start);
        assert_eq!(b.observe(Some(record(2, Some("a"))), after(start, 14)), Step::Wait);
        assert_eq!(b.observe(Some(record(2, Some("a"))), after(start, 20)), Step::Wait);
    }

    #[test]
    fn a_released_lease_is_taken_at_once() {
        let mut b = Election::new("b", TIMING);
        let step = b.observe(Some(record(7, None)), Instant::now());
        assert_eq!(step, Step::Replace { version: "7".into(), takeover: true });
    }

    #[test]
    fn the_remaining_time_of_a_lease_counts_from_its_last_renewal() {
        let start = Instant::now();
        let mut a = Election::new("a", TIMING);
        assert_eq!(a.time_left(start), Duration::ZERO);
        a.written(record(1, Some("a")), start);
        assert_eq!(a.time_left(after(start, 9)), Duration::from_secs(6));
        assert_eq!(a.time_left(after(start, 20)), Duration::ZERO);
    }

    #[test]
    fn a_leader_that_cannot_renew_stops_before_others_may_take_over() {
        let start = Instant::now();
        let mut a = Election::new("a", TIMING);
        a.written(record(1, Some("a")), start);
        assert_eq!(a.lead(after(start, 9)), Lead::Leads);
        assert_eq!(a.lead(after(start, 10)), Lead::Lost);
    }

    #[test]
    fn a_leader_never_leads_again_after_a_conflict() {
        let start = Instant::now();
        let mut a = Election::new("a", TIMING);
        a.written(record(1, Some("a")), start);
        a.conflict();
        assert_eq!(a.lead(start), Lead::Lost);
        assert_eq!(a.observe(Some(record(2, Some("a"))), start), Step::Wait);
    }

    #[test]
    fn a_leader_whose_lease_was_deleted_or_taken_has_lost() {
        for reading in [None, Some(record(2, Some("b")))] {
            let start = Instant::now();
            let mut a = Election::new("a", TIMING);
            a.written(record(1, Some("a")), start);
            assert_eq!(a.observe(reading, start), Step::Wait);
            assert_eq!(a.lead(start), Lead::Lost);
        }
    }

    #[test]
    fn a_restarted_process_waits_until_its_old_lease_expires() {
        let mut a = Election::new("a", TIMING);
        assert_eq!(a.observe(Some(record(1, Some("a"))), Instant::now()), Step::Wait);
    }

    /// An API server with one Lease: a stale resourceVersion conflicts.
    struct Server(Option<Record>, u64);

    impl Server {
        fn write(&mut self, holder: &str, expected: Option<&str>) -> Option<Record> {
            if self.0.as_ref().map(|record| record.version.as_str()) != expected {
                return None;
            }
            self.1 += 1;
            self.0 = Some(record(self.1, Some(holder)));
            self.0.clone()
        }
    }

    proptest! {
        /// Two candidates act at arbitrary times. A reading may be stale when its write is sent,
        /// and each may be cut off from the server. They must never lead at the same time.
        #[test]
        fn two_candidates_never_lead_at_the_same_time(
            acts in proptest::collection::vec((0_usize..2, 0_u64..6, 0_u64..4, any::<bool>()), 1..200),
        ) {
            let mut now = Instant::now();
            let mut server = Server(None, 0);
            let mut candidates = [Election::new("a", TIMING), Election::new("b", TIMING)];
            for (who, pause, delay, reachable) in acts {
                now += Duration::from_secs(pause);
                let began = now;
                let name = ["a", "b"][who];
                if reachable {
                    let step = candidates[who].observe(server.0.clone(), began);
                    now += Duration::from_secs(delay);
                    let wrote = match step {
                        Step::Wait => continue,
                        Step::Create => server.write(name, None),
                        Step::Replace { version, .. } => server.write(name, Some(&version)),
                    };
                    match wrote {
                        Some(record) => candidates[who].written(record, began),
                        None => candidates[who].conflict(),
                    }
                }
                let leaders = candidates.iter().filter(|c| c.lead(now) == Lead::Leads).count();
                prop_assert!(leaders <= 1);
            }
        }
    }
}
