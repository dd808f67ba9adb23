//! Section 7.2: luci-app-attendedsysupgrade of 2018 (dialect S) and 2019 (dialect C). It is a page of the router,
//! asks only by POST, and downloads the image with XHR.

use serde_json::{Value, json};

use super::{
    clients::Client,
    polls::{Poll, UPGRADE},
    subject::{Subject, text},
};
use crate::verdict::{Checked, Not, expected, not_here};

super::rules! {
    "7.2" "LuCI of 2018 checks, requests and downloads across origins" => luci_2018,
    "7.2" "LuCI of 2019 checks, requests and downloads across origins" => luci_2019,
    "7.2" "LuCI shows `error` of a refusal, and the names of unknown packages" => refusals,
}

async fn luci_2018(subject: &Subject) -> Checked {
    let mut check = subject.split(subject.check_with("installed", json!(null)));
    check["packages"] = subject.installed();
    check["upgrade_packages"] = json!("1");
    let packages = checked(subject, &check).await?;
    let request = subject.split(request(subject, &packages));
    let answer = upgraded(subject, &request, Poll::Again).await?;
    let image = text(&answer, "sysupgrade");
    let Some(path) = image.strip_prefix(&subject.server.url) else {
        return expected("an absolute URL", image);
    };
    downloaded(subject, path).await
}

async fn luci_2019(subject: &Subject) -> Checked {
    let mut check = subject.check_with("upgrade_packages", json!("1"));
    check["revision"] = json!("r1-0123456789");
    let packages = checked(subject, &check).await?;
    let mut request = request(subject, &packages);
    request["revision"] = json!("r1-0123456789");
    request["upgrade_packages"] = json!("undefined");
    let answer = upgraded(subject, &request, Poll::Hash).await?;
    let path = text(&answer, "files") + &text(&answer, "sysupgrade");
    downloaded(subject, &path).await
}

/// The packages of the answer to a check, which must be a list: the page joins them.
async fn checked(subject: &Subject, check: &Value) -> Result<Value, Not> {
    let reply = Client::Luci.post(&subject.server, "/api/upgrade-check", check).await?;
    let answer = reply.is(&[200])?.json()?;
    if !answer["packages"].is_array() {
        return expected("packages as a list", answer);
    }
    Ok(answer["packages"].clone())
}

fn request(subject: &Subject, packages: &Value) -> Value {
    let mut request = subject.request();
    request["packages"] = packages.clone();
    request["board"] = json!(subject.board.replacen('_', ",", 1));
    request["board_name"] = request["board"].clone();
    request["model"] = json!(subject.model);
    request
}

async fn upgraded(subject: &Subject, request: &Value, poll: Poll) -> Result<Value, Not> {
    let ended = subject.ended(Client::Luci, UPGRADE, request, poll).await?;
    if ended.reply.status == 501 {
        return not_here("the device has no image for sysupgrade");
    }
    ended.reply.is(&[200])?.json()
}

async fn downloaded(subject: &Subject, path: &str) -> Checked {
    let reply = Client::Luci.get(&subject.server, path).await?;
    reply.is(&[200])?.has("content-length", &reply.body.len().to_string())?;
    Ok(())
}

async fn refusals(subject: &Subject) -> Checked {
    let client = Client::Luci;
    let request = request(subject, &json!(["no-such"]));
    let unknown = client.post(&subject.server, UPGRADE, &request).await?;
    unknown.is_error(422)?.has("x-unknown-package", "no-such")?;
    let other = subject.request_with("version", json!("0"));
    client.post(&subject.server, UPGRADE, &other).await?.is_error(412)?;
    client.post(&subject.server, UPGRADE, &json!({})).await?.is_error(400)?;
    Ok(())
}
