//! Sections 1.2 and 1.3: requests for images, by the rows of the table. None of them starts a build.

use serde_json::{Value, json};

use super::{
    polls::BUILD,
    subject::{Subject, has_all},
};
use crate::verdict::{Checked, Not, expected};

super::rules! {
    "1.2" "row 2: an unknown request hash is 404, by GET and by POST" => unknown_hash,
    "1.2" "row 4: a missing parameter is named in X-Missing-Param" => missing,
    "1.2" "row 5: an unknown distribution is 412" => unknown_distro,
    "1.2" "row 6: an unknown version is 412" => unknown_version,
    "1.2" "row 7: an unknown target is 412" => unknown_target,
    "1.2" "row 8: defaults of more than 10,240 bytes are 420" => long_defaults,
    "1.2" "row 9: unknown packages are 422 and all in X-Unknown-Package" => unknown_packages,
    "1.2" "row 9: names that are not names are refused and never run" => hostile_packages,
    "1.2" "row 10: an unknown device is 412" => unknown_device,
    "1.2" "errors repeat nothing that a browser or a shell would run" => hostile_values,
}

const PATHS: [&str; 2] = [BUILD, "/api/upgrade-request"];

async fn refused(subject: &Subject, field: &str, value: Value, status: u16) -> Result<(), Not> {
    for path in PATHS {
        let reply = subject.post(path, &subject.request_with(field, value.clone())).await?;
        has_all(&reply.is_error(status)?.json()?, &["error"], "an error")?;
    }
    Ok(())
}

async fn unknown_hash(subject: &Subject) -> Checked {
    let guess = "0".repeat(64);
    for path in PATHS {
        for hash in ["07704ea93930", "0", guess.as_str(), "%2e%2e"] {
            subject.get(&format!("{path}/{hash}")).await?.is_error(404)?;
            subject.post(path, &json!({"request_hash": hash})).await?.is_error(404)?;
        }
    }
    Ok(())
}

async fn missing(subject: &Subject) -> Checked {
    for path in PATHS {
        for field in ["distro", "version", "target", "board"] {
            for value in [json!(null), json!("")] {
                let reply = subject.post(path, &subject.request_with(field, value)).await?;
                reply.is(&[400, 412])?.has("x-missing-param", field)?;
                reply.is_error(reply.status)?;
            }
        }
        let reply = subject.post(path, &json!({})).await?;
        reply.is(&[400, 412])?.has("x-missing-param", "distro")?;
    }
    Ok(())
}

async fn unknown_distro(subject: &Subject) -> Checked {
    refused(subject, "distro", json!("no-such"), 412).await
}

async fn unknown_version(subject: &Subject) -> Checked {
    refused(subject, "version", json!("0.0.0"), 412).await
}

async fn unknown_target(subject: &Subject) -> Checked {
    for target in ["no/such", "../x", "a/b/c"] {
        refused(subject, "target", json!(target), 412).await?;
    }
    Ok(())
}

async fn long_defaults(subject: &Subject) -> Checked {
    for long in ["x".repeat(10_241), "ä".repeat(5_121)] {
        refused(subject, "defaults", json!(long), 420).await?;
    }
    Ok(())
}

async fn unknown_packages(subject: &Subject) -> Checked {
    let mut packages = subject.packages.clone();
    packages.extend(["no-such-b".to_owned(), "no-such-a".to_owned()]);
    let object: serde_json::Map<String, Value> =
        packages.iter().map(|name| (name.clone(), json!("1"))).collect();
    for path in PATHS {
        for packages in [json!(packages), Value::Object(object.clone())] {
            let reply = subject.post(path, &subject.request_with("packages", packages)).await?;
            let named = reply.is_error(422)?.header("x-unknown-package");
            if !named.contains("no-such-a") || !named.contains("no-such-b") {
                return expected("X-Unknown-Package with both names", &reply);
            }
        }
    }
    Ok(())
}

async fn hostile_packages(subject: &Subject) -> Checked {
    for name in
        ["$(shell reboot)", "a\nb", "-C/tmp", "V=s", "a b", "../x", "`id`", "a;b", "\u{202e}x"]
    {
        let reply = subject.post(BUILD, &subject.request_with("packages", json!([name]))).await?;
        if reply.is_error(422)?.header("x-unknown-package").is_empty() {
            return expected("X-Unknown-Package", &reply);
        }
    }
    Ok(())
}

async fn unknown_device(subject: &Subject) -> Checked {
    for board in ["no,such", "../x", "$(id)", "%", "-x", "DEFAULT_x"] {
        refused(subject, "board", json!(board), 412).await?;
    }
    Ok(())
}

async fn hostile_values(subject: &Subject) -> Checked {
    for field in ["distro", "version", "board"] {
        for value in ["<script>alert(1)</script>", "a\r\nX-Evil: 1", "\u{0}", "%0d%0a"] {
            let reply = subject.post(BUILD, &subject.request_with(field, json!(value))).await?;
            reply.is(&[400, 412])?.is_error(reply.status)?;
            if !reply.header("x-evil").is_empty() {
                return expected("no header of the client's", &reply);
            }
            reply.has("content-type", "application/json")?;
        }
    }
    Ok(())
}
