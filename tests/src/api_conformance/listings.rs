//! Sections 1.5 to 1.12: what is offered, and statistics.

use serde_json::{Value, json};

use super::subject::{Subject, has_all, text};
use crate::verdict::{Checked, expected, not_here};

super::rules! {
    "1.5" "an unknown image is 404" => unknown_image,
    "1.6" "an unknown manifest is 404" => unknown_manifest,
    "1.7" "/api/distros has the names of keys of 2018 and 2019" => distros,
    "1.8" "/api/versions has both names of keys, and filters" => versions,
    "1.9" "/api/models needs distribution and version" => models_need,
    "1.9" "/api/models finds by a part of the name, without regard to case" => models_find,
    "1.9" "wildcards of SQL have no meaning" => models_wildcards,
    "1.10" "/api/packages_image is a list, for both forms of the target" => packages_image,
    "1.10" "/api/default_packages is an object" => default_packages,
    "1.11" "all statistics are answered" => statistics,
    "1.12" "/api/distributions has what Chef needs" => distributions,
    "1.12" "/api/v1/supported lists targets" => supported,
    "1.12" "/network-profiles/Packages lists packages" => network_profiles,
}

async fn unknown_image(subject: &Subject) -> Checked {
    for hash in ["0123456789abcde", "0", "%2e%2e", "%00", "'"] {
        subject.get(&format!("/api/image/{hash}")).await?.is(&[404])?.is_open()?.json()?;
    }
    Ok(())
}

async fn unknown_manifest(subject: &Subject) -> Checked {
    for path in ["/api/manifest/0123456789abcde", "/api/v1/packages_hash/0123456789ab"] {
        subject.get(path).await?.is_error(404)?;
    }
    Ok(())
}

async fn distros(subject: &Subject) -> Checked {
    let rows = subject.json("/api/distros").await?;
    let named = |row: &&Value| text(row, "distro") == subject.distro;
    let Some(row) = rows.as_array().into_iter().flatten().find(named) else {
        return expected(&subject.distro, rows);
    };
    let keys = ["id", "name", "alias", "latest", "description", "distro_id", "distro_alias"];
    has_all(row, &keys, "a distribution")?;
    has_all(row, &["distro_description"], "a distribution")
}

async fn versions(subject: &Subject) -> Checked {
    let of = |name: &str| format!("/api/versions?distro={name}");
    let rows = subject.json(&of(&subject.distro)).await?;
    let Some(rows) = rows.as_array().filter(|rows| !rows.is_empty()) else {
        return expected("versions", rows);
    };
    for row in rows {
        let keys = ["id", "version_id", "distro", "distro_alias", "version", "version_alias"];
        has_all(row, &keys, "a version")?;
        has_all(row, &["alias", "description", "version_description", "snapshots"], "a version")?;
        if text(row, "distro") != subject.distro {
            return expected(&format!("only versions of {}", subject.distro), row);
        }
    }
    if subject.json(&of("no-such")).await? != json!([]) {
        return expected("[]", "versions of an unknown distribution");
    }
    let all = subject.json("/api/versions").await?;
    match all.as_array().map(Vec::len) {
        Some(count) if count >= rows.len() => Ok(()),
        _ => expected("all versions without a filter", all),
    }
}

async fn models_need(subject: &Subject) -> Checked {
    let version = format!("/api/models?version={}", subject.version);
    let distro = format!("/api/models?distro={}", subject.distro);
    for (path, missing) in [(version, "distro"), (distro, "version")] {
        let reply = subject.get(&path).await?;
        reply.is_error(400)?.has("x-missing-param", missing)?;
    }
    Ok(())
}

/// Models of the version with a part of the name, which must be encoded.
async fn models(subject: &Subject, search: &str) -> Result<Vec<Value>, crate::verdict::Not> {
    let Subject { distro, version, .. } = subject;
    let path = format!("/api/models?distro={distro}&version={version}&model_search={search}");
    let rows = subject.json(&path).await?;
    match rows.as_array() {
        Some(rows) => Ok(rows.clone()),
        None => expected("a list", rows),
    }
}

async fn models_find(subject: &Subject) -> Checked {
    for search in [subject.model.to_uppercase(), subject.model.to_lowercase(), String::new()] {
        let rows = models(subject, &search.replace(' ', "%20")).await?;
        let found = rows.iter().find(|row| text(row, "model") == subject.model);
        let Some(row) = found else { return expected(&subject.model, json!(rows)) };
        has_all(row, &["target", "profile", "supported", "version_alias"], "a model")?;
        if text(row, "target").split('/').count() != 2 {
            return expected("target/subtarget", row);
        }
    }
    if !models(subject, "no-such-model").await?.is_empty() {
        return expected("[]", "models of an unknown name");
    }
    Ok(())
}

async fn models_wildcards(subject: &Subject) -> Checked {
    for search in ["%25", "_______", "%5c", "%27%20or%20%271%27=%271"] {
        let rows = models(subject, search).await?;
        let literal = rows.iter().any(|row| {
            let all = [text(row, "model"), text(row, "target"), text(row, "profile")].concat();
            !all.contains(['%', '\\', '\'']) && !all.contains("_______")
        });
        if literal {
            return expected(&format!("no model for {search}"), json!(rows));
        }
    }
    Ok(())
}

/// Query of the subject's device with this target.
fn device(subject: &Subject, target: &str) -> String {
    let Subject { distro, version, board, .. } = subject;
    format!("?distro={distro}&version={version}&target={target}&profile={board}")
}

async fn packages_image(subject: &Subject) -> Checked {
    let (target, subtarget) = subject.target_parts();
    let joined = format!("/api/packages_image{}", device(subject, &subject.target));
    let split = format!("{}&subtarget={subtarget}", device(subject, target));
    let list = subject.json(&joined).await?;
    let names: Vec<&str> =
        list.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if names.is_empty() || !names.is_sorted() {
        return expected("a sorted list of names", list);
    }
    if subject.json(&format!("/api/packages_image{split}")).await? != list {
        return expected("the same list for both forms of the target", list);
    }
    let none = device(subject, "no/such");
    if subject.json(&format!("/api/packages_image{none}")).await? != json!([]) {
        return expected("[]", "packages of an unknown target");
    }
    for gone in ["distro", "version", "target", "profile"] {
        let without: Vec<String> = device(subject, &subject.target)
            .trim_start_matches('?')
            .split('&')
            .filter(|part| !part.starts_with(gone))
            .map(str::to_owned)
            .collect();
        let path = format!("/api/packages_image?{}", without.join("&"));
        subject.get(&path).await?.is_error(400)?.has("x-missing-param", gone)?;
    }
    Ok(())
}

async fn default_packages(subject: &Subject) -> Checked {
    let path = format!("/api/default_packages{}", device(subject, &subject.target));
    let object = subject.json(&path).await?;
    match object["packages"].as_array() {
        Some(names) if !names.is_empty() => Ok(()),
        _ => expected("{packages: [...]}", object),
    }
}

async fn statistics(subject: &Subject) -> Checked {
    let lists = ["popular_packages", "popular_targets", "images_latest", "fails_latest"];
    for name in lists {
        let list = subject.json(&format!("/api/v1/stats/{name}")).await?;
        if list.as_array().is_none_or(|list| list.len() > 50) {
            return expected(&format!("{name} as a list of at most 50"), list);
        }
    }
    for name in ["images", "image_stats"] {
        let sums = subject.json(&format!("/api/v1/stats/{name}")).await?;
        has_all(&sums, &["total", "stored", "requested"], name)?;
    }
    let count = subject.json("/api/v1/stats/packages").await?;
    if !count.is_u64() {
        return expected("packages as a number", count);
    }
    Ok(())
}

async fn distributions(subject: &Subject) -> Checked {
    let all = subject.json("/api/distributions").await?;
    for (name, distro) in all.as_object().into_iter().flatten() {
        has_all(distro, &["distro_alias", "distro_description", "latest", "versions"], name)?;
        let versions = distro["versions"].as_object().cloned().unwrap_or_default();
        if !versions.values().all(Value::is_object) {
            return expected("versions as an object of objects", distro);
        }
        if !versions.contains_key(&text(distro, "latest")) {
            return expected("latest to be a key of versions", distro);
        }
    }
    Ok(())
}

async fn supported(subject: &Subject) -> Checked {
    let rows = subject.json("/api/v1/supported").await?;
    let Some(row) = rows.as_array().and_then(|rows| rows.first()) else {
        return not_here("no target is known to support sysupgrade");
    };
    has_all(row, &["distro", "version", "target"], "a target")
}

async fn network_profiles(subject: &Subject) -> Checked {
    let reply = subject.get("/network-profiles/Packages").await?;
    let text = String::from_utf8_lossy(&reply.is(&[200])?.is_open()?.body).into_owned();
    if text.lines().any(|line| line.starts_with("Package: ")) {
        return Ok(());
    }
    not_here("no distribution has network profiles")
}
