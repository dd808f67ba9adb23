//! Pins a process to as many CPUs as the container's limit allows: mksquashfs starts a thread for
//! every visible CPU and ignores the quota.

use std::{fs, hash::BuildHasher as _, io};

use rustix::thread::CpuSet;

/// Whole CPUs of the quota of cgroup v2 or v1; `None` without a quota.
fn quota() -> Option<usize> {
    let read = |path: &str| fs::read_to_string(path).ok();
    if let Some(line) = read("/sys/fs/cgroup/cpu.max") {
        return whole_cpus_v2(&line);
    }
    let quota = read("/sys/fs/cgroup/cpu/cpu.cfs_quota_us")?;
    let period = read("/sys/fs/cgroup/cpu/cpu.cfs_period_us")?;
    whole_cpus(&quota, &period)
}

fn whole_cpus_v2(line: &str) -> Option<usize> {
    let (quota, period) = line.trim().split_once(' ')?;
    whole_cpus(quota, period)
}

fn whole_cpus(quota: &str, period: &str) -> Option<usize> {
    let quota: usize = quota.trim().parse().ok()?;
    let period: usize = period.trim().parse().ok()?;
    (period > 0).then(|| quota.div_ceil(period).max(1))
}

fn available() -> Vec<usize> {
    match rustix::thread::sched_getaffinity(None) {
        Ok(set) => (0..CpuSet::MAX_CPU).filter(|&cpu| set.is_set(cpu)).collect(),
        Err(_) => Vec::new(),
    }
}

/// Chooses the CPUs for a build; empty means all. They begin at a random CPU, so that concurrent
/// builds do not all share the first ones.
pub fn choose() -> Vec<usize> {
    let all = available();
    let Some(wanted) = quota().filter(|&wanted| wanted < all.len()) else {
        return Vec::new();
    };
    let random = std::hash::RandomState::new().hash_one(wanted);
    let start = usize::try_from(random % (all.len() as u64)).unwrap_or(0);
    all.iter().cycle().skip(start).take(wanted).copied().collect()
}

/// Pins this process; an empty list changes nothing.
pub(super) fn pin(cpus: &[usize]) -> io::Result<()> {
    if cpus.is_empty() {
        return Ok(());
    }
    let mut set = CpuSet::new();
    for &cpu in cpus.iter().filter(|&&cpu| cpu < CpuSet::MAX_CPU) {
        set.set(cpu);
    }
    Ok(rustix::thread::sched_setaffinity(None, &set)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_is_rounded_up_to_whole_cpus() {
        assert_eq!(whole_cpus_v2("150000 100000\n"), Some(2));
        assert_eq!(whole_cpus_v2("50000 100000\n"), Some(1));
        assert_eq!(whole_cpus_v2("max 100000\n"), None);
        assert_eq!(whole_cpus("-1\n", "100000\n"), None);
        assert_eq!(whole_cpus("100000", "0"), None);
    }

    #[test]
    fn chosen_cpus_are_available_ones() {
        let all = available();
        assert!(choose().iter().all(|cpu| all.contains(cpu)));
    }
}
