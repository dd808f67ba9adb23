//! Section 1.0: what holds for all routes.

use http::Method;
use serde_json::json;

use super::{subject::Subject, wire::Sent};
use crate::verdict::{Checked, expected};

super::rules! {
    "1.0" "a body is read whatever its content type says" => content_types,
    "1.0" "a body that is not a JSON object is refused with 400 and `error`" => not_json,
    "1.0" "a body that is too large is refused in JSON" => too_large,
    "1.0" "a POST with a wrong type in a field is refused with 400" => wrong_types,
    "1.0" "another method is refused with 405 in JSON" => methods,
    "1.0" "an unknown route is 404 in JSON" => unknown_routes,
    "1.0" "every route answers a preflight, and its headers may be read" => preflights,
    "1.0" "doubled and trailing slashes do not change the answer" => slashes,
    "1.0" "requests without User-Agent are answered" => no_user_agent,
}

const POSTS: [&str; 3] = ["/api/upgrade-check", "/api/upgrade-request", "/api/build-request"];

async fn content_types(subject: &Subject) -> Checked {
    for content_type in ["application/json", "text/json", "text/plain", "x"] {
        let sent = Sent::post(POSTS[0], subject.check().to_string());
        subject.server.send(&sent.with("Content-Type", content_type)).await?.is(&[200, 204])?;
    }
    subject.post(POSTS[0], &subject.check()).await?.is(&[200, 204])?;
    Ok(())
}

async fn not_json(subject: &Subject) -> Checked {
    for path in POSTS {
        for body in ["", "{", "[]", "1", "null", "\"x\"", "{\"distro\":", "\u{0}", "<html>"] {
            subject.server.send(&Sent::post(path, body)).await?.is_error(400)?;
        }
        let invalid: &[u8] = b"{\"distro\": \"\xff\xfe\"}";
        subject.server.send(&Sent::post(path, invalid)).await?.is_error(400)?;
    }
    Ok(())
}

async fn too_large(subject: &Subject) -> Checked {
    let large = "x".repeat(10_000_000);
    for path in POSTS {
        let body = json!({"distro": subject.distro, "defaults": large});
        // A server may close the connection before all is sent.
        match subject.server.send(&Sent::post(path, body.to_string())).await {
            Ok(reply) => drop(reply.is(&[400, 413, 420])?.json()?),
            Err(_) => drop(subject.json("/api/distributions").await?),
        }
    }
    let many: Vec<String> = (0..100_000).map(|number| format!("package{number}")).collect();
    let body = subject.request_with("packages", json!(many));
    match subject.server.send(&Sent::post(POSTS[2], body.to_string())).await {
        Ok(reply) => drop(reply.is(&[400, 413, 422])?.json()?),
        Err(_) => drop(subject.json("/api/distributions").await?),
    }
    Ok(())
}

async fn wrong_types(subject: &Subject) -> Checked {
    for field in ["distro", "version", "target", "subtarget", "board", "model", "defaults"] {
        for value in [json!(1), json!(true), json!([]), json!({}), json!(1.5)] {
            let body = subject.request_with(field, value);
            subject.post(POSTS[2], &body).await?.is_error(400)?;
        }
    }
    for value in [json!(1), json!("luci"), json!([1]), json!([[]]), json!(true)] {
        subject.post(POSTS[2], &subject.request_with("packages", value)).await?.is_error(400)?;
    }
    for value in [json!(1), json!("x"), json!({"busybox": 1}), json!(["busybox"])] {
        subject.post(POSTS[0], &subject.check_with("installed", value)).await?.is_error(400)?;
    }
    Ok(())
}

async fn methods(subject: &Subject) -> Checked {
    for path in POSTS {
        for method in [Method::GET, Method::PUT, Method::DELETE, Method::PATCH] {
            let reply = subject.server.send(&Sent::get(path).by(method)).await?;
            reply.is(&[405])?.is_open()?.json()?;
        }
    }
    let reply = subject.server.send(&Sent::post("/api/distributions", "{}")).await?;
    reply.is(&[405])?.is_open()?.json()?;
    Ok(())
}

async fn unknown_routes(subject: &Subject) -> Checked {
    for path in ["/api/nothing", "/api/upgrade-check/a/b", "/api/v1/stats/nothing"] {
        subject.get(path).await?.is(&[404])?.is_open()?.json()?;
    }
    Ok(())
}

async fn preflights(subject: &Subject) -> Checked {
    let paths = ["/api/build-request/0", "/api/distributions", "/json/x/", "/download/x/y"];
    for path in POSTS.into_iter().chain(paths) {
        let sent = Sent::get(path)
            .by(Method::OPTIONS)
            .with("Origin", "http://192.168.1.1")
            .with("Access-Control-Request-Method", "POST")
            .with("Access-Control-Request-Headers", "content-type");
        let reply = subject.server.send(&sent).await?;
        reply.is(&[200, 204])?.is_open()?;
        let methods = reply.header("access-control-allow-methods");
        if !["GET", "POST", "OPTIONS"].iter().all(|method| methods.contains(method)) {
            return expected("GET, POST, OPTIONS to be allowed", &reply);
        }
    }
    let reply = subject.post(POSTS[0], &json!({})).await?;
    let exposed = reply.header("access-control-expose-headers").to_ascii_lowercase();
    let wanted =
        ["x-imagebuilder-status", "x-build-queue-position", "x-unknown-package", "x-missing-param"];
    match wanted.iter().find(|name| !exposed.contains(*name)) {
        None => Ok(()),
        Some(name) => expected(&format!("{name} to be exposed"), exposed),
    }
}

async fn slashes(subject: &Subject) -> Checked {
    for path in ["//api/upgrade-check", "/api//upgrade-check/", "//api//upgrade-check//"] {
        subject.post(path, &subject.check()).await?.is(&[200, 204])?;
    }
    subject.get("//api/distributions/?1700000000000").await?.is(&[200])?;
    Ok(())
}

async fn no_user_agent(subject: &Subject) -> Checked {
    // No request of this suite has one, unless a client sends one.
    subject.post(POSTS[0], &subject.check()).await?.is(&[200, 204])?;
    let empty = Sent::post(POSTS[0], subject.check().to_string()).with("User-Agent", "");
    subject.server.send(&empty).await?.is(&[200, 204])?;
    Ok(())
}
