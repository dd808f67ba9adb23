//! Conditions in the status of objects, as the Kubernetes API conventions define them. Used by all
//! controllers.

use k8s_openapi::{
    apimachinery::pkg::apis::meta::v1::{Condition, Time},
    jiff::Timestamp,
};

/// Value of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr)]
pub enum ConditionStatus {
    /// The condition holds.
    True,
    /// The condition does not hold.
    False,
    /// Whether the condition holds is not known yet.
    Unknown,
}

impl ConditionStatus {
    /// The value as it is in the status.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

impl From<bool> for ConditionStatus {
    fn from(holds: bool) -> Self {
        if holds { Self::True } else { Self::False }
    }
}

/// A condition without its times and generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConditionFacts {
    /// Type of the condition.
    pub type_: &'static str,
    /// Value of the condition.
    pub status: ConditionStatus,
    /// CamelCase word from a closed set.
    pub reason: String,
    /// Explanation for people. It must not contain values that change with each pass, because each
    /// change is a write.
    pub message: String,
}

/// Returns the condition of a type.
pub fn condition<'a>(conditions: &'a [Condition], type_: &str) -> Option<&'a Condition> {
    conditions.iter().find(|condition| condition.type_ == type_)
}

/// Whether a condition exists and is `True`.
pub fn is_true(conditions: &[Condition], type_: &str) -> bool {
    condition(conditions, type_).is_some_and(|condition| condition.status == "True")
}

/// Adds or replaces a condition. The transition time changes only with the value. Returns whether
/// anything changed.
pub fn set_condition(
    conditions: &mut Vec<Condition>,
    facts: &ConditionFacts,
    generation: Option<i64>,
    now: Timestamp,
) -> bool {
    let status = facts.status.as_str();
    let old = conditions.iter().position(|condition| condition.type_ == facts.type_);
    let kept = old.and_then(|at| conditions.get(at)).cloned();
    let since = match &kept {
        Some(old) if old.status == status => old.last_transition_time.clone(),
        _ => Time(now),
    };
    let new = Condition {
        type_: facts.type_.to_owned(),
        status: status.to_owned(),
        reason: facts.reason.clone(),
        message: facts.message.clone(),
        observed_generation: generation,
        last_transition_time: since,
    };
    if kept.as_ref() == Some(&new) {
        return false;
    }
    match old.and_then(|at| conditions.get_mut(at)) {
        Some(slot) => *slot = new,
        None => conditions.push(new),
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(status: ConditionStatus) -> ConditionFacts {
        ConditionFacts { type_: "Ready", status, reason: "R".into(), message: "m".into() }
    }

    #[test]
    fn setting_the_same_condition_again_changes_nothing() {
        let mut conditions = Vec::new();
        let (t0, t1) = (Timestamp::from_second(0).unwrap(), Timestamp::from_second(9).unwrap());
        assert!(set_condition(&mut conditions, &facts(ConditionStatus::True), Some(1), t0));
        assert!(!set_condition(&mut conditions, &facts(ConditionStatus::True), Some(1), t1));
    }

    #[test]
    fn the_transition_time_moves_only_with_the_value() {
        let mut conditions = Vec::new();
        let (t0, t1) = (Timestamp::from_second(0).unwrap(), Timestamp::from_second(9).unwrap());
        set_condition(&mut conditions, &facts(ConditionStatus::True), Some(1), t0);
        set_condition(&mut conditions, &facts(ConditionStatus::True), Some(2), t1);
        assert_eq!(condition(&conditions, "Ready").unwrap().last_transition_time.0, t0);
        set_condition(&mut conditions, &facts(ConditionStatus::False), Some(2), t1);
        assert_eq!(condition(&conditions, "Ready").unwrap().last_transition_time.0, t1);
    }
}
