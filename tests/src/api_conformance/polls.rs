//! Posts a request and asks for its state until the build ended, as clients do.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    clients::Client,
    subject::{Subject, has_only, text},
    wire::Reply,
};
use crate::verdict::{Not, expected, not_here};

/// Path of requests for any image.
pub const BUILD: &str = "/api/build-request";
/// Path of requests for images for sysupgrade.
pub const UPGRADE: &str = "/api/upgrade-request";
/// Pause between two polls. Clients wait 3 to 5 s.
const PAUSE: Duration = Duration::from_millis(500);

/// How a client asks for the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Poll {
    /// With a GET of the hash (auc, Chef).
    Get,
    /// With a POST of only `request_hash` (LuCI).
    Hash,
    /// With the same POST again (LuCI).
    Again,
}

/// The states that a client saw before the end.
#[derive(Debug)]
pub struct Ended {
    /// `X-Imagebuilder-Status` of the answers 202, each once.
    pub states: Vec<String>,
    /// The last answer.
    pub reply: Reply,
}

impl Subject {
    /// Requests an image and polls until the answer is another one than 202. Each answer 202 must have the
    /// form that clients need.
    ///
    /// # Errors
    /// When an answer has not, or the build takes too long.
    pub async fn ended(
        &self,
        client: Client,
        path: &str,
        request: &Value,
        poll: Poll,
    ) -> Result<Ended, Not> {
        let Some(within) = self.builds_within else { return not_here("builds are switched off") };
        let started = Instant::now();
        let mut reply = client.post(&self.server, path, request).await?;
        let mut states = Vec::new();
        while reply.status == 202 {
            let state = waiting(&reply)?;
            if !states.contains(&state) {
                states.push(state);
            }
            if started.elapsed() > within {
                return expected(
                    &format!("the end of the build after {} s", within.as_secs()),
                    reply,
                );
            }
            tokio::time::sleep(PAUSE).await;
            let hash = text(&reply.json()?, "request_hash");
            reply = match poll {
                Poll::Get => client.get(&self.server, &format!("{path}/{hash}")).await?,
                Poll::Hash => {
                    client.post(&self.server, path, &json!({"request_hash": hash})).await?
                }
                Poll::Again => client.post(&self.server, path, request).await?,
            };
        }
        Ok(Ended { states, reply })
    }

    /// The answer of a finished build.
    ///
    /// # Errors
    /// See [`Self::ended`]; and when it failed.
    pub async fn built(
        &self,
        client: Client,
        path: &str,
        request: &Value,
        poll: Poll,
    ) -> Result<Value, Not> {
        self.ended(client, path, request, poll).await?.reply.is(&[200])?.json()
    }
}

/// State in an answer 202: only `request_hash` in the body, a known state, and a position from one.
fn waiting(reply: &Reply) -> Result<String, Not> {
    has_only(&reply.json()?, &["request_hash"], "202")?;
    let state = reply.header("x-imagebuilder-status");
    if !["queue", "initialize", "building"].contains(&state) {
        return expected("X-Imagebuilder-Status: queue, initialize or building", reply);
    }
    let position = reply.header("x-build-queue-position");
    let counts = position.parse::<u32>().is_ok_and(|position| position > 0);
    if counts == (state == "building") {
        return expected("X-Build-Queue-Position from 1, and only before the build runs", reply);
    }
    Ok(state.to_owned())
}
