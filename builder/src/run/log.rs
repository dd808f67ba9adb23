//! The log of a build: bounded, with its beginning and its end kept, and every line classified.
//! Written by `run/mod.rs` and the steps of `build` and the warm-up.

use std::{
    collections::VecDeque,
    io::Write,
    sync::{Mutex, MutexGuard, PoisonError},
};

use asu_core::{
    build_log::{Stream, marked},
    classify::{Classifier, Origins},
};

/// Beginning of the note about dropped bytes.
pub const DROPPED_NOTE: &str = "[asu] dropped from the middle of this log: ";
/// Maximum size of the end of a log, which is held in memory, in bytes.
const MAX_TAIL: u64 = 1 << 20;

/// A log that several threads may write to.
pub struct Log(Mutex<Inner>);

struct Inner {
    file: Box<dyn Write + Send>,
    head_left: u64,
    tail: VecDeque<u8>,
    tail_most: usize,
    dropped: u64,
    classifier: Classifier,
}

impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Log").finish_non_exhaustive()
    }
}

impl Log {
    /// A log of at most `most` bytes: the beginning is written at once, the end when it is
    /// [finished](Self::finish).
    pub fn new(file: Box<dyn Write + Send>, most: u64) -> Self {
        let tail = (most / 4).min(MAX_TAIL);
        Self(Mutex::new(Inner {
            file,
            head_left: most.saturating_sub(tail),
            tail: VecDeque::new(),
            tail_most: usize::try_from(tail).unwrap_or(0),
            dropped: 0,
            classifier: Classifier::default(),
        }))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a line of a command's output (without its end) and classifies it.
    pub fn line(&self, stream: Stream, line: &[u8]) {
        let mut inner = self.inner();
        inner.classifier.line(&String::from_utf8_lossy(line));
        inner.write_line(stream, line);
    }

    /// Adds a line of this program.
    pub fn note(&self, text: &str) {
        self.inner().write_line(Stream::Stdout, format!("[asu] {text}").as_bytes());
    }

    /// Adds a line that says why the build failed.
    pub fn note_failure(&self, text: &str) {
        self.inner().write_line(Stream::Stderr, format!("[asu] {text}").as_bytes());
    }

    /// Sets which feeds the request brought. What was classified before is discarded.
    pub fn set_origins(&self, origins: Origins) {
        self.inner().classifier = Classifier::of(origins);
    }

    /// Returns what the lines since the last call have shown, and starts anew.
    pub fn take_classifier(&self) -> Classifier {
        let mut inner = self.inner();
        let renewed = inner.classifier.renewed();
        std::mem::replace(&mut inner.classifier, renewed)
    }

    /// What the lines so far have shown.
    pub fn classifier(&self) -> Classifier {
        self.inner().classifier.clone()
    }

    /// Writes the end of the log. Later lines begin a new end.
    pub fn finish(&self) {
        let mut inner = self.inner();
        let tail: Vec<u8> = inner.tail.drain(..).collect();
        if inner.dropped > 0 {
            let note = format!("\n{DROPPED_NOTE}{} bytes\n", inner.dropped);
            inner.append(note.as_bytes());
            inner.dropped = 0;
        }
        inner.append(&tail);
    }
}

impl Inner {
    fn write_line(&mut self, stream: Stream, line: &[u8]) {
        let (mark, text) = marked(stream, line);
        self.write(mark);
        self.write(text);
        self.write(b"\n");
    }

    fn write(&mut self, bytes: &[u8]) {
        let fits = usize::try_from(self.head_left).unwrap_or(usize::MAX);
        let (head, rest) = bytes.split_at(bytes.len().min(fits));
        self.head_left -= head.len() as u64;
        self.append(head);
        if rest.is_empty() {
            return;
        }
        self.tail.extend(rest);
        let surplus = self.tail.len().saturating_sub(self.tail_most);
        self.tail.drain(..surplus);
        self.dropped += surplus as u64;
    }

    /// Appends to the file. An error is ignored: a log that cannot be written must not fail the
    /// build.
    fn append(&mut self, bytes: &[u8]) {
        let _ = self.file.write_all(bytes);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn logged(lines: &[String], most: u64) -> String {
        let sink = Sink::default();
        let log = Log::new(Box::new(sink.clone()), most);
        for line in lines {
            log.line(Stream::Stdout, line.as_bytes());
        }
        log.finish();
        String::from_utf8(sink.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn a_log_within_the_limit_is_kept_completely() {
        let lines: Vec<String> = (0..10).map(|n| n.to_string()).collect();
        assert_eq!(logged(&lines, 40), lines.join("\n") + "\n");
    }

    #[test]
    fn a_longer_log_keeps_its_beginning_and_its_end() {
        let lines: Vec<String> = (1000..2000).map(|n| n.to_string()).collect();
        let text = logged(&lines, 1000);
        assert!(text.starts_with("1000\n"));
        assert!(text.ends_with("1999\n"));
        assert!(text.contains(&format!("{DROPPED_NOTE}4000 bytes")));
    }

    #[test]
    fn dropped_lines_are_classified_too() {
        let log = Log::new(Box::new(std::io::sink()), 8);
        log.line(Stream::Stderr, b"write: No space left on device");
        log.line(Stream::Stdout, &[b'x'; 100]);
        assert!(log.take_classifier().failure_despite_success().is_some());
    }

    proptest! {
        #[test]
        fn no_log_exceeds_the_limit_plus_its_note(lengths in proptest::collection::vec(0..200usize, 0..50), most in 0..2000u64) {
            let lines: Vec<String> = lengths.iter().map(|&length| "x".repeat(length)).collect();
            prop_assert!(logged(&lines, most).len() as u64 <= most + 80);
        }
    }
}
