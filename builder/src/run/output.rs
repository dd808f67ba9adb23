//! Reads the output of a command line by line, on a thread for each stream. Used by `run/mod.rs`.

use std::{
    io::{PipeReader, Read as _},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use asu_core::build_log::Stream;

use super::Log;

/// Maximum number of bytes of standard output that are returned.
pub const MAX_CAPTURE: usize = 4 << 20;
/// Maximum length of a line, in bytes: a longer one is split.
const MAX_LINE: usize = 64 << 10;
/// Maximum time to wait for output of processes that could not be killed.
const PATIENCE: Duration = Duration::from_secs(5);

/// Adds every line to the log, and returns the text of standard output.
pub(super) fn read(mut pipe: PipeReader, log: &Log, stream: Stream) -> String {
    let mut captured = Vec::new();
    let mut line = Vec::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        let bytes = match pipe.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => buffer.get(..read).unwrap_or_default(),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(_) => break,
        };
        if stream == Stream::Stdout {
            let room = MAX_CAPTURE.saturating_sub(captured.len()).min(bytes.len());
            captured.extend_from_slice(bytes.get(..room).unwrap_or_default());
        }
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            let end = piece.last() == Some(&b'\n');
            line.extend_from_slice(piece.strip_suffix(b"\n").unwrap_or(piece));
            if end || line.len() >= MAX_LINE {
                log.line(stream, &line);
                line.clear();
            }
        }
    }
    if !line.is_empty() {
        log.line(stream, &line);
    }
    String::from_utf8_lossy(&captured).into_owned()
}

/// Waits for a reader, which ends when every writer has closed the pipe, for at most [`PATIENCE`].
pub(super) fn collect(reader: JoinHandle<String>) -> String {
    let until = Instant::now() + PATIENCE;
    while !reader.is_finished() {
        if Instant::now() >= until {
            return String::new();
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    reader.join().unwrap_or_default()
}
