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
    let answers = &mut operation.responses.responses;
    let (waits, cached) = (answers.contains_key("202"), answers.contains_key("304"));
    for (status, answer) in answers {
        let RefOr::T(answer) = answer else { continue };
        match status.as_str() {
            "200" | "202" | "500" if waits => build(answer),
            "200" | "206" | "304" if cached => set(
                answer,
                "ETag",
                Type::String,
                "Names this content: for `If-None-Match`, and for files `If-Range`",
            ),
            "503" => set(answer, "Retry-After", Type::Integer, "Seconds after which to try again"),
            _ => {}
        }
    }
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
