//! Runs Debian's load generator wrk and parses its report.

use std::fmt;

use asu_tests::exec;
use tokio::process::Command;

use super::Error;

/// Report of wrk.
#[derive(Debug, PartialEq)]
pub struct Report {
    /// Number of responses.
    pub requests: u64,
    /// Responses per second.
    pub per_second: f64,
    /// 99th percentile of the latency.
    pub p99: String,
    /// Lines about errors.
    pub errors: Vec<String>,
}

/// Runs `command`, which starts wrk, with this number of concurrent connections.
///
/// # Errors
/// When wrk is missing or fails.
pub async fn run(
    mut command: Command,
    connections: u32,
    seconds: u32,
    script: Option<&str>,
    url: &str,
) -> Result<Report, Error> {
    command.args(["--threads", "1", "--latency"]);
    command.args(["--connections", &connections.to_string()]);
    command.args(["--duration", &format!("{seconds}s")]);
    if let Some(script) = script {
        command.args(["--script", script]);
    }
    command.arg(url);
    let output = exec::run(command).await?;
    Report::read(&output).ok_or_else(|| Error::Missing(format!("wrk reported {output}")))
}

impl Report {
    fn read(output: &str) -> Option<Self> {
        let lines = || output.lines().map(str::trim);
        let after = |start: &str| lines().find_map(|line| line.strip_prefix(start)).map(str::trim);
        let requests = lines().find_map(|line| line.split_once(" requests in "))?.0;
        let went_wrong =
            |line: &&str| line.starts_with("Non-2xx") || line.starts_with("Socket errors");
        Some(Self {
            requests: requests.parse().ok()?,
            per_second: after("Requests/sec:")?.parse().ok()?,
            p99: after("99%")?.to_owned(),
            errors: lines().filter(went_wrong).map(str::to_owned).collect(),
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.0}/s, p99 {}", self.per_second, self.p99)?;
        self.errors.iter().try_for_each(|error| write!(f, ", {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_contains_rate_latency_and_errors() {
        let output = "Running 2s test @ http://x\n  1 threads and 16 connections\n     \
             99%    2.10ms\n  24691 requests in 2.00s, 3.00MB read\n  \
             Non-2xx or 3xx responses: 3\nRequests/sec:  12345.6\nTransfer/sec: 1MB\n";
        let report = Report::read(output).unwrap();
        assert_eq!(report.requests, 24_691);
        assert_eq!(report.to_string(), "12346/s, p99 2.10ms, Non-2xx or 3xx responses: 3");
        assert_eq!(Report::read("Running"), None);
    }
}
