//! `cargo xtask crdgen`: generates the CustomResourceDefinitions from the types of the three kinds, their
//! copies in the chart, and the schema of the values of `asu-distributions`.

use serde_json::{Map, Value, json};

use crate::generated::{self, File};

/// Generating failed, or a committed file differs.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be written or is out of date.
    #[error(transparent)]
    File(#[from] generated::Error),
    /// A definition could not be written as YAML.
    #[error("a definition cannot be written as YAML: {0}")]
    Yaml(#[from] serde_yaml::Error),
    /// A definition could not be written as JSON.
    #[error("a definition cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// A definition lacks a needed part.
    #[error("a definition has no {0}")]
    Shape(&'static str),
}

/// Writes the files, or with `check` compares them with the committed ones.
///
/// # Errors
/// When a file cannot be written, or with `check` when one differs.
pub fn run(check: bool) -> Result<(), Error> {
    let mut files = Vec::new();
    for (name, yaml) in asu_crds::yaml_files()? {
        files.push((format!("charts/asu/templates/crds/{name}"), template(&yaml)?));
        files.push((format!("crds/generated/{name}"), yaml));
    }
    files.push(values_schema()?);
    Ok(generated::put(&files, check, "crdgen")?)
}

/// A definition as a template of the chart. It can be disabled by a value, and is kept when the release is
/// uninstalled, because deleting it would delete every object of its kind.
fn template(yaml: &str) -> Result<String, Error> {
    let head = "\nmetadata:\n";
    let (before, after) = yaml.split_once(head).ok_or(Error::Shape("metadata"))?;
    let escape = |text: &str| text.replace("{{", "{{ \"{{\" }}");
    let annotations = "  annotations:\n    helm.sh/resource-policy: keep\n";
    Ok(format!(
        "{{{{- if .Values.crds.enabled }}}}\n{}{head}{annotations}{}{{{{- end }}}}\n",
        escape(before),
        escape(after)
    ))
}

/// The schema of the values of `asu-distributions`: that of the definition, with unknown fields refused.
fn values_schema() -> Result<File, Error> {
    let [distribution, ..] = asu_crds::crds();
    let crd = serde_json::to_value(distribution)?;
    let spec = crd
        .pointer("/spec/versions/0/schema/openAPIV3Schema/properties/spec")
        .ok_or(Error::Shape("schema of spec"))?;
    let schema = json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Values of the chart asu-distributions",
        "description": "Generated from crds/src by `cargo xtask crdgen`; do not edit.",
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "distributions": {
                "type": "object",
                "propertyNames": { "maxLength": 63, "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$" },
                "additionalProperties": {
                    "type": "object",
                    "additionalProperties": false,
                    "required": ["enabled", "spec"],
                    "properties": { "enabled": { "type": "boolean" }, "spec": strict(spec) },
                },
            },
        },
    });
    let text = serde_json::to_string_pretty(&schema)? + "\n";
    Ok(("charts/asu-distributions/values.schema.json".to_owned(), text))
}

/// Converts a structural schema to a JSON schema that refuses unknown fields, without CEL rules and
/// defaults.
fn strict(schema: &Value) -> Value {
    let Value::Object(fields) = schema else { return schema.clone() };
    let mut refusing = Map::new();
    for (key, value) in fields {
        let kept = match (key.as_str(), value) {
            ("properties", Value::Object(properties)) => {
                properties.iter().map(|(name, inner)| (name.clone(), strict(inner))).collect()
            }
            ("items" | "additionalProperties", inner) => strict(inner),
            ("default" | "format" | "nullable", _) => continue,
            (other, _) if other.starts_with("x-kubernetes-") => continue,
            (_, other) => other.clone(),
        };
        refusing.insert(key.clone(), kept);
    }
    if refusing.contains_key("properties") {
        refusing.insert("additionalProperties".to_owned(), Value::Bool(false));
    }
    if fields.get("nullable") == Some(&Value::Bool(true)) {
        return json!({ "anyOf": [refusing, { "type": "null" }] });
    }
    Value::Object(refusing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_has_a_condition_a_keep_annotation_and_escaped_braces() {
        let text = template("# x\nkind: A\nmetadata:\n  name: a\nspec: '{{b}}'\n").unwrap();
        assert_eq!(
            text,
            "{{- if .Values.crds.enabled }}\n# x\nkind: A\nmetadata:\n  annotations:\n    \
             helm.sh/resource-policy: keep\n  name: a\nspec: '{{ \"{{\" }}b}}'\n{{- end }}\n"
        );
    }

    #[test]
    fn a_strict_schema_refuses_unknown_fields_at_every_depth() {
        let schema = strict(&json!({
            "type": "object",
            "x-kubernetes-validations": [],
            "properties": {
                "default": { "type": "string", "nullable": true, "default": "a" },
                "list": { "type": "array", "items": { "type": "object", "properties": { "a": {} } } },
            },
        }));
        assert_eq!(schema.pointer("/additionalProperties"), Some(&json!(false)));
        assert_eq!(
            schema.pointer("/properties/list/items/additionalProperties"),
            Some(&json!(false))
        );
        assert_eq!(schema.pointer("/properties/default/anyOf/1"), Some(&json!({ "type": "null" })));
        assert_eq!(schema.pointer("/properties/default/anyOf/0/default"), None);
        assert_eq!(schema.pointer("/x-kubernetes-validations"), None);
    }

    #[test]
    fn the_committed_files_are_current() {
        run(true).unwrap();
    }
}
