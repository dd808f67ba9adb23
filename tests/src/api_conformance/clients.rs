//! The forms in which the clients of 2017 to 2019 send their requests.
//!
//! auc: libuclient writes `Host`, `User-Agent` and, for a POST, `Content-Type` and chunks. LuCI and Chef: web
//! pages of another origin, so that a browser asks first (preflight).

use bytes::Bytes;
use http::Method;
use serde_json::Value;

use super::wire::{Framing, Reply, Sent, Server};
use crate::verdict::{Not, expected};

/// Page of LuCI on a router.
const ROUTER: &str = "http://192.168.1.1";
/// Page of Chef on a server of its own.
const CHEF: &str = "https://chef.libremesh.org";
const BROWSER: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:65.0) Gecko/20100101 Firefox/65.0";

/// A program that sends requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    /// auc, with its version.
    Auc(&'static str),
    /// luci-app-attendedsysupgrade.
    Luci,
    /// LibreMesh Chef.
    Chef,
}

impl Client {
    /// A POST of a JSON object. Browsers ask before.
    ///
    /// # Errors
    /// When there is no answer, or a browser could not read it.
    pub async fn post(self, server: &Server, path: &str, body: &Value) -> Result<Reply, Not> {
        let sent = self.sent(Method::POST, path, Some(body.to_string().into()));
        self.send(server, sent).await
    }

    /// A GET. That of Chef has a content type, so that browsers ask before.
    ///
    /// # Errors
    /// When there is no answer, or a browser could not read it.
    pub async fn get(self, server: &Server, path: &str) -> Result<Reply, Not> {
        self.send(server, self.sent(Method::GET, path, None)).await
    }

    async fn send(self, server: &Server, sent: Sent) -> Result<Reply, Not> {
        let Some(origin) = self.origin() else { return Ok(server.send(&sent).await?) };
        let preflight = Sent::get(sent.path.clone())
            .by(Method::OPTIONS)
            .with("User-Agent", BROWSER)
            .with("Access-Control-Request-Method", sent.method.as_str())
            .with("Access-Control-Request-Headers", "content-type")
            .with("Origin", origin);
        let allowed = server.send(&preflight).await?;
        allowed.is(&[200, 204])?.is_open()?;
        let headers = allowed.header("access-control-allow-headers").to_ascii_lowercase();
        if !headers.contains("content-type") && headers != "*" {
            return expected("Access-Control-Allow-Headers with content-type", &allowed);
        }
        let reply = server.send(&sent).await?;
        reply.is_open()?;
        Ok(reply)
    }

    /// The request.
    fn sent(self, method: Method, path: &str, body: Option<Bytes>) -> Sent {
        let framing = if matches!(self, Self::Auc(_)) { Framing::Chunked } else { Framing::Length };
        let sent = Sent {
            method,
            path: path.to_owned(),
            headers: Vec::new(),
            body: body.map(|body| (framing, body)),
        };
        match (self, self.origin()) {
            (Self::Auc(version), _) => {
                let posts = sent.body.is_some();
                let sent = sent.with("User-Agent", format!("auc ({version})"));
                if posts { sent.with("Content-Type", "text/json") } else { sent }
            }
            (_, origin) => sent
                .with("User-Agent", BROWSER)
                .with("Accept", "*/*")
                .with("Accept-Language", "en-US,en;q=0.5")
                .with("Accept-Encoding", "gzip, deflate")
                .with("Content-Type", "application/json")
                .with("Origin", origin.unwrap_or_default())
                .with("Connection", "keep-alive"),
        }
    }

    /// Origin of the page, if it is one.
    fn origin(self) -> Option<&'static str> {
        match self {
            Self::Auc(_) => None,
            Self::Luci => Some(ROUTER),
            Self::Chef => Some(CHEF),
        }
    }
}
