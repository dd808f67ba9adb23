//! A way to a server that can be made to hang: connections are accepted, and nothing comes back.

use std::sync::Arc;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
};
use tokio_util::task::AbortOnDropHandle;

/// See the module. Ends when it is dropped.
pub struct Relay {
    pub port: u16,
    hangs: Arc<watch::Sender<bool>>,
    _task: AbortOnDropHandle<()>,
}

impl Relay {
    /// To a port of this machine.
    pub async fn to(target: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (hangs, hanging) = watch::channel(false);
        let task = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let hanging = hanging.clone();
                tokio::spawn(async move {
                    if let Ok(far) = TcpStream::connect(("127.0.0.1", target)).await {
                        let (near_in, near_out) = near.into_split();
                        let (far_in, far_out) = far.into_split();
                        tokio::join!(
                            copy(near_in, far_out, hanging.clone()),
                            copy(far_in, near_out, hanging)
                        );
                    }
                });
            }
        });
        Self { port, hangs: Arc::new(hangs), _task: AbortOnDropHandle::new(task) }
    }

    /// From now on nothing gets through, or again everything.
    pub fn hang(&self, hangs: bool) {
        self.hangs.send_replace(hangs);
    }
}

async fn copy(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    mut hanging: watch::Receiver<bool>,
) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        if hanging.wait_for(|hangs| !hangs).await.is_err()
            || to.write_all(&buffer[..read]).await.is_err()
        {
            return;
        }
    }
    let _ = to.shutdown().await;
}
