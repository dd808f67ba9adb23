//! Checks the settings for contradictions between values that are valid alone. Called by `run.rs`
//! at the start. The chart refuses the same values; this check covers installations without it.

use asu_core::quantity::Quantity;

use super::{ClaimMode, Settings};

/// Minimum memory in which a build of the smallest ImageBuilder succeeds, in bytes.
const LEAST_MEMORY: u64 = 128 << 20;
/// Minimum CPU with which a build ends within its time limit, in thousandths of a CPU.
const LEAST_CPU: u64 = 100;
/// Access modes of claims that more than one pod can use in turn.
const ACCESS_MODES: [&str; 2] = ["ReadWriteOnce", "ReadWriteMany"];

impl Settings {
    /// Checks that the settings do not contradict each other.
    ///
    /// # Errors
    /// One sentence that names the contradicting settings.
    pub fn check(&self) -> Result<(), String> {
        self.check_lease()?;
        self.check_store()?;
        self.check_builds()?;
        self.check_caches()
    }

    fn check_lease(&self) -> Result<(), String> {
        let lease = &self.lease;
        if lease.lease_renew_deadline >= lease.lease_duration {
            return Err("ASU_LEASE_RENEW_DEADLINE must be shorter than ASU_LEASE_DURATION".into());
        }
        if lease.lease_retry >= lease.lease_renew_deadline {
            return Err("ASU_LEASE_RETRY must be shorter than ASU_LEASE_RENEW_DEADLINE".into());
        }
        Ok(())
    }

    fn check_store(&self) -> Result<(), String> {
        let store = &self.store;
        if store.store_low_water >= store.store_high_water {
            return Err(format!(
                "ASU_STORE_LOW_WATER={} must be below ASU_STORE_HIGH_WATER={}",
                store.store_low_water, store.store_high_water
            ));
        }
        if store.store_high_water >= store.store_pause {
            return Err(format!(
                "ASU_STORE_PAUSE={} must be above ASU_STORE_HIGH_WATER={}: otherwise no build \
                 starts and no files are deleted",
                store.store_pause, store.store_high_water
            ));
        }
        Ok(())
    }

    fn check_builds(&self) -> Result<(), String> {
        let builds = &self.builds;
        if builds.max_builds == 0 {
            return Err("ASU_MAX_BUILDS must be at least 1: otherwise no build starts".into());
        }
        let memory = quantity("ASU_BUILD_MEMORY", &builds.build_memory)?;
        if memory < Quantity::of(LEAST_MEMORY) {
            let least = Quantity::of(LEAST_MEMORY);
            return Err(format!("ASU_BUILD_MEMORY={} is below {least}", builds.build_memory));
        }
        if let Some(most) = &builds.build_memory_max
            && quantity("ASU_BUILD_MEMORY_MAX", most)? < memory
        {
            return Err(format!(
                "ASU_BUILD_MEMORY_MAX={most} must not be below ASU_BUILD_MEMORY={}",
                builds.build_memory
            ));
        }
        let cpu = quantity("ASU_BUILD_CPU", &builds.build_cpu)?;
        if cpu < Quantity::of_milli(LEAST_CPU) {
            return Err(format!("ASU_BUILD_CPU={} is below {LEAST_CPU}m", builds.build_cpu));
        }
        match &self.pods.colocate {
            Some(label) if label.split_once('=').is_none() => {
                Err(format!("ASU_COLOCATE={label} must be KEY=VALUE"))
            }
            _ => Ok(()),
        }
    }

    fn check_caches(&self) -> Result<(), String> {
        let caches = &self.caches;
        if quantity("ASU_CACHE_SIZE", &caches.cache_size)? == Quantity::of(0) {
            return Err("ASU_CACHE_SIZE must be greater than zero".into());
        }
        quantity("ASU_CACHE_MAX_SIZE", &caches.cache_max_size)?;
        if !ACCESS_MODES.contains(&caches.cache_access_mode.as_str()) {
            let modes = ACCESS_MODES.join(" or ");
            return Err(format!(
                "ASU_CACHE_ACCESS_MODE={} must be {modes}",
                caches.cache_access_mode
            ));
        }
        if caches.cache_claim_mode == ClaimMode::Shared && caches.cache_claim.is_empty() {
            return Err("ASU_CACHE_CLAIM must name the claim of ASU_CACHE_CLAIM_MODE=shared".into());
        }
        Ok(())
    }
}

fn quantity(name: &str, text: &str) -> Result<Quantity, String> {
    text.parse().map_err(|problem| format!("{name}: {problem}"))
}

#[cfg(test)]
mod tests {
    use crate::settings::parsed;

    #[test]
    fn the_default_settings_pass_the_check() {
        assert_eq!(parsed(&[]).check(), Ok(()));
    }

    #[test]
    fn contradicting_settings_are_refused_by_name() {
        let cases: [(&[&str], &str); 15] = [
            (&["--build-memory-max=512Mi"], "ASU_BUILD_MEMORY_MAX=512Mi"),
            (&["--store-pause=50"], "ASU_STORE_PAUSE=50 must be above ASU_STORE_HIGH_WATER=85"),
            (&["--store-low-water=85"], "ASU_STORE_LOW_WATER=85"),
            (&["--build-memory=100Mi"], "ASU_BUILD_MEMORY=100Mi is below 128Mi"),
            (&["--build-memory=lots"], "ASU_BUILD_MEMORY"),
            (&["--build-cpu=50m"], "ASU_BUILD_CPU=50m is below 100m"),
            (&["--max-builds=0"], "ASU_MAX_BUILDS"),
            (&["--cache-size=0"], "ASU_CACHE_SIZE"),
            (&["--cache-size=4 Gi"], "ASU_CACHE_SIZE"),
            (&["--cache-max-size=much"], "ASU_CACHE_MAX_SIZE"),
            (&["--cache-access-mode=RWX"], "ASU_CACHE_ACCESS_MODE=RWX"),
            (&["--cache-claim-mode=shared", "--cache-claim="], "ASU_CACHE_CLAIM"),
            (&["--lease-duration=5s"], "ASU_LEASE_RENEW_DEADLINE"),
            (&["--lease-retry=10s"], "ASU_LEASE_RETRY"),
            (&["--colocate=label"], "ASU_COLOCATE=label"),
        ];
        for (options, says) in cases {
            let problem = parsed(options).check().unwrap_err();
            assert!(problem.contains(says), "{options:?}: {problem}");
        }
    }
}
