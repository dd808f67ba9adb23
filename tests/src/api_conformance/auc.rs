//! Section 7.1: auc of 2018 (0.0.9, 0.1.0: dialect S) and of 2019 (0.1.3, 0.1.4: dialect C), from the check to
//! the download.

use asu_core::digest::Digest;
use serde_json::{Value, json};

use super::{
    clients::Client,
    polls::{Poll, UPGRADE},
    subject::{Subject, has_all, text},
};
use crate::verdict::{Checked, Not, expected, not_here};

super::rules! {
    "7.1" "auc 0.0.9 checks, requests and downloads by absolute URLs" => auc_0_0_9,
    "7.1" "auc 0.1.0 checks with `installed`, requests and downloads by absolute URLs" => auc_0_1_0,
    "7.1" "auc 0.1.3 checks, requests and downloads by joined paths" => auc_0_1_3,
    "7.1" "auc 0.1.4 tells its revision" => auc_0_1_4,
    "7.1" "auc finds X-Unknown-Package with every 422" => unknown_packages,
}

/// Size of auc's buffer for a URL, with its end.
const BUFFER: usize = 256;

async fn auc_0_0_9(subject: &Subject) -> Checked {
    let mut check = subject.split(subject.check_with("installed", json!(null)));
    check["packages"] = subject.installed();
    check["upgrade_packages"] = json!(1);
    split(subject, Client::Auc("0.0.9"), &check).await
}

async fn auc_0_1_0(subject: &Subject) -> Checked {
    let check = subject.split(subject.check_with("upgrade_packages", json!(1)));
    split(subject, Client::Auc("0.1.0"), &check).await
}

async fn auc_0_1_3(subject: &Subject) -> Checked {
    joined(subject, Client::Auc("0.1.3"), &subject.check_with("upgrade_packages", json!(1))).await
}

async fn auc_0_1_4(subject: &Subject) -> Checked {
    let mut check = subject.check_with("upgrade_packages", json!(1));
    check["revision"] = json!("r1-0123456789");
    joined(subject, Client::Auc("0.1.4"), &check).await
}

/// What auc reads of a check.
async fn checked(subject: &Subject, client: Client, check: &Value) -> Result<(), Not> {
    let reply = client.post(&subject.server, "/api/upgrade-check", check).await?;
    let answer = reply.is(&[200])?.json()?;
    if answer.get("version").is_none() && answer.get("upgrades").is_none() {
        return expected("version or upgrades", answer);
    }
    Ok(())
}

/// The finished answer to a request; none if the device has no image for sysupgrade.
async fn requested(subject: &Subject, client: Client, split: bool) -> Result<Value, Not> {
    let (target, subtarget) = subject.target_parts();
    let mut request = json!({
        "version": subject.version, "distro": subject.distro, "target": subject.target,
        "board": subject.board.replacen('_', ",", 1), "packages": subject.packages,
    });
    if split {
        request["target"] = json!(target);
        request["subtarget"] = json!(subtarget);
    }
    let ended = subject.ended(client, UPGRADE, &request, Poll::Get).await?;
    if ended.reply.status == 501 {
        return not_here("the device has no image for sysupgrade");
    }
    let answer = ended.reply.is(&[200])?.json()?;
    let keys = ["sysupgrade", "files", "log", "request_hash", "image_hash"];
    has_all(&answer, &keys, "an answer")?;
    Ok(answer)
}

async fn split(subject: &Subject, client: Client, check: &Value) -> Checked {
    checked(subject, client, check).await?;
    let answer = requested(subject, client, true).await?;
    let server = subject.server.url.clone();
    let path = |key: &str| {
        let url = text(&answer, key);
        match url.strip_prefix(&server) {
            Some(path) if url.len() < BUFFER => Ok(path.to_owned()),
            _ => expected(&format!("{key} as a URL below {server}, shorter than {BUFFER}"), url),
        }
    };
    path("files")?;
    client.get(&subject.server, &path("log")?).await?.is(&[200])?;
    let image = path("sysupgrade")?;
    let (folder, name) = image.rsplit_once('/').unwrap_or_default();
    let bytes = downloaded(subject, client, &image).await?;
    let sums = client.get(&subject.server, &format!("{folder}/sha256sums")).await?;
    let sums = String::from_utf8_lossy(&sums.is(&[200])?.body).into_owned();
    let line = sums.lines().find(|line| line.ends_with(name));
    if sums.len() < 68
        || !line.is_some_and(|line| line.starts_with(&Digest::of(&bytes).to_string()))
    {
        return expected(&format!("sha256sums with the digest of {name}"), sums);
    }
    Ok(())
}

async fn joined(subject: &Subject, client: Client, check: &Value) -> Checked {
    checked(subject, client, check).await?;
    let answer = requested(subject, client, false).await?;
    let (files, name) = (text(&answer, "files"), text(&answer, "sysupgrade"));
    if !files.starts_with('/') || name.contains('/') {
        return expected("a path and a bare file name", answer);
    }
    // auc joins the parts with slashes of its own.
    let path = format!("/{files}/{name}");
    if subject.server.url.len() + path.len() >= BUFFER {
        return expected(&format!("a URL shorter than {BUFFER}"), path);
    }
    downloaded(subject, client, &path).await?;
    client.get(&subject.server, &text(&answer, "log")).await?.is(&[200])?;
    Ok(())
}

/// Downloads an image; auc compares `Content-Length` with what it got.
async fn downloaded(subject: &Subject, client: Client, path: &str) -> Result<bytes::Bytes, Not> {
    let reply = client.get(&subject.server, path).await?;
    reply.is(&[200])?.has("content-length", &reply.body.len().to_string())?;
    reply.has("content-encoding", "")?;
    Ok(reply.body)
}

async fn unknown_packages(subject: &Subject) -> Checked {
    let client = Client::Auc("0.1.3");
    let mut check = subject.check();
    check["installed"]["no-such"] = json!("1");
    let mut request = subject.request();
    request["packages"] = json!(["no-such"]);
    for (path, body) in [("/api/upgrade-check", check), (UPGRADE, request)] {
        let reply = client.post(&subject.server, path, &body).await?;
        reply.is(&[422])?.has("x-unknown-package", "no-such")?;
    }
    Ok(())
}
