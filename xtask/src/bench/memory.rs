//! Reads the resident memory of the system's processes from this machine's `/proc`.

use std::{collections::BTreeMap, fmt};

use asu_tests::scenario::System;

use super::Error;

/// Memory of each process in MiB, by the name of its program.
#[derive(Debug, Default)]
pub struct Resident(BTreeMap<&'static str, Vec<u64>>);

/// Programs that run permanently.
const PROGRAMS: [&str; 2] = ["asu-api", "asu-operator"];

impl Resident {
    /// The present values. Only processes in this system's network namespace are counted, because other
    /// clusters on this machine have processes with the same names.
    ///
    /// # Errors
    /// When the cluster is not a local one.
    pub async fn read(system: &System) -> Result<Self, Error> {
        let missing = || Error::Missing("reading the memory needs a local cluster".into());
        let cluster = system.site.cluster().ok_or_else(missing)?;
        let mut found = Self::default();
        for pid in cluster.processes_of_pods() {
            let Ok(status) = tokio::fs::read_to_string(format!("/proc/{pid}/status")).await else {
                continue;
            };
            let field = |name: &str| {
                let line = status.lines().find_map(|line| line.strip_prefix(name))?;
                line.split_whitespace().next().map(str::to_owned)
            };
            let name = field("Name:").unwrap_or_default();
            let program = PROGRAMS.into_iter().find(|program| **program == name);
            let kib = field("VmRSS:").and_then(|text| text.parse::<u64>().ok());
            if let (Some(program), Some(kib)) = (program, kib) {
                found.0.entry(program).or_default().push(kib.div_ceil(1024));
            }
        }
        Ok(found)
    }
}

impl fmt::Display for Resident {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let each = self.0.iter().map(|(program, all)| {
            let all: Vec<String> = all.iter().map(u64::to_string).collect();
            format!("{program} {}", all.join(" and "))
        });
        f.write_str(&each.collect::<Vec<_>>().join(", "))
    }
}
