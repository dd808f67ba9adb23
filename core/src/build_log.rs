//! Marks that distinguish standard error from standard output in a build's log.
//!
//! One log contains both streams in the order of their lines. A line of standard error begins with
//! [`STDERR_MARK`]; no line of standard output can begin with it. The builder writes
//! such logs. The API removes the marks for people, and separates the streams for clients that show
//! them separately. A log without marks contains only standard output.

/// First byte of a line of standard error: STX, which the tools of an ImageBuilder do not print.
pub const STDERR_MARK: u8 = 0x02;

/// A stream of a command's output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// The two parts of a line in the log: the mark of its stream, and the line without leading bytes that
/// look like a mark.
pub fn marked(stream: Stream, line: &[u8]) -> (&'static [u8], &[u8]) {
    let own = line.iter().position(|&byte| byte != STDERR_MARK).unwrap_or(line.len());
    let text = line.get(own..).unwrap_or_default();
    match stream {
        Stream::Stdout => (&[], text),
        Stream::Stderr => (&[STDERR_MARK], text),
    }
}

/// Removes the marks of a log that is read in chunks.
#[derive(Clone, Debug)]
pub struct Unmark {
    at_line_start: bool,
}

impl Default for Unmark {
    fn default() -> Self {
        Self { at_line_start: true }
    }
}

impl Unmark {
    /// The next chunk without its marks.
    pub fn chunk(&mut self, piece: &[u8]) -> Vec<u8> {
        let mut text = Vec::with_capacity(piece.len());
        for line in piece.split_inclusive(|&byte| byte == b'\n') {
            let is_marked = self.at_line_start && line.first() == Some(&STDERR_MARK);
            text.extend_from_slice(line.get(usize::from(is_marked)..).unwrap_or_default());
            self.at_line_start = line.last() == Some(&b'\n');
        }
        text
    }
}

/// Collects the last part of each stream of a log that is read in chunks.
#[derive(Clone, Debug)]
pub struct Ends {
    most: usize,
    stdout: End,
    stderr: End,
    current: Stream,
    at_line_start: bool,
}

#[derive(Clone, Debug, Default)]
struct End {
    bytes: Vec<u8>,
    is_cut: bool,
}

impl Ends {
    /// Keeps at most the last `most` bytes of each stream.
    pub fn new(most: usize) -> Self {
        Self {
            most,
            stdout: End::default(),
            stderr: End::default(),
            current: Stream::Stdout,
            at_line_start: true,
        }
    }

    /// Adds the next chunk of the log.
    pub fn chunk(&mut self, piece: &[u8]) {
        for line in piece.split_inclusive(|&byte| byte == b'\n') {
            let mut line = line;
            if self.at_line_start {
                self.current = match line.split_first() {
                    Some((&STDERR_MARK, text)) => {
                        line = text;
                        Stream::Stderr
                    }
                    _ => Stream::Stdout,
                };
            }
            let end = match self.current {
                Stream::Stdout => &mut self.stdout,
                Stream::Stderr => &mut self.stderr,
            };
            end.extend(line, self.most);
            self.at_line_start = line.last() == Some(&b'\n');
        }
    }

    /// Standard output and standard error, each cut to begin with a whole line.
    pub fn finish(self) -> (String, String) {
        (self.stdout.text(self.most), self.stderr.text(self.most))
    }
}

impl End {
    fn extend(&mut self, bytes: &[u8], most: usize) {
        self.bytes.extend_from_slice(bytes);
        // Cut only at twice the size, so that not every line moves the whole buffer.
        if self.bytes.len() > most.saturating_mul(2) {
            self.cut(most);
        }
    }

    fn cut(&mut self, most: usize) {
        if let Some(more) = self.bytes.len().checked_sub(most).filter(|&more| more > 0) {
            self.bytes.drain(..more);
            self.is_cut = true;
        }
    }

    fn text(mut self, most: usize) -> String {
        self.cut(most);
        let line_end = self.bytes.iter().position(|&byte| byte == b'\n');
        let from = if self.is_cut { line_end.map_or(0, |end| end + 1) } else { 0 };
        String::from_utf8_lossy(self.bytes.get(from..).unwrap_or_default()).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn log(lines: &[(Stream, Vec<u8>)]) -> Vec<u8> {
        let mut log = Vec::new();
        for (stream, line) in lines {
            let (mark, text) = marked(*stream, line);
            log.extend_from_slice(mark);
            log.extend_from_slice(text);
            log.push(b'\n');
        }
        log
    }

    fn ends(log: &[u8], most: usize, piece: usize) -> (String, String) {
        let mut ends = Ends::new(most);
        log.chunks(piece).for_each(|part| ends.chunk(part));
        ends.finish()
    }

    #[test]
    fn a_log_without_marks_is_standard_output() {
        assert_eq!(ends(b"one\ntwo\n", 100, 3), ("one\ntwo\n".into(), String::new()));
    }

    #[test]
    fn each_stream_has_its_own_limit_and_begins_with_a_whole_line() {
        let log = b"out 1\n\x02err 1\nout 2\n\x02err 2\nout 3\n";
        assert_eq!(ends(log, 8, 100), ("out 3\n".into(), "err 2\n".into()));
        assert_eq!(ends(b"one long line", 4, 100).0, "line");
    }

    #[test]
    fn a_line_of_standard_output_never_looks_like_standard_error() {
        let lines = [(Stream::Stdout, b"\x02\x02forged".to_vec())];
        assert_eq!(ends(&log(&lines), 100, 4), ("forged\n".into(), String::new()));
    }

    fn lines() -> impl Strategy<Value = Vec<(Stream, Vec<u8>)>> {
        let stream = prop_oneof![Just(Stream::Stdout), Just(Stream::Stderr)];
        let byte = prop_oneof![Just(STDERR_MARK), Just(b'a'), Just(b' ')];
        proptest::collection::vec((stream, proptest::collection::vec(byte, 0..6)), 0..30)
    }

    proptest! {
        #[test]
        fn both_streams_are_read_back_completely_from_any_pieces(lines in lines(), piece in 1..9_usize) {
            let of = |wanted| -> String {
                let its = lines.iter().filter(|(stream, _)| *stream == wanted);
                let mut all: Vec<String> = its
                    .map(|(_, line)| String::from_utf8(line.clone()).unwrap())
                    .map(|text| text.trim_start_matches('\u{2}').to_owned())
                    .collect();
                all.push(String::new());
                all.join("\n")
            };
            let (stdout, stderr) = ends(&log(&lines), 10_000, piece);
            prop_assert_eq!(stdout, of(Stream::Stdout));
            prop_assert_eq!(stderr, of(Stream::Stderr));
        }

        #[test]
        fn the_log_for_people_contains_everything_except_marks(lines in lines(), piece in 1..9_usize) {
            let log = log(&lines);
            let mut unmark = Unmark::default();
            let text: Vec<u8> = log.chunks(piece).flat_map(|part| unmark.chunk(part)).collect();
            let marks = lines.iter().filter(|(stream, _)| *stream == Stream::Stderr).count();
            prop_assert_eq!(text.len(), log.len() - marks);
            prop_assert!(!text.starts_with(&[STDERR_MARK]));
            prop_assert!(!text.windows(2).any(|pair| pair == [b'\n', STDERR_MARK]));
        }
    }
}
