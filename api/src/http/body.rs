//! Reads a request body within limits. Called by the layer around routes with a body.

use std::sync::Arc;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::ApiError;

/// Maximum size of a request body in bytes. The largest that clients send have about 40 KiB.
pub const MAX_BODY: usize = 256 * 1024;
/// Maximum number of bytes that are read of a larger body before it is refused. If the connection is
/// closed while the client still sends, the client does not get the answer.
const DRAINED: usize = 16 << 20;

/// A body, and its share of the limit for all bodies.
#[derive(Debug)]
pub struct Held {
    /// The bytes.
    pub bytes: Bytes,
    /// Held until the request is answered, because the parsed data are as large as the body.
    pub share: Option<OwnedSemaphorePermit>,
}

/// Reads the whole body, chunked or not. Only received bytes count against `budget`; the announced length
/// does not.
///
/// # Errors
/// [`ApiError::TooLarge`], [`ApiError::Busy`] when the budget is used up, or [`ApiError::Body`]
/// when the body ends early.
pub async fn read(mut body: Body, budget: &Arc<Semaphore>) -> Result<Held, ApiError> {
    let (mut held, mut share) = (BytesMut::new(), None::<OwnedSemaphorePermit>);
    let mut seen = 0_usize;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| ApiError::Body)?;
        let Some(data) = frame.data_ref() else { continue };
        seen = seen.saturating_add(data.len());
        if seen > DRAINED {
            break;
        }
        if seen > MAX_BODY {
            (held, share) = (BytesMut::new(), None);
            continue;
        }
        let more = u32::try_from(data.len()).map_err(|_| ApiError::TooLarge(MAX_BODY))?;
        let more = budget.clone().try_acquire_many_owned(more).map_err(|_| ApiError::Busy)?;
        match &mut share {
            Some(share) => share.merge(more),
            None => share = Some(more),
        }
        held.extend_from_slice(data);
    }
    if seen > MAX_BODY {
        return Err(ApiError::TooLarge(MAX_BODY));
    }
    Ok(Held { bytes: held.freeze(), share })
}

#[cfg(test)]
mod tests {
    use futures::{StreamExt as _, stream};

    use super::*;

    fn budget() -> Arc<Semaphore> {
        Arc::new(Semaphore::new(2 * MAX_BODY))
    }

    fn chunks(number: usize, size: usize) -> Body {
        let chunk = Bytes::from(vec![b'x'; size]);
        Body::from_stream(stream::iter(
            (0..number).map(move |_| Ok::<_, std::io::Error>(chunk.clone())),
        ))
    }

    #[tokio::test]
    async fn a_body_at_the_limit_is_read_and_a_larger_one_is_413() {
        let budget = budget();
        assert_eq!(read(chunks(1024, 256), &budget).await.unwrap().bytes.len(), MAX_BODY);
        let error = read(chunks(1, MAX_BODY + 1), &budget).await.unwrap_err();
        assert_eq!(error.status(), 413);
    }

    #[tokio::test]
    async fn an_endless_body_is_413_and_releases_the_budget() {
        let budget = budget();
        let endless =
            stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from_static(&[0; 4096])));
        let error = read(Body::from_stream(endless), &budget).await.unwrap_err();
        assert_eq!((error.status(), budget.available_permits()), (413, 2 * MAX_BODY));
    }

    #[tokio::test]
    async fn a_body_beyond_the_limit_of_all_bodies_is_503() {
        let budget = budget();
        let first = read(chunks(1, MAX_BODY), &budget).await.unwrap();
        let second = read(chunks(1, MAX_BODY), &budget).await.unwrap();
        let refused = read(chunks(2, 1), &budget).await.unwrap_err();
        assert_eq!(refused.status(), 503);
        drop((first, second));
        assert_eq!(read(chunks(2, 1), &budget).await.unwrap().bytes.len(), 2);
    }

    #[tokio::test]
    async fn an_announced_body_that_is_not_sent_uses_no_budget() {
        let budget = budget();
        let some = stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"{"))]);
        let stalled = Body::from_stream(some.chain(stream::pending()));
        let mut reading = Box::pin(read(stalled, &budget));
        assert!(futures::poll!(&mut reading).is_pending());
        assert_eq!(budget.available_permits(), 2 * MAX_BODY - 1);
        drop(reading);
        assert_eq!(budget.available_permits(), 2 * MAX_BODY);
    }
}
