//! A socket that ends with an error when its reader is too slow.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep},
};

/// The minimum rate of a reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MinimumRate {
    /// Length of the measurement. Only time in which a write is blocked counts, so a fast reader is
    /// never measured.
    pub window: Duration,
    /// Minimum number of bytes that the reader must accept in this time.
    pub bytes: u64,
}

/// Fails writes to a reader that is slower than the pace, so that a client that reads nothing or only a
/// few bytes per minute cannot hold memory and permits without end.
#[derive(Debug)]
pub struct WriteIdle<S> {
    inner: S,
    pace: MinimumRate,
    /// Completed time of blocked writes since the window began.
    blocked: Duration,
    /// Bytes that the reader accepted since the window began.
    taken: u64,
    /// Start and timer of the current blocked write.
    waiting: Option<(Instant, Pin<Box<Sleep>>)>,
}

impl<S> WriteIdle<S> {
    /// Wraps `inner`, whose reader must keep this pace.
    pub fn new(inner: S, pace: MinimumRate) -> Self {
        Self { inner, pace, blocked: Duration::ZERO, taken: 0, waiting: None }
    }

    fn bounded(
        &mut self,
        context: &mut Context<'_>,
        done: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if let Poll::Ready(result) = done {
            if let Some((since, _)) = self.waiting.take() {
                self.blocked = self.blocked.saturating_add(since.elapsed());
            }
            let bytes = result.as_ref().map_or(0, |bytes| *bytes as u64);
            self.taken = self.taken.saturating_add(bytes);
            if self.taken >= self.pace.bytes {
                (self.blocked, self.taken) = (Duration::ZERO, 0);
            }
            return Poll::Ready(result);
        }
        let left = self.pace.window.saturating_sub(self.blocked);
        let (_, timer) =
            self.waiting.get_or_insert_with(|| (Instant::now(), Box::pin(sleep(left))));
        ready!(timer.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for WriteIdle<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for WriteIdle<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let done = Pin::new(&mut self.inner).poll_write(context, bytes);
        self.bounded(context, done)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let done = Pin::new(&mut self.inner).poll_write_vectored(context, parts);
        self.bounded(context, done)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A socket has no buffer of its own, so a flush does not depend on the reader.
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    fn slow(bytes: u64) -> MinimumRate {
        MinimumRate { window: MINUTE, bytes }
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_reads_nothing_is_disconnected() {
        let (near, _far) = duplex(16);
        let mut socket = WriteIdle::new(near, slow(1));
        let begun = Instant::now();
        let error = socket.write_all(&[0; 100]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(begun.elapsed().as_secs(), 60);
    }

    /// Reads eight bytes each `every`, and returns the result of writing a thousand bytes.
    async fn written(every: Duration, pace: MinimumRate) -> io::Result<()> {
        let (near, mut far) = duplex(16);
        let mut socket = WriteIdle::new(near, pace);
        let reading = async {
            let mut piece = [0; 8];
            while far.read_exact(&mut piece).await.is_ok() {
                tokio::time::sleep(every).await;
            }
        };
        let writing = async move { socket.write_all(&[7; 1000]).await };
        tokio::join!(writing, reading).0
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_of_a_few_bytes_per_minute_is_disconnected() {
        let error = written(Duration::from_secs(20), slow(64)).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_keeps_the_pace_gets_everything() {
        written(Duration::from_secs(5), slow(64)).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn time_without_data_to_send_does_not_count() {
        let (near, mut far) = duplex(16);
        let mut socket = WriteIdle::new(near, slow(64));
        let mut piece = [0; 8];
        for _ in 0..20 {
            socket.write_all(&[7; 8]).await.unwrap();
            far.read_exact(&mut piece).await.unwrap();
            tokio::time::sleep(MINUTE).await;
        }
    }
}
