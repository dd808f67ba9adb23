//! Prints a Distribution as YAML without what it leaves at its defaults.

use asu_crds::{Distribution, DistributionSpec};
use serde_json::{Map, Value};

use super::folder::ImportError;

/// One document of a YAML stream.
///
/// # Errors
/// When the object cannot be written as YAML.
pub fn document(name: &str, spec: &DistributionSpec) -> Result<String, ImportError> {
    let failed = |error: String| ImportError::Print(error);
    let object = Distribution::new(name, spec.clone());
    let mut value = serde_json::to_value(&object).map_err(|error| failed(error.to_string()))?;
    let limits = serde_json::to_value(asu_crds::Limits::default());
    if let Some(spec) = value.get_mut("spec").and_then(Value::as_object_mut)
        && limits.is_ok_and(|limits| spec.get("limits") == Some(&limits))
    {
        spec.remove("limits");
    }
    without_defaults(&mut value);
    let yaml = serde_yaml::to_string(&value).map_err(|error| failed(error.to_string()))?;
    Ok(format!("---\n{yaml}"))
}

/// Removes empty lists and objects, null and false, which are the defaults of all fields.
fn without_defaults(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.values_mut().for_each(without_defaults);
            fields.retain(|_, field| !is_default(field));
        }
        Value::Array(items) => items.iter_mut().for_each(without_defaults),
        _ => {}
    }
}

fn is_default(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => Map::is_empty(fields),
        _ => false,
    }
}
