//! Publishes Kubernetes events on the operator's objects. Called by all controllers and by retention,
//! for transitions only.

use k8s_openapi::api::core::v1::ObjectReference;
use kube::{
    Client,
    runtime::events::{Event, EventType, Recorder, Reporter},
};

/// Maximum length of an event's note that the API server accepts, in bytes.
const MAX_NOTE: usize = 1024;

/// An attempt, by its number, and its transition.
#[derive(Clone, Copy, Debug)]
pub enum Attempt {
    /// It begins.
    Begins(u32),
    /// It fails.
    Fails(u32),
}

/// Publishes events. A failure to do so is logged and changes nothing else.
#[derive(Clone)]
pub struct Events(Recorder);

impl Events {
    /// Events reported by this process.
    pub fn new(client: Client, instance: &str) -> Self {
        let controller = asu_crds::labels::OPERATOR.to_owned();
        Self(Recorder::new(client, Reporter { controller, instance: Some(instance.to_owned()) }))
    }

    /// Publishes an event of type `Normal`.
    pub async fn normal(&self, on: &ObjectReference, reason: &str, note: &str) {
        self.publish(EventType::Normal, on, "Reconcile", reason, note).await;
    }

    /// Publishes an event of type `Warning`.
    pub async fn warning(&self, on: &ObjectReference, reason: &str, note: &str) {
        self.publish(EventType::Warning, on, "Reconcile", reason, note).await;
    }

    /// Publishes an event about one attempt. Events that differ only in their note are counted as
    /// one, with the first note; the number of the attempt keeps them apart.
    pub async fn attempt(&self, on: &ObjectReference, attempt: Attempt, reason: &str, note: &str) {
        let (type_, number) = match attempt {
            Attempt::Begins(number) => (EventType::Normal, number),
            Attempt::Fails(number) => (EventType::Warning, number),
        };
        self.publish(type_, on, &format!("Attempt{number}"), reason, note).await;
    }

    async fn publish(
        &self,
        type_: EventType,
        on: &ObjectReference,
        action: &str,
        reason: &str,
        note: &str,
    ) {
        let event = Event {
            type_,
            reason: reason.to_owned(),
            note: Some(cut(note).to_owned()),
            action: action.to_owned(),
            secondary: None,
        };
        if let Err(error) = self.0.publish(&event, on).await {
            let name = on.name.as_deref().unwrap_or_default();
            tracing::warn!(name, reason, %error, "an event could not be published");
        }
    }
}

fn cut(note: &str) -> &str {
    let end = (0..=MAX_NOTE.min(note.len())).rev().find(|&at| note.is_char_boundary(at));
    note.get(..end.unwrap_or(0)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_cut_between_characters() {
        let note = "ä".repeat(600);
        assert_eq!(cut(&note).len(), 1024);
        assert_eq!(cut(&format!("x{note}")).len(), 1023);
        assert_eq!(cut("short"), "short");
    }
}
