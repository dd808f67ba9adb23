//! Reads from the control group whether the kernel OOM-killed a process of this container, how much
//! memory was used, and the limit. Used by `populate` and `build`.
//!
//! Package managers, shells and make report a killed child in different ways or not at all. The
//! counter of the container's control group counts every OOM-killed process, also when the whole
//! node is out of memory. Both versions of control groups are supported. If nothing can be read,
//! the result is unknown.

use std::{
    fs,
    path::{Path, PathBuf},
};

use asu_core::failure::{Failure, FailureReason};

/// From this value on, a limit of version 1 means "no limit".
const NO_LIMIT: u64 = 1 << 60;

/// Names of the files of a control group, below its folder.
#[derive(Debug)]
struct Files {
    events: &'static str,
    used: [&'static str; 2],
    limit: &'static str,
}

/// Version 2; the peak exists since Linux 5.19.
const UNIFIED: Files =
    Files { events: "memory.events", used: ["memory.peak", "memory.current"], limit: "memory.max" };
/// Version 1.
const LEGACY: Files = Files {
    events: "memory.oom_control",
    used: ["memory.max_usage_in_bytes", "memory.usage_in_bytes"],
    limit: "memory.limit_in_bytes",
};

/// Counts the OOM kills in this container from a point in time on.
#[derive(Debug)]
pub struct Memory(Option<Group>);

#[derive(Debug)]
struct Group {
    folder: PathBuf,
    files: &'static Files,
    /// OOM kills before that time.
    before: u64,
}

impl Memory {
    /// Starts counting, with the control groups that are mounted below `root` (`/` in pods).
    pub fn watch(root: &Path) -> Self {
        let groups = candidates(root).into_iter().find_map(|(folder, files)| {
            let before = kills(&folder.join(files.events))?;
            Some(Group { folder, files, before })
        });
        Self(groups)
    }

    /// Whether the control group cannot be read.
    pub fn is_unknown(&self) -> bool {
        self.0.as_ref().is_none_or(|group| group.kills().is_none())
    }

    /// The failure, if a process was OOM-killed since the start.
    pub fn exhausted(&self) -> Option<Failure> {
        let group = self.0.as_ref()?;
        if group.kills()? <= group.before {
            return None;
        }
        let number = |name: &&str| number(&group.folder.join(name));
        let used = group.files.used.iter().find_map(number).map_or("unknown".to_owned(), mebibytes);
        let limit = number(&group.files.limit).filter(|&limit| limit < NO_LIMIT);
        let limit = limit.map_or("none".to_owned(), mebibytes);
        Some(Failure::new(
            FailureReason::OutOfMemory,
            format!("A process was killed for want of memory: used {used}, limit {limit}"),
        ))
    }
}

impl Group {
    fn kills(&self) -> Option<u64> {
        kills(&self.folder.join(self.files.events))
    }
}

/// Possible folders of the container's control group. In a control group namespace it is the root
/// of the mount; otherwise it is at the path of this process.
fn candidates(root: &Path) -> Vec<(PathBuf, &'static Files)> {
    let mounted = root.join("sys/fs/cgroup");
    let own = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    let path_of = |is_it: fn(&str) -> bool| {
        let found = own.lines().find_map(|line| {
            let mut parts = line.splitn(3, ':').skip(1);
            let (controllers, path) = (parts.next()?, parts.next()?);
            is_it(controllers).then(|| path.trim_start_matches('/').to_owned())
        });
        found.unwrap_or_default()
    };
    let unified = path_of(str::is_empty);
    let legacy =
        path_of(|controllers| controllers.split(',').any(|controller| controller == "memory"));
    vec![
        (mounted.join(unified), &UNIFIED),
        (mounted.join("memory").join(legacy), &LEGACY),
        (mounted.clone(), &UNIFIED),
        (mounted.join("memory"), &LEGACY),
    ]
}

/// Reads the counter `oom_kill` from a file of counters.
fn kills(file: &Path) -> Option<u64> {
    let text = fs::read_to_string(file).ok()?;
    text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
}

fn number(file: &Path) -> Option<u64> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes >> 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(root: &Path, file: &str, text: &str) {
        let file = root.join(file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    fn detail(memory: &Memory) -> Option<String> {
        let failure = memory.exhausted()?;
        assert_eq!(failure.reason, FailureReason::OutOfMemory);
        Some(failure.detail)
    }

    #[test]
    fn an_oom_kill_is_detected_with_both_versions_of_control_groups() {
        for (folder, files, rest) in [
            ("sys/fs/cgroup", &UNIFIED, "max 9\noom 3\n"),
            ("sys/fs/cgroup/memory", &LEGACY, "oom_kill_disable 0\nunder_oom 0\n"),
        ] {
            let root = tempfile::tempdir().unwrap();
            let at = |name: &str| format!("{folder}/{name}");
            put(root.path(), &at(files.events), &format!("{rest}oom_kill 2\noom_group_kill 0\n"));
            let memory = Memory::watch(root.path());
            assert_eq!(detail(&memory), None, "what was before counts nothing");
            put(root.path(), &at(files.events), &format!("{rest}oom_kill 3\n"));
            let unknown = "A process was killed for want of memory: used unknown, limit none";
            assert_eq!(detail(&memory).as_deref(), Some(unknown));
            put(root.path(), &at(files.used[1]), "1048576\n");
            put(root.path(), &at(files.used[0]), "1073741824\n");
            put(root.path(), &at(files.limit), "1073741824\n");
            let known = "A process was killed for want of memory: used 1024 MiB, limit 1024 MiB";
            assert_eq!(detail(&memory).as_deref(), Some(known));
        }
    }

    #[test]
    fn a_missing_limit_is_reported_with_both_versions() {
        for (folder, files, none) in [
            ("sys/fs/cgroup", &UNIFIED, "max\n"),
            ("sys/fs/cgroup/memory", &LEGACY, "9223372036854771712\n"),
        ] {
            let root = tempfile::tempdir().unwrap();
            put(root.path(), &format!("{folder}/{}", files.events), "oom_kill 0\n");
            let memory = Memory::watch(root.path());
            put(root.path(), &format!("{folder}/{}", files.events), "oom_kill 1\n");
            put(root.path(), &format!("{folder}/{}", files.limit), none);
            assert!(detail(&memory).unwrap().ends_with("limit none"));
        }
    }

    #[test]
    fn without_a_namespace_the_control_group_of_the_process_is_read() {
        let root = tempfile::tempdir().unwrap();
        put(root.path(), "proc/self/cgroup", "4:cpu,memory:/pods/x\n0::/pods/y\n");
        put(root.path(), "sys/fs/cgroup/memory/memory.oom_control", "oom_kill 0\n");
        put(root.path(), "sys/fs/cgroup/memory/pods/x/memory.oom_control", "oom_kill 0\n");
        let memory = Memory::watch(root.path());
        put(root.path(), "sys/fs/cgroup/memory/memory.oom_control", "oom_kill 1\n");
        assert_eq!(detail(&memory), None, "another group's kill");
        put(root.path(), "sys/fs/cgroup/memory/pods/x/memory.oom_control", "oom_kill 1\n");
        assert!(detail(&memory).is_some());
    }

    #[test]
    fn unreadable_counters_are_not_an_oom_kill() {
        let root = tempfile::tempdir().unwrap();
        let memory = Memory::watch(root.path());
        assert!(memory.is_unknown());
        assert_eq!(detail(&memory), None);
        // Linux before 4.13 has no counter.
        put(root.path(), "sys/fs/cgroup/memory/memory.oom_control", "under_oom 0\n");
        assert!(Memory::watch(root.path()).is_unknown());
        put(root.path(), "sys/fs/cgroup/memory.events", "oom_kill 0\n");
        let memory = Memory::watch(root.path());
        assert!(!memory.is_unknown());
        fs::remove_file(root.path().join("sys/fs/cgroup/memory.events")).unwrap();
        assert!(memory.is_unknown());
        assert_eq!(detail(&memory), None);
    }
}
