//! Section 9: defects of `asu` 0.2.0 that must not return. The numbers are those of the list; what cannot be
//! seen from outside is not here.

use serde_json::json;

use super::{
    polls::BUILD,
    subject::{Subject, text},
};
use crate::verdict::{Checked, expected, not_here};

super::rules! {
    "9" "1: no answer has the status 0" => statuses,
    "9" "3: a missing field is no internal error" => missing_fields,
    "9" "4: defaults that are too long are not dropped" => defaults_kept,
    "9" "5: /api/distros, /api/versions and popular_packages are answered" => broken_routes,
    "9" "6: stats/images and stats/packages exist" => missing_routes,
    "9" "7: lists without hits are [], and unknown hashes are 404" => empty_bodies,
    "9" "9: the case of a distribution makes no other request" => case,
    "9" "10: an empty list of packages is no error" => empty_packages,
    "9" "11: upgrade_packages counts by its value" => upgrade_packages,
    "9" "22: an unknown board does not become another device" => generic,
}

const CHECK: &str = "/api/upgrade-check";

async fn statuses(subject: &Subject) -> Checked {
    for field in ["version", "target", "installed"] {
        subject.post(CHECK, &subject.check_with(field, json!(null))).await?.is(&[200, 204])?;
    }
    Ok(())
}

async fn missing_fields(subject: &Subject) -> Checked {
    for field in ["distro", "version", "target", "board"] {
        let reply = subject.post(BUILD, &subject.request_with(field, json!(null))).await?;
        reply.is(&[400, 412])?.json()?;
    }
    Ok(())
}

async fn defaults_kept(subject: &Subject) -> Checked {
    let body = subject.request_with("defaults", json!("x".repeat(20_000)));
    subject.post(BUILD, &body).await?.is_error(420)?;
    Ok(())
}

async fn broken_routes(subject: &Subject) -> Checked {
    for path in ["/api/distros", "/api/versions", "/api/v1/stats/popular_packages"] {
        if !subject.json(path).await?.is_array() {
            return expected("a list", path);
        }
    }
    Ok(())
}

async fn missing_routes(subject: &Subject) -> Checked {
    for path in ["/api/v1/stats/images", "/api/v1/stats/packages"] {
        subject.json(path).await?;
    }
    Ok(())
}

async fn empty_bodies(subject: &Subject) -> Checked {
    let path = format!("/api/models?distro={}&version=none&model_search=x", subject.distro);
    if subject.json(&path).await? != json!([]) {
        return expected("[]", path);
    }
    subject.get("/api/manifest/012345678901234").await?.is_error(404)?;
    Ok(())
}

async fn case(subject: &Subject) -> Checked {
    // An unknown package keeps both from being built.
    let unknown = subject.request_with("packages", json!(["no-such"]));
    let mut upper = unknown.clone();
    upper["distro"] = json!(subject.distro.to_uppercase());
    let both = [subject.post(BUILD, &unknown).await?, subject.post(BUILD, &upper).await?];
    let [one, other] = &both;
    if one.status != other.status || one.body != other.body {
        return expected("the same answer for both cases", other);
    }
    Ok(())
}

async fn empty_packages(subject: &Subject) -> Checked {
    if subject.builds_within.is_none() {
        return not_here("builds are switched off");
    }
    let mut hashes = Vec::new();
    for packages in [json!([]), json!(""), json!({}), json!(null)] {
        let reply = subject.post(BUILD, &subject.request_with("packages", packages)).await?;
        hashes.push(text(&reply.is(&[200, 202])?.json()?, "request_hash"));
    }
    hashes.dedup();
    match hashes.len() {
        1 => Ok(()),
        _ => expected("one request", hashes.join(", ")),
    }
}

async fn upgrade_packages(subject: &Subject) -> Checked {
    let off = subject.post(CHECK, &subject.check_with("upgrade_packages", json!(null))).await?;
    for value in [json!(0), json!("0"), json!(false), json!("undefined"), json!("")] {
        let reply = subject.post(CHECK, &subject.check_with("upgrade_packages", value)).await?;
        if reply.status != off.status {
            return expected(&format!("{} as without it", off.status), &reply);
        }
    }
    Ok(())
}

async fn generic(subject: &Subject) -> Checked {
    if subject.board.eq_ignore_ascii_case("generic") {
        return not_here("the device is the generic one");
    }
    let body = subject.request_with("board", json!("no,such,board"));
    subject.post(BUILD, &body).await?.is_error(412)?;
    Ok(())
}
