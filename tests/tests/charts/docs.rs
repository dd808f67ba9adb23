//! What the documents say of charts and programs.

use std::collections::BTreeSet;

use asu_tests::root;
use clap::{Arg, Args as _, Command, CommandFactory as _};

use crate::settings::sources;

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

/// The metrics that a source registers, as they are exposed.
fn registered(path: &str, prefix: &str) -> BTreeSet<String> {
    let text = read(path);
    let (text, _) = text.split_once("#[cfg(test)]").unwrap_or((&text, ""));
    let mut names = BTreeSet::new();
    for call in text.split("registry.register").skip(1) {
        let name = call.split('"').nth(1).unwrap();
        let unit = if call.contains("Unit::Seconds") {
            "_seconds"
        } else if call.contains("Unit::Bytes") {
            "_bytes"
        } else {
            ""
        };
        names.insert(format!("{prefix}{name}{unit}"));
    }
    names
}

#[test]
fn every_metric_is_in_the_operations_manual() {
    let text = read("docs/OPERATIONS.md");
    let mut named = BTreeSet::new();
    for part in text.split('`').filter(|part| !part.contains(' ')) {
        if part.starts_with("asu_api_") || part.starts_with("asu_operator_") {
            let name = part.split('{').next().unwrap();
            named.insert(name.trim_end_matches("_total").to_owned());
        }
    }
    let mut all = registered("api/src/metrics.rs", "asu_api_");
    all.extend(registered("operator/src/runtime/metrics.rs", "asu_operator_"));
    assert!(all.len() > 20, "{all:?}");
    assert_eq!(named, all);
}

#[test]
fn every_file_and_folder_that_the_documents_name_exists() {
    let folders = [
        "api",
        "artifacts",
        "builder",
        "charts",
        "core",
        "crds",
        "docs",
        "operator",
        "store",
        "tests",
        "upstream",
        "xtask",
    ];
    let mut named = 0;
    for document in ["docs/ARCHITECTURE.md", "docs/GLOSSARY.md", "docs/HOWTO.md", "docs/LOGGING.md"]
    {
        let text = read(document);
        let plain =
            |part: &&str| part.chars().all(|c| c.is_ascii_alphanumeric() || "/_.-".contains(c));
        for path in text.split('`').skip(1).step_by(2).filter(plain) {
            let first = path.split('/').next().unwrap();
            if path.contains('/') && folders.contains(&first) {
                assert!(root().join(path).exists(), "{document} names {path}");
                named += 1;
            }
        }
    }
    assert!(named > 30, "{named}");
}

#[test]
fn every_span_is_in_the_page_about_logs() {
    let page = read("docs/LOGGING.md");
    let folders = ["api/src", "operator/src", "store/src"];
    let text = folders.map(|folder| sources(&root().join(folder))).concat();
    let names: Vec<&str> =
        text.split("_span!(\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    for name in &names {
        assert!(page.contains(&format!("| `{name}` |")), "{name} is in no table");
    }
    assert!(names.len() >= 5, "{names:?}");
}

/// The table of a program's settings in `docs/SETTINGS.md`.
fn table(command: &Command) -> String {
    let row = |argument: &Arg| {
        let variable = argument.get_env()?.display();
        let values = argument.get_default_values();
        let default = match values.first().map(|value| value.to_string_lossy()) {
            Some(value) if value.is_empty() => "empty".to_owned(),
            Some(value) => format!("`{value}`"),
            None if argument.is_required_set() => "must be set".to_owned(),
            None => "none".to_owned(),
        };
        let help = argument.get_help().unwrap();
        Some(format!("| `{variable}` | {default} | {help} |\n"))
    };
    let rows: String = command.get_arguments().filter_map(row).collect();
    format!("| variable | default | what |\n| --- | --- | --- |\n{rows}")
}

#[test]
fn every_setting_is_in_the_list_with_its_default() {
    let text = read("docs/SETTINGS.md");
    let operator = asu_operator::settings::Settings::augment_args(Command::new("operator"));
    for command in [operator, asu_api::config::Settings::command()] {
        let table = table(&command);
        assert!(text.contains(&table), "the table of {} is now:\n{table}", command.get_name());
    }
}

#[test]
fn all_documents_use_the_same_release_names() {
    for path in ["README.md", "docs/OPERATIONS.md", "charts/asu/templates/NOTES.txt"] {
        let text = read(path);
        let mut seen = 0;
        for (before, after) in
            text.match_indices("charts/asu").map(|(at, _)| (text.split_at(at).0, &text[at..]))
        {
            let chart = after.split_whitespace().next().unwrap().trim_start_matches("charts/");
            let mut words = before.split_whitespace().rev();
            let (release, verb) = (words.next().unwrap(), words.next().unwrap());
            if ["install", "upgrade"].contains(&verb) {
                assert_eq!(release, chart, "{path}");
                seen += 1;
            }
        }
        assert!(seen > 0, "{path}");
    }
}
