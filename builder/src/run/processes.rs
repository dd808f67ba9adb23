//! Kills the processes that a command left running. A package script can leave its process group,
//! but its orphans become children of this process, because that is a subreaper or PID 1.

use std::{
    collections::BTreeMap,
    fs, io,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, WaitOptions};

/// Maximum time for killing descendants: each round kills those that the one before left.
const PATIENCE: Duration = Duration::from_secs(5);

/// Makes this process inherit the orphans among its descendants.
///
/// # Errors
/// The error of the operating system.
pub fn become_subreaper() -> io::Result<()> {
    Ok(rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?)
}

/// Kills and reaps every descendant of this process.
pub(super) fn kill_descendants() {
    let until = Instant::now() + PATIENCE;
    loop {
        let left = descendants();
        for &pid in &left {
            if let Some(pid) = Pid::from_raw(pid) {
                // It may already have ended.
                let _ = rustix::process::kill_process(pid, Signal::KILL);
            }
        }
        while let Ok(Some(_)) = rustix::process::wait(WaitOptions::NOHANG) {}
        if left.is_empty() || Instant::now() >= until {
            return;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The addresses that the descendants named wget are downloading, by their arguments; `None` if
/// none is running. One without an address in its arguments adds an empty string. A script could
/// fake this, but gains only another attempt.
pub(super) fn downloads() -> Option<Vec<String>> {
    let is_wget = |pid: &i32| {
        fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name == "wget\n")
    };
    let running: Vec<i32> = descendants().into_iter().filter(is_wget).collect();
    let urls = running.iter().flat_map(|pid| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).into_owned();
        let urls: Vec<String> =
            line.split('\0').filter(|word| word.contains("://")).map(str::to_owned).collect();
        if urls.is_empty() { vec![String::new()] } else { urls }
    });
    (!running.is_empty()).then(|| urls.collect())
}

fn descendants() -> Vec<i32> {
    let parents = parents();
    let own = rustix::process::getpid().as_raw_nonzero().get();
    let below_us = |mut pid: i32| {
        // Longer than any chain of processes: stops at a cycle caused by reused process ids.
        for _ in 0..10_000 {
            match parents.get(&pid) {
                Some(&parent) if parent == own => return true,
                Some(&parent) => pid = parent,
                None => return false,
            }
        }
        false
    };
    parents.keys().copied().filter(|&pid| below_us(pid)).collect()
}

/// The parent of every process, by process id.
fn parents() -> BTreeMap<i32, i32> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return BTreeMap::new();
    };
    entries
        .filter_map(|entry| {
            let pid: i32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
            let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
            Some((pid, parent_of(&String::from_utf8_lossy(&stat))?))
        })
        .collect()
}

/// The parent's process id in `/proc/<pid>/stat`: the second word after the name, which is in
/// parentheses and may contain anything.
fn parent_of(stat: &str) -> Option<i32> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_hide_the_parent() {
        assert_eq!(parent_of("12 (a) b) S 7 12 12"), Some(7));
        assert_eq!(parent_of("12"), None);
    }
}
