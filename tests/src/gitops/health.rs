//! Health of an object by the rules of kstatus, which Flux and kpt use: pure.

use serde_json::Value;

/// Health of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// The object is as its spec says.
    Current,
    /// A controller still works on it, with the message of the condition.
    InProgress(String),
    /// It cannot become as its spec says, with the message of the condition.
    Failed(String),
    /// It is being deleted.
    Terminating,
}

/// The health of an object, as JSON.
pub fn health(object: &Value) -> Health {
    let at = |path: &str| object.pointer(path);
    if at("/metadata/deletionTimestamp").is_some() {
        return Health::Terminating;
    }
    let observed = at("/status/observedGeneration");
    if observed.is_some() && observed != at("/metadata/generation") {
        return Health::InProgress("the spec was not seen by a controller".to_owned());
    }
    let condition = |type_: &str| {
        let conditions = at("/status/conditions").and_then(Value::as_array).into_iter().flatten();
        let found = conditions.clone().find(|condition| condition["type"] == type_)?;
        let text = |field: &str| found[field].as_str().unwrap_or_default().to_owned();
        Some((text("status"), text("message")))
    };
    let holds = |type_: &str| condition(type_).filter(|(status, _)| status == "True");
    if let Some((_, message)) = holds("Reconciling") {
        return Health::InProgress(message);
    }
    if let Some((_, message)) = holds("Stalled") {
        return Health::Failed(message);
    }
    match condition("Ready") {
        Some((status, message)) if status != "True" => Health::InProgress(message),
        // An object without the condition is regarded as ready.
        _ => Health::Current,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(observed: i64, conditions: &[(&str, &str)]) -> Value {
        let conditions: Vec<Value> = conditions
            .iter()
            .map(|(type_, status)| json!({"type": type_, "status": status, "message": type_}))
            .collect();
        json!({
            "metadata": {"generation": 2},
            "status": {"observedGeneration": observed, "conditions": conditions},
        })
    }

    #[test]
    fn an_older_status_says_nothing_about_the_current_spec() {
        assert!(matches!(health(&object(1, &[("Ready", "True")])), Health::InProgress(_)));
        assert_eq!(health(&object(2, &[("Ready", "True")])), Health::Current);
    }

    #[test]
    fn reconciling_and_stalled_precede_ready() {
        let progress = object(2, &[("Ready", "True"), ("Reconciling", "True")]);
        assert_eq!(health(&progress), Health::InProgress("Reconciling".to_owned()));
        let stalled = object(2, &[("Ready", "False"), ("Stalled", "True")]);
        assert_eq!(health(&stalled), Health::Failed("Stalled".to_owned()));
        let waiting = object(2, &[("Ready", "False"), ("Stalled", "False")]);
        assert_eq!(health(&waiting), Health::InProgress("Ready".to_owned()));
    }

    #[test]
    fn an_object_without_status_counts_as_ready_and_a_deleted_one_as_terminating() {
        assert_eq!(health(&json!({"metadata": {"generation": 1}})), Health::Current);
        let deleted = json!({"metadata": {"generation": 1, "deletionTimestamp": "now"}});
        assert_eq!(health(&deleted), Health::Terminating);
    }
}
