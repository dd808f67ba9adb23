//! Computes how much memory an attempt gets: pure. An attempt that ran out of memory is followed by
//! one with twice as much, up to a maximum.

use asu_core::quantity::Quantity;

use crate::settings::BuildSettings;

/// Memory request of a build with the default limit; it grows with the limit.
const REQUEST: u64 = 128 << 20;
/// Memory limit of the container `publish` for a build with the default limit. It copies files in
/// parts.
const STORING: u64 = 256 << 20;
/// The maximum limit is this many times the default limit, unless it is set.
const TIMES: u64 = 4;

/// Memory of one attempt, as Kubernetes quantities.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptMemory {
    /// Memory request of the container `build`.
    pub request: String,
    /// Memory limit of the container `build`.
    pub limit: String,
    /// Memory limit of the container `publish`.
    pub storing: String,
}

fn bytes(text: &str) -> Option<u64> {
    text.parse().ok().map(Quantity::units)
}

/// Maximum memory of any attempt, in bytes. Never less than the default limit.
fn most(settings: &BuildSettings) -> Option<u64> {
    let usual = bytes(&settings.build_memory)?;
    let most = match &settings.build_memory_max {
        Some(most) => bytes(most)?,
        None => usual.saturating_mul(TIMES),
    };
    Some(most.max(usual))
}

/// The memory of an attempt: the default limit, or `more` after an attempt that ran out of memory.
pub fn share(settings: &BuildSettings, more: Option<&str>) -> AttemptMemory {
    let usual = &settings.build_memory;
    let limit = more.unwrap_or(usual).to_owned();
    // A malformed quantity is passed on: Kubernetes refuses it.
    let (times, most) = match (bytes(usual), bytes(&limit)) {
        (Some(usual), Some(limit)) => (limit.div_ceil(usual.max(1)).max(1), limit),
        _ => (1, u64::MAX),
    };
    let written = |bytes: u64| Quantity::of(bytes).to_string();
    AttemptMemory {
        request: written(REQUEST.saturating_mul(times).min(most)),
        storing: written(STORING.saturating_mul(times)),
        limit,
    }
}

/// The limit of the next attempt after one that ran out of memory with the limit `last`, or with
/// the default limit.
pub fn after(settings: &BuildSettings, last: Option<&str>) -> Option<String> {
    let last = bytes(last.unwrap_or(&settings.build_memory))?;
    let next = last.saturating_mul(2).min(most(settings)?).max(last);
    Some(Quantity::of(next).to_string())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::settings::parsed;

    fn settings(options: &[&str]) -> BuildSettings {
        parsed(options).builds
    }

    fn attempts(options: &[&str]) -> Vec<String> {
        let settings = settings(options);
        let mut limits = vec![share(&settings, None).limit];
        for _ in 1..super::super::step::MAX_ATTEMPTS {
            let next = after(&settings, limits.last().map(String::as_str)).unwrap();
            limits.push(share(&settings, Some(&next)).limit);
        }
        limits
    }

    #[test]
    fn memory_doubles_after_each_out_of_memory_up_to_the_limit() {
        assert_eq!(attempts(&[]), ["1Gi", "2Gi", "4Gi"]);
        assert_eq!(attempts(&["--build-memory-max=3Gi"]), ["1Gi", "2Gi", "3Gi"]);
        let equal = ["--build-memory=2Gi", "--build-memory-max=2Gi"];
        assert_eq!(attempts(&equal), ["2Gi", "2Gi", "2Gi"]);
        assert_eq!(attempts(&["--build-memory=1500Mi"]), ["1500Mi", "3000Mi", "6000Mi"]);
    }

    #[test]
    fn the_memory_request_follows_the_limit_and_never_exceeds_it() {
        let storing = |more| share(&settings(&[]), more).storing;
        assert_eq!((storing(None), storing(Some("2Gi"))), ("256Mi".into(), "512Mi".into()));
        let request = |options: &[&str], more| share(&settings(options), more).request;
        assert_eq!(request(&[], None), "128Mi");
        assert_eq!(request(&[], Some("2Gi")), "256Mi");
        assert_eq!(request(&[], Some("4Gi")), "512Mi");
        assert_eq!(request(&["--build-memory=100Mi"], None), "100Mi");
        assert_eq!(request(&["--build-memory=100Mi"], Some("200Mi")), "200Mi");
    }

    #[test]
    fn a_maximum_below_the_memory_of_a_build_is_refused() {
        let check = |options: &[&str]| parsed(options).check();
        assert!(check(&[]).is_ok());
        assert!(check(&["--build-memory-max=1Gi"]).is_ok());
        let refused = check(&["--build-memory=2Gi", "--build-memory-max=1Gi"]).unwrap_err();
        for setting in ["ASU_BUILD_MEMORY_MAX", "ASU_BUILD_MEMORY"] {
            assert!(refused.contains(setting), "{refused}");
        }
        assert!(check(&["--build-memory-max=much"]).is_err());
    }

    #[test]
    fn a_malformed_quantity_is_passed_to_kubernetes() {
        let settings = settings(&["--build-memory=plenty"]);
        assert_eq!(share(&settings, None).limit, "plenty");
        assert_eq!(after(&settings, None), None);
    }

    proptest! {
        #[test]
        fn no_attempt_gets_less_than_the_one_before_or_more_than_the_limit(
            usual in 1_u64..4096,
            most in 1_u64..65536,
            last in 1_u64..65536,
        ) {
            let options = [format!("--build-memory={usual}Mi"), format!("--build-memory-max={most}Mi")];
            let settings = settings(&options.each_ref().map(String::as_str));
            let last = last.clamp(usual, most.max(usual));
            let next = bytes(&after(&settings, Some(&format!("{last}Mi"))).unwrap()).unwrap();
            prop_assert!(next >= last << 20 && next <= most.max(usual) << 20);
            let share = share(&settings, Some(&Quantity::of(next).to_string()));
            prop_assert!(bytes(&share.request) <= bytes(&share.limit));
        }
    }
}
