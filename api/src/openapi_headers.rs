//! Adds the headers of answers to the OpenAPI document by rules, so that no route lacks one.

use utoipa::openapi::{
    Header, Object, OpenApi, RefOr, Response, Type,
    path::{Operation, PathItem},
};

/// Adds the headers that the code sends on all routes of a kind.
pub fn add(document: &mut OpenApi) {
    for item in document.paths.paths.values_mut() {
        for operation in operations(item) {
            describe(operation);
        }
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.head, &mut item.post].into_iter().flatten()
}

fn describe(operation: &mut Operation) {
    let older = operation.tags.iter().flatten().any(|tag| tag == "legacy");
    let answers = &mut operation.responses.responses;
    let (waits, cached) = (answers.contains_key("202"), answers.contains_key("304"));
    for (status, answer) in answers {
        let RefOr::T(answer) = answer else { continue };
        match status.as_str() {
            status if older => of_older(status, answer),
            "200" | "202" | "500" if waits => build(answer),
            "200" | "206" | "304" if cached => etag(answer),
            "503" => retry(answer),
            _ => {}
        }
        if older && cached && ["200", "206", "304"].contains(&status.as_str()) {
            etag(answer);
        }
    }
}

/// Headers of the API of 2018 and 2019.
fn of_older(status: &str, answer: &mut Response) {
    match status {
        "202" => {
            let text = "`queue`, `initialize` while its ImageBuilder is prepared, or `building`";
            set(answer, "X-Imagebuilder-Status", Type::String, text);
            let text = "Its place among the waiting builds, from 1; absent while it is built";
            set(answer, "X-Build-Queue-Position", Type::Integer, text);
        }
        "204" => set(answer, "X-Request-Hash", Type::String, "Names the check"),
        "400" => set(answer, "X-Missing-Param", Type::String, "Name of the missing parameter"),
        "422" => set(answer, "X-Unknown-Package", Type::String, "Names of the unknown packages"),
        "503" => retry(answer),
        _ => {}
    }
}

fn retry(answer: &mut Response) {
    set(answer, "Retry-After", Type::Integer, "Seconds after which to try again");
}

fn etag(answer: &mut Response) {
    let text = "Names this content: for `If-None-Match`, and for files `If-Range`";
    set(answer, "ETag", Type::String, text);
}

fn build(answer: &mut Response) {
    set(
        answer,
        "X-Imagebuilder-Status",
        Type::String,
        "`queued`, the stage of the build, `done` or `failed`",
    );
    set(answer, "X-Queue-Position", Type::Integer, "Builds before it while it is queued, else 0");
}

fn set(answer: &mut Response, name: &str, kind: Type, description: &str) {
    let mut header = Header::new(Object::with_type(kind));
    header.description = Some(description.to_owned());
    answer.headers.insert(name.to_owned(), RefOr::T(header));
}
