//! What the suite asks for: a device that the server offers, with its packages.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::{Map, Value, json};

use super::{
    Error, Options,
    wire::{Reply, Sent, Server},
};
use crate::verdict::{Not, expected};

/// What is asked for, as far as a person decides it.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    /// Name of the distribution.
    pub distro: Option<String>,
    /// Name of the version.
    pub version: Option<String>,
    /// A part of the display name of the device.
    pub model: Option<String>,
}

/// The server and a device that it offers.
#[derive(Debug)]
pub struct Subject {
    /// The server.
    pub server: Server,
    /// Distribution.
    pub distro: String,
    /// Version.
    pub version: String,
    /// target/subtarget.
    pub target: String,
    /// Profile, which is also a valid board.
    pub board: String,
    /// Display name of the device.
    pub model: String,
    /// Packages of its image, without a leading minus.
    pub packages: Vec<String>,
    /// Time limit of a build.
    pub builds_within: Option<Duration>,
}

static SERIAL: AtomicU64 = AtomicU64::new(0);

impl Subject {
    /// Chooses a device from what the server offers.
    ///
    /// # Errors
    /// When the server does not answer, or has no such device.
    pub async fn discover(options: &Options) -> Result<Self, Error> {
        let server = Server::new(&options.url)?;
        let choice = &options.choice;
        let offered = of(&server, "/api/distributions").await?;
        let all = offered.as_object().cloned().unwrap_or_default();
        let named = |name: &String| choice.distro.as_ref().is_none_or(|wanted| wanted == name);
        let (distro, described) = all
            .iter()
            .find(|(name, _)| named(name))
            .ok_or_else(|| Error::Nothing(format!("/api/distributions: {offered}")))?;
        let version = match &choice.version {
            Some(version) => version.clone(),
            None => text(described, "latest"),
        };
        let search = choice.model.clone().unwrap_or_default().replace(' ', "%20");
        let path = format!("/api/models?distro={distro}&version={version}&model_search={search}");
        let models = of(&server, &path).await?;
        let device = models.get(0).ok_or(Error::Nothing(path))?;
        let (target, board) = (text(device, "target"), text(device, "profile"));
        let path = format!(
            "/api/packages_image?distro={distro}&version={version}&target={target}&profile={board}"
        );
        let packages = of(&server, &path).await?;
        let packages = packages.as_array().into_iter().flatten().filter_map(Value::as_str);
        let packages = packages.filter(|name| !name.starts_with('-')).map(str::to_owned).collect();
        let (distro, model) = (distro.clone(), text(device, "model"));
        let builds_within = options.builds_within;
        Ok(Self { server, distro, version, target, board, model, packages, builds_within })
    }

    /// Both parts of the target.
    pub fn target_parts(&self) -> (&str, &str) {
        self.target.split_once('/').unwrap_or((&self.target, ""))
    }

    /// A check of a client of 2019: the device has all packages of its image, in unknown versions.
    pub fn check(&self) -> Value {
        json!({
            "distro": self.distro, "version": self.version, "target": self.target,
            "installed": self.installed(), "upgrade_packages": 0,
        })
    }

    /// The same with another value of a field; null removes it.
    pub fn check_with(&self, field: &str, value: Value) -> Value {
        with(self.check(), field, value)
    }

    /// The packages of the image, each with a version that no index has.
    pub fn installed(&self) -> Value {
        let of = |name: &String| (name.clone(), json!("0-conformance"));
        Value::Object(self.packages.iter().map(of).collect::<Map<String, Value>>())
    }

    /// A request of a client of 2019.
    pub fn request(&self) -> Value {
        json!({
            "distro": self.distro, "version": self.version, "target": self.target,
            "board": self.board, "packages": self.packages,
        })
    }

    /// The same with another value of a field; null removes it.
    pub fn request_with(&self, field: &str, value: Value) -> Value {
        with(self.request(), field, value)
    }

    /// A check or request in the words of a client of 2018: the target in two fields.
    pub fn split(&self, mut body: Value) -> Value {
        let (target, subtarget) = self.target_parts();
        if let Some(body) = body.as_object_mut() {
            body.insert("target".into(), json!(target));
            body.insert("subtarget".into(), json!(subtarget));
        }
        body
    }

    /// A first-boot script that no other request has, so that its request is a new build.
    pub fn new_script() -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        format!("# conformance {} {} {serial}\n", std::process::id(), now.as_nanos())
    }

    /// Sends a POST without headers.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Reply, Not> {
        Ok(self.server.send(&Sent::post(path, body.to_string())).await?)
    }

    /// Sends a GET without headers.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn get(&self, path: &str) -> Result<Reply, Not> {
        Ok(self.server.send(&Sent::get(path)).await?)
    }

    /// The JSON answer 200 of a GET.
    ///
    /// # Errors
    /// When it is another answer.
    pub async fn json(&self, path: &str) -> Result<Value, Not> {
        self.get(path).await?.is(&[200])?.is_open()?.json()
    }
}

/// A body with another value of a field; null removes it.
pub fn with(mut body: Value, field: &str, value: Value) -> Value {
    if let Some(body) = body.as_object_mut() {
        if value.is_null() {
            body.remove(field);
        } else {
            body.insert(field.to_owned(), value);
        }
    }
    body
}

/// A member as text; empty when absent.
pub fn text(value: &Value, member: &str) -> String {
    value.get(member).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// Each member must be there and not be null.
///
/// # Errors
/// When one is missing.
pub fn has_all(value: &Value, members: &[&str], what: &str) -> Result<(), Not> {
    match members.iter().find(|member| value.get(**member).is_none()) {
        None => Ok(()),
        Some(member) => expected(&format!("{what} with {member}"), value),
    }
}

/// The keys of an object must be exactly these, in any order.
///
/// # Errors
/// When there are others.
pub fn has_only(value: &Value, members: &[&str], what: &str) -> Result<(), Not> {
    let object = value.as_object().map(Map::len);
    has_all(value, members, what)?;
    if object == Some(members.len()) {
        return Ok(());
    }
    expected(&format!("{what} with exactly {members:?}"), value)
}

async fn of(server: &Server, path: &str) -> Result<Value, Error> {
    let reply = server.send(&Sent::get(path)).await?;
    Ok(reply.is(&[200])?.json()?)
}
