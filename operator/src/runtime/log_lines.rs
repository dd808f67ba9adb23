//! Reads lines of pods' logs, which are untrusted: a line is cut to a maximum length.

use futures::{AsyncBufRead, AsyncBufReadExt};

/// Maximum length of a line that is parsed, in bytes.
pub const MAX_LINE: usize = 256;

/// The next line, cut to [`MAX_LINE`]; `None` at the end.
pub async fn next_line(log: &mut (impl AsyncBufRead + Unpin)) -> Option<String> {
    let mut line: Vec<u8> = Vec::new();
    let mut any = false;
    loop {
        let piece = log.fill_buf().await.ok()?;
        if piece.is_empty() {
            return any.then(|| String::from_utf8_lossy(&line).into_owned());
        }
        any = true;
        let end = piece.iter().position(|byte| *byte == b'\n');
        let used = end.map_or(piece.len(), |at| at.saturating_add(1));
        let room = MAX_LINE.saturating_sub(line.len());
        line.extend(piece.iter().take(used).take(room));
        log.consume_unpin(used);
        if end.is_some() {
            return Some(String::from_utf8_lossy(&line).into_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use asu_core::stage::Stage;

    use super::*;

    #[tokio::test]
    async fn a_line_beyond_the_limit_is_cut() {
        let text = [b"asu-stage: building_image\n".to_vec(), vec![b'x'; 100_000]].concat();
        let mut log = futures::io::Cursor::new(text);
        let line = next_line(&mut log).await.unwrap();
        assert_eq!(Stage::from_log_line(&line), Some(Stage::BuildingImage));
        assert_eq!(next_line(&mut log).await.unwrap().len(), MAX_LINE);
        assert_eq!(next_line(&mut log).await, None);
    }
}
