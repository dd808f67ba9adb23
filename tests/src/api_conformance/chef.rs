//! Section 6: LibreMesh Chef of December 2018 (dialect S) and of 2019 (dialect C), a page of another server.

use std::path::Path;

use serde_json::{Value, json};

use super::{
    clients::Client,
    polls::{BUILD, Poll},
    subject::{Subject, has_all, text},
};
use crate::verdict::{Checked, Not, expected};

super::rules! {
    "6" "Chef of 2019 starts" => starts,
    "6" "Chef of 2019 builds, and downloads what `files` lists" => chef_2019,
    "6" "Chef of 2019 shows a new build with a first-boot script until it is done" => new_build,
    "6" "Chef of December 2018 finds, builds, and comes back by the image hash" => chef_2018,
    "6" "Chef forgets a hash after 404 and asks again" => forgets,
}

const CHEF: Client = Client::Chef;

/// The JSON answer 200 to a GET of the page.
async fn read(subject: &Subject, path: &str) -> Result<Value, Not> {
    CHEF.get(&subject.server, path).await?.is(&[200])?.json()
}

async fn starts(subject: &Subject) -> Checked {
    let all = read(subject, "/api/distributions").await?;
    let keys = ["distro_alias", "distro_description", "latest", "versions"];
    has_all(&all[subject.distro.as_str()], &keys, "a distribution")?;
    CHEF.get(&subject.server, "/network-profiles/Packages").await?.is(&[200])?;
    has_all(&read(subject, "/api/v1/stats/image_stats").await?, &["total"], "image_stats")
}

/// A request of the page: the packages of the image, and what the person adds.
async fn request(subject: &Subject, script: &str) -> Result<Value, Not> {
    let Subject { distro, version, model, .. } = subject;
    let search = model.to_lowercase().replace(' ', "%20");
    let path = format!("/api/models?model_search={search}&distro={distro}&version={version}");
    let models = read(subject, &path).await?;
    let device = models.as_array().into_iter().flatten().find(|row| text(row, "model") == *model);
    let Some(device) = device else { return expected(model, models) };
    let (target, profile) = (text(device, "target"), text(device, "profile"));
    let path = format!(
        "/api/packages_image?distro={distro}&version={version}&target={target}&profile={profile}"
    );
    let packages = read(subject, &path).await?;
    Ok(json!({
        "distro": distro, "version": version, "target": target, "board": profile,
        "profile": profile, "defaults": script, "packages": packages,
    }))
}

async fn chef_2019(subject: &Subject) -> Checked {
    let request = request(subject, "").await?;
    let answer = subject.built(CHEF, BUILD, &request, Poll::Get).await?;
    shown(subject, &answer, &text(&answer, "files"), &text(&answer, "log")).await
}

async fn new_build(subject: &Subject) -> Checked {
    let request = request(subject, &Subject::new_script()).await?;
    let ended = subject.ended(CHEF, BUILD, &request, Poll::Get).await?;
    if ended.states.is_empty() {
        return expected("202 for a new build", "none");
    }
    let answer = ended.reply.is(&[200])?.json()?;
    shown(subject, &answer, &text(&answer, "files"), &text(&answer, "log")).await
}

async fn chef_2018(subject: &Subject) -> Checked {
    let named = |row: &&Value| text(row, "name") == subject.distro;
    let distros = read(subject, "/api/distros").await?;
    let Some(row) = distros.as_array().into_iter().flatten().find(named) else {
        return expected(&subject.distro, distros);
    };
    has_all(row, &["alias", "description", "latest"], "a distribution")?;
    let versions = read(subject, "/api/versions").await?;
    has_all(&versions[0], &["distro", "version"], "a version")?;
    let Subject { distro, version, board, .. } = subject;
    let (target, subtarget) = subject.target_parts();
    let path = format!(
        "/api/default_packages?distro={distro}&version={version}&target={target}\
         &subtarget={subtarget}&profile={board}"
    );
    let packages = read(subject, &path).await?["packages"].clone();
    let mut request = subject.split(subject.request());
    request["packages"] = packages;
    let answer = subject.built(CHEF, BUILD, &request, Poll::Get).await?;
    let below = |key: &str| {
        let url = text(&answer, key);
        let path = url.strip_prefix(&subject.server.url).map(str::to_owned);
        path.map_or_else(|| expected(&format!("{key} as an absolute URL"), url), Ok)
    };
    shown(subject, &answer, &below("files")?, &below("log")?).await?;
    // The page keeps the image hash in its address.
    let again = read(subject, &format!("{BUILD}/{}", text(&answer, "image_hash"))).await?;
    has_all(&again, &["files", "image_hash"], "the answer for an image hash")
}

/// What the page shows of a finished build: its files as links, the image and its packages.
async fn shown(subject: &Subject, answer: &Value, files: &str, log: &str) -> Checked {
    has_all(answer, &["request_hash", "image_hash"], "an answer")?;
    if !files.ends_with('/') {
        return expected("files with a slash at the end", files);
    }
    let listed = read(subject, files).await?;
    let names: Vec<String> =
        listed.as_array().into_iter().flatten().map(|entry| text(entry, "name")).collect();
    for entry in listed.as_array().into_iter().flatten() {
        has_all(entry, &["name", "type", "mtime", "size"], "an entry")?;
    }
    let sysupgrade = text(answer, "sysupgrade");
    let link = sysupgrade.rsplit('/').next().unwrap_or_default();
    if !link.is_empty() && !names.iter().any(|name| name == link) {
        return expected(&format!("{link} among the files"), listed);
    }
    for name in &names {
        let reply = CHEF.get(&subject.server, &format!("{files}{name}")).await?;
        reply.is(&[200])?;
        let ending = Path::new(name).extension().unwrap_or_default();
        if ending == "bin" || ending == "gz" {
            reply.has("content-length", &reply.body.len().to_string())?;
        }
    }
    CHEF.get(&subject.server, log).await?.is(&[200])?;
    let html = files.replacen("/json/", "/download/", 1);
    CHEF.get(&subject.server, &html).await?.is(&[200])?;
    let image = read(subject, &format!("/api/image/{}", text(answer, "image_hash"))).await?;
    let keys = ["distro_alias", "version_alias", "model", "target", "snapshots", "manifest_hash"];
    has_all(&image, &keys, "an image")?;
    if text(&image, "build_date").len() < 10 {
        return expected("build_date of at least 10 characters", image);
    }
    let manifest =
        read(subject, &format!("/api/manifest/{}", text(&image, "manifest_hash"))).await?;
    if manifest.as_object().is_none_or(serde_json::Map::is_empty) {
        return expected("versions by name of the package", manifest);
    }
    Ok(())
}

async fn forgets(subject: &Subject) -> Checked {
    let gone = CHEF.get(&subject.server, &format!("{BUILD}/0123456789ab")).await?;
    gone.is_error(404)?;
    // A POST that also answered 404 would make the page ask for ever.
    let request = subject.request_with("packages", json!(["no-such"]));
    CHEF.post(&subject.server, BUILD, &request).await?.is_error(422)?;
    Ok(())
}
