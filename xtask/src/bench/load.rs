//! Measures requests per second for a finished build, with Debian's wrk inside the cluster's network
//! namespace.

use asu_tests::{router::Answer, scenario::System};
use serde_json::json;

use super::{Error, wrk};

/// Number of concurrent connections.
const CONNECTIONS: u32 = 16;

/// Measures GET and POST of a finished build, and the overview.
///
/// # Errors
/// When wrk is missing or fails.
pub async fn run(system: &System, finished: &Answer, seconds: u32) -> Result<(), Error> {
    let cluster = system
        .site
        .cluster()
        .ok_or_else(|| Error::Missing("the load test needs a local cluster".into()))?;
    let service = ["get", "service", "asu-api", "-n", "asu", "-o", "jsonpath={.spec.clusterIP}"];
    let address = system.site.kubectl(&service).await?;
    let hash = finished.text("request_hash");
    let script = script(finished)?;
    let script_path = script.path().to_string_lossy().into_owned();
    println!("\nrequests for a finished build, {CONNECTIONS} connections, {seconds} s each");
    for (via, base) in
        [("service", format!("http://{}", address.trim())), ("ingress", cluster.ingress_url())]
    {
        let get = format!("{base}/api/v1/build/{hash}");
        let post = format!("{base}/api/v1/build");
        let overview = format!("{base}/json/v1/overview.json");
        let runs = [
            ("GET  build", get, None),
            ("POST build", post, Some(script_path.as_str())),
            ("GET  overview", overview, None),
        ];
        for (method, url, script) in runs {
            let command = cluster.nsenter_command("wrk");
            let report = wrk::run(command, CONNECTIONS, seconds, script, &url).await?;
            println!("  {method:<13} via {via:<7}: {report}");
        }
    }
    Ok(())
}

/// A wrk script that posts the finished build's request.
fn script(finished: &Answer) -> Result<tempfile::NamedTempFile, Error> {
    let request = finished.body.get("request").cloned().unwrap_or_else(|| json!({}));
    let body = request.to_string();
    let lua = format!(
        "wrk.method = \"POST\"\nwrk.headers[\"Content-Type\"] = \"application/json\"\nwrk.body = [==[{body}]==]\n"
    );
    let missing = |error: std::io::Error| Error::Missing(error.to_string());
    let file = tempfile::Builder::new().suffix(".lua").tempfile().map_err(missing)?;
    std::fs::write(file.path(), lua).map_err(missing)?;
    Ok(file)
}
