//! Resident memory of the system's own processes, as the kernel of this machine counts it.

use std::{collections::BTreeMap, fmt};

use asu_tests::scenario::System;

use super::Error;

/// MiB of each process, by the name of its program.
#[derive(Debug, Default)]
pub struct Resident(BTreeMap<&'static str, Vec<u64>>);

/// Programs that run all the time.
const PROGRAMS: [&str; 2] = ["asu-api", "asu-operator"];

impl Resident {
    /// The figures now. Other clusters of this machine have processes of the same name: those of
    /// this system's network namespace alone are counted.
    ///
    /// # Errors
    /// The cluster is no local one.
    pub async fn read(system: &System) -> Result<Self, Error> {
        let missing = || Error::Missing("memory is read on a local cluster".into());
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
