//! Reading a request body within bounds.

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;

use crate::error::ApiError;

/// Most bytes of a request. The largest that clients send have about 40 KiB.
pub const MOST: usize = 256 * 1024;
/// Most bytes that are read of a larger one before it is refused: a client that is still sending
/// when the connection closes never sees the answer.
const DRAINED: usize = 4 << 20;

/// The whole body, chunked or not.
///
/// # Errors
/// [`ApiError::TooLarge`], or [`ApiError::Body`] when it ends early.
pub async fn read(mut body: Body) -> Result<Bytes, ApiError> {
    let mut held = BytesMut::new();
    let mut seen = 0_usize;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| ApiError::Body)?;
        let Some(data) = frame.data_ref() else { continue };
        seen = seen.saturating_add(data.len());
        if seen > DRAINED {
            break;
        }
        if seen <= MOST {
            held.extend_from_slice(data);
        }
    }
    if seen > MOST { Err(ApiError::TooLarge(MOST)) } else { Ok(held.freeze()) }
}

#[cfg(test)]
mod tests {
    use futures::stream;

    use super::*;

    fn chunks(number: usize, size: usize) -> Body {
        let chunk = Bytes::from(vec![b'x'; size]);
        Body::from_stream(stream::iter(
            (0..number).map(move |_| Ok::<_, std::io::Error>(chunk.clone())),
        ))
    }

    #[tokio::test]
    async fn a_body_of_exactly_the_bound_is_read_and_one_byte_more_is_413() {
        assert_eq!(read(chunks(1024, 256)).await.unwrap().len(), MOST);
        let error = read(chunks(1, MOST + 1)).await.unwrap_err();
        assert_eq!(error.status(), 413);
    }

    #[tokio::test]
    async fn an_endless_body_ends_in_413() {
        let endless =
            stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from_static(&[0; 4096])));
        assert_eq!(read(Body::from_stream(endless)).await.unwrap_err().status(), 413);
    }
}
