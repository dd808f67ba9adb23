//! Sections 2 and 5: what nobody may read, and paths that lead out of a folder.

use serde_json::Value;

use super::{
    clients::Client,
    polls::{BUILD, Poll},
    subject::{Subject, text},
    wire::Reply,
};
use crate::verdict::{Checked, Not, expected};

super::rules! {
    "2" "the folders of private images and of failures are not listed" => not_listed,
    "2" "a private folder is not found by a guess" => guesses,
    "2" "a private image is found by its whole key only, and in no statistics" => private_image,
    "5" "paths that lead out of a folder are not followed" => path_tricks,
}

/// It must give nothing away: no list and no file.
fn nothing(reply: &Reply) -> Result<(), Not> {
    match reply.is(&[400, 403, 404])?.is_open()?.json()? {
        Value::Object(_) => Ok(()),
        _ => expected("an object", reply),
    }
}

async fn not_listed(subject: &Subject) -> Checked {
    for root in ["/json", "/download"] {
        for folder in ["custom", "custom/", "faillogs", "faillogs/", "", "/"] {
            nothing(&subject.get(&format!("{root}/{folder}")).await?)?;
        }
    }
    Ok(())
}

async fn guesses(subject: &Subject) -> Checked {
    let [hash, uid] = ["0".repeat(64), "00000000-0000-0000-0000-000000000000".to_owned()];
    for root in ["/json", "/download"] {
        for guess in [&hash, &uid, &hash[..32], "%2a", "%25", "_"].map(ToString::to_string) {
            for path in
                [format!("custom/{guess}/"), format!("{guess}/"), format!("custom/{guess}/x.bin")]
            {
                nothing(&subject.get(&format!("{root}/{path}")).await?)?;
            }
        }
    }
    Ok(())
}

async fn private_image(subject: &Subject) -> Checked {
    let script = Subject::new_script();
    let request = subject.request_with("defaults", script.clone().into());
    let answer = subject.built(Client::Chef, BUILD, &request, Poll::Get).await?;
    let (files, image) = (text(&answer, "files"), text(&answer, "image_hash"));
    let key = files.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned();
    if !files.contains("/custom/") || key.len() < 32 {
        return expected("files below custom/ with an unguessable name", files);
    }
    subject.get(&files).await?.is(&[200])?;
    for cut in [key.len() - 1, 32, 15, 12, 1] {
        let guess: String = key.chars().take(cut).collect();
        nothing(&subject.get(&format!("/json/custom/{guess}/")).await?)?;
    }
    nothing(&subject.get(&format!("/json/{key}/")).await?)?;
    for list in ["images_latest", "fails_latest", "images"] {
        let shown = subject.json(&format!("/api/v1/stats/{list}")).await?.to_string();
        if shown.contains(&key) || (!image.is_empty() && shown.contains(&image)) {
            return expected("no private image in statistics", list);
        }
    }
    for path in [files.clone(), text(&answer, "log"), format!("/api/image/{image}")] {
        let body = subject.get(&path).await?.is(&[200])?.body.clone();
        if String::from_utf8_lossy(&body).contains(script.trim()) {
            return expected("no first-boot script in answers", path);
        }
    }
    Ok(())
}

async fn path_tricks(subject: &Subject) -> Checked {
    let tricks = [
        "..",
        "../..",
        "%2e%2e",
        "%2e%2e/%2e%2e",
        "..%2f..%2fetc%2fpasswd",
        "%00",
        "a%00b",
        "%2f",
        "%2fetc%2fpasswd",
        "x/..",
        "x/../custom",
        "x/%2e%2e/custom",
        "x/%5c..%5c",
        "~root",
        "%ff",
        "custom/..",
        "custom/%2e%2e/faillogs",
        "faillogs/../x",
        "faillogs/%2e%2e%2fx",
    ];
    for root in ["/json", "/download", "/store"] {
        for trick in tricks {
            nothing(&subject.get(&format!("{root}/{trick}")).await?)?;
        }
    }
    Ok(())
}
