//! Section 1.1: `POST /api/upgrade-check` and `GET /api/upgrade-check/<hash>`, by the rows of its table.

use serde_json::{Value, json};

use super::subject::{Subject, has_all, text};
use crate::verdict::{Checked, expected, not_here};

super::rules! {
    "1.1" "row 2: without a distribution, X-Missing-Param names it" => no_distro,
    "1.1" "row 3: an unknown distribution is 412" => unknown_distro,
    "1.1" "row 4: without a version, the recommended one is answered" => no_version,
    "1.1" "row 5: an unknown version is 412" => unknown_version,
    "1.1" "row 6: case and the names of snapshots do not matter" => names,
    "1.1" "row 7: without a target, the version decides" => no_target,
    "1.1" "row 8: an unknown target is 412, and a half one is 400" => unknown_target,
    "1.1" "row 9: without packages, the version decides" => no_packages,
    "1.1" "row 10: unknown packages are 422 and all in X-Unknown-Package" => unknown_packages,
    "1.1" "row 10: libc, kernel and libgcc are never unknown" => always_known,
    "1.1" "row 11: upgrades are [new, installed], and only if they are asked for" => upgrades,
    "1.1" "row 11: `packages` as an object is 2018's `installed`" => packages_of_2018,
    "1.1" "both forms of the target are one" => both_targets,
    "1.1" "a check has a hash, and is found again by it" => found_again,
}

const PATH: &str = "/api/upgrade-check";

async fn no_distro(subject: &Subject) -> Checked {
    for value in [json!(null), json!("")] {
        let body = subject.check_with("distro", value);
        let reply = subject.post(PATH, &body).await?;
        reply.is(&[400, 412])?.has("x-missing-param", "distro")?.is_error(reply.status)?;
    }
    Ok(())
}

async fn unknown_distro(subject: &Subject) -> Checked {
    for name in ["no-such", "../openwrt", "%", "'; drop table distros; --", "$(reboot)", "a\nb"] {
        subject.post(PATH, &subject.check_with("distro", json!(name))).await?.is_error(412)?;
    }
    Ok(())
}

async fn no_version(subject: &Subject) -> Checked {
    let reply = subject.post(PATH, &subject.check_with("version", json!(null))).await?;
    let answer = reply.is(&[200])?.json()?;
    let offered = subject.json("/api/distributions").await?;
    let latest = text(&offered[subject.distro.as_str()], "latest");
    if text(&answer, "version") != latest {
        return expected(&format!("version {latest}"), answer);
    }
    Ok(())
}

async fn unknown_version(subject: &Subject) -> Checked {
    for version in ["0.0.0", "../snapshots", "%", "-1", "$(id)"] {
        subject.post(PATH, &subject.check_with("version", json!(version))).await?.is_error(412)?;
    }
    Ok(())
}

async fn names(subject: &Subject) -> Checked {
    let upper = subject.check_with("distro", json!(subject.distro.to_uppercase()));
    subject.post(PATH, &upper).await?.is(&[200, 204])?;
    let offered = subject.json("/api/versions").await?;
    let snapshot = |row: &&Value| text(row, "version").eq_ignore_ascii_case("snapshot");
    let Some(row) = offered.as_array().into_iter().flatten().find(snapshot) else {
        return not_here("no snapshot is offered");
    };
    for version in ["SNAPSHOT", "snapshot", "snapshots"] {
        let body = json!({"distro": text(row, "distro"), "version": version});
        subject.post(PATH, &body).await?.is(&[200, 204])?;
    }
    Ok(())
}

async fn no_target(subject: &Subject) -> Checked {
    let body = json!({"distro": subject.distro, "version": subject.version});
    subject.post(PATH, &body).await?.is(&[200, 204])?;
    Ok(())
}

async fn unknown_target(subject: &Subject) -> Checked {
    for target in ["no/such", "../x", "a/b/c", "%/%", "/", "$(id)/x"] {
        let reply = subject.post(PATH, &subject.check_with("target", json!(target))).await?;
        reply.is(&[400, 412])?.is_error(reply.status)?;
    }
    let half = subject.check_with("target", json!(subject.target_parts().0));
    let reply = subject.post(PATH, &half).await?;
    reply.is(&[400, 412])?.is_error(reply.status)?;
    Ok(())
}

async fn no_packages(subject: &Subject) -> Checked {
    for value in [json!(null), json!({})] {
        subject.post(PATH, &subject.check_with("installed", value)).await?.is(&[200, 204])?;
    }
    Ok(())
}

async fn unknown_packages(subject: &Subject) -> Checked {
    let mut body = subject.check();
    body["installed"]["no-such-b"] = json!("1");
    body["installed"]["no-such-a"] = json!("2");
    let reply = subject.post(PATH, &body).await?;
    let mut named: Vec<&str> =
        reply.is_error(422)?.header("x-unknown-package").split(", ").collect();
    named.sort_unstable();
    if named != ["no-such-a", "no-such-b"] {
        return expected("X-Unknown-Package: no-such-b, no-such-a", &reply);
    }
    for name in ["$(shell reboot)", "a\nb", "-", "a b", "../x", "%"] {
        let body = subject.check_with("installed", json!({name: "1"}));
        let reply = subject.post(PATH, &body).await?;
        if reply.is_error(422)?.header("x-unknown-package").is_empty() {
            return expected("X-Unknown-Package", &reply);
        }
    }
    Ok(())
}

async fn always_known(subject: &Subject) -> Checked {
    let mut body = subject.check();
    for name in ["libc", "kernel", "libgcc", "libgcc1"] {
        body["installed"][name] = json!("0");
    }
    subject.post(PATH, &body).await?.is(&[200, 204])?;
    Ok(())
}

async fn upgrades(subject: &Subject) -> Checked {
    for on in [json!(1), json!("1"), json!(true)] {
        let reply = subject.post(PATH, &subject.check_with("upgrade_packages", on)).await?;
        let answer = reply.is(&[200])?.json()?;
        let upgrades = answer["upgrades"].as_object().cloned().unwrap_or_default();
        let well = |pair: &Value| {
            pair.as_array().is_some_and(|pair| {
                pair.len() == 2 && pair[1] == "0-conformance" && pair[0].is_string()
            })
        };
        if upgrades.is_empty() || !upgrades.values().all(well) {
            return expected("upgrades {name: [new, installed]}", answer);
        }
        if !answer["packages"].is_array() {
            return expected("packages as a list", answer);
        }
    }
    let current = subject.post(PATH, &subject.check_with("upgrade_packages", json!(0))).await?;
    let again = subject.post(PATH, &subject.check_with("upgrade_packages", json!(null))).await?;
    if current.status != again.status {
        return expected("0 and an absent upgrade_packages to be the same", &again);
    }
    Ok(())
}

async fn packages_of_2018(subject: &Subject) -> Checked {
    let mut old = subject.check_with("installed", json!(null));
    old["packages"] = subject.installed();
    old["upgrade_packages"] = json!(1);
    let answer = subject.post(PATH, &subject.split(old)).await?.is(&[200])?.json()?;
    has_all(&answer, &["upgrades", "packages"], "an answer")
}

async fn both_targets(subject: &Subject) -> Checked {
    let joined = subject.post(PATH, &subject.check()).await?;
    let split = subject.post(PATH, &subject.split(subject.check())).await?;
    if joined.status != split.status {
        return expected(&format!("{} for both forms", joined.status), &split);
    }
    Ok(())
}

async fn found_again(subject: &Subject) -> Checked {
    let body = subject.check_with("upgrade_packages", json!(1));
    let reply = subject.post(PATH, &body).await?;
    let answer = reply.is(&[200])?.json()?;
    let hash = text(&answer, "request_hash");
    if hash.len() < 32 {
        return expected("a request_hash of at least 32 digits", answer);
    }
    let again = subject.get(&format!("{PATH}/{hash}")).await?;
    // Another replica does not know it.
    again.is(&[200, 404])?.is_open()?.json()?;
    subject.get(&format!("{PATH}/0123456789abcdef")).await?.is_error(404)?;
    if subject.post(PATH, &subject.check()).await?.status == 204 {
        let current = subject.post(PATH, &subject.check()).await?;
        if !current.body.is_empty() || current.header("x-request-hash").len() < 32 {
            return expected("204 without a body and with X-Request-Hash", &current);
        }
    }
    Ok(())
}
