//! A small HTTP server for tests, whose responses can fail in every way that a mirror's can.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hasher as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use asu_core::digest::Digest;
use asu_upstream::{ClientOptions, Keeper, Trust, Upstream, UsignPublicKey};
use ed25519_dalek::{Signer as _, SigningKey};
use url::Url;

/// The response to a request for a path.
#[derive(Clone)]
pub(crate) enum Reply {
    /// 200 with this body and an ETag computed from it; 304 when the request has this ETag.
    Body(Vec<u8>),
    /// This status, without a body.
    Status(u16),
    /// 200 or, for a range of the same ETag, 206; the connection ends after so many bytes.
    Ranged(Vec<u8>, usize),
    /// The same, but 206 always begins at the first byte.
    WrongRange(Vec<u8>),
    /// 302 to this address.
    Redirect(String),
    /// `Content-Length` is larger than the body.
    Truncated(Vec<u8>),
    /// Chunked, without the last chunk.
    TruncatedChunks(Vec<u8>),
    /// `Content-Length` is larger than the body, and the connection is reset.
    Reset(Vec<u8>),
    /// A part of the body, then nothing until the client disconnects.
    SilenceAfter(Vec<u8>),
    /// Endless chunks of 64 KiB.
    Endless,
    /// One byte each 20 milliseconds, without an end.
    Trickle,
    /// The headers, then nothing until the client disconnects.
    Silence,
    /// One reply after the other; the last one is repeated.
    Sequence(Vec<Reply>),
}

#[derive(Default)]
struct Shared {
    replies: Mutex<HashMap<String, Reply>>,
    asked: Mutex<Vec<(String, HashMap<String, String>)>>,
    stopped: AtomicBool,
}

/// The server. It stops when the value is dropped.
pub(crate) struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let thread = std::thread::spawn({
            let shared = shared.clone();
            move || {
                for stream in listener.incoming() {
                    if shared.stopped.load(Ordering::SeqCst) {
                        return;
                    }
                    let shared = shared.clone();
                    // A client that disconnects ends this thread with an error, which is ignored.
                    std::thread::spawn(move || serve(&shared, stream.unwrap()));
                }
            }
        });
        Self { address, shared, thread: Some(thread) }
    }

    pub(crate) fn url(&self) -> Url {
        format!("http://user:secret@{}/base/", self.address).parse().unwrap()
    }

    pub(crate) fn set(&self, path: &str, reply: Reply) {
        self.shared.replies.lock().unwrap().insert(format!("/base/{path}"), reply);
    }

    pub(crate) fn body(&self, path: &str, body: impl Into<Vec<u8>>) {
        self.set(path, Reply::Body(body.into()));
    }

    /// Paths requested so far, without `/base/`.
    pub(crate) fn asked(&self) -> Vec<String> {
        let asked = self.shared.asked.lock().unwrap();
        asked.iter().map(|(path, _)| path.trim_start_matches("/base/").to_owned()).collect()
    }

    /// The `Range` headers of the requests so far.
    pub(crate) fn ranges(&self) -> Vec<Option<String>> {
        let asked = self.shared.asked.lock().unwrap();
        asked.iter().map(|(_, headers)| headers.get("range").cloned()).collect()
    }

    pub(crate) fn forget(&self) {
        self.shared.asked.lock().unwrap().clear();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        // Connects once, so that the listener's `accept` returns and the flag is read.
        let _ = TcpStream::connect(self.address);
        self.thread.take().unwrap().join().unwrap();
    }
}

fn serve(shared: &Shared, mut stream: TcpStream) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut headers = HashMap::new();
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim().split_once(": ") else { break };
        headers.insert(name.to_lowercase(), value.to_owned());
    }
    shared.asked.lock().unwrap().push((path.clone(), headers.clone()));
    let reply = next_reply(&mut shared.replies.lock().unwrap(), &path);
    answer(reply, &headers, &mut stream)
}

fn next_reply(replies: &mut HashMap<String, Reply>, path: &str) -> Reply {
    match replies.get_mut(path) {
        None => Reply::Status(404),
        Some(Reply::Sequence(sequence)) if sequence.len() > 1 => sequence.remove(0),
        Some(Reply::Sequence(sequence)) => sequence[0].clone(),
        Some(reply) => reply.clone(),
    }
}

fn answer(
    reply: Reply,
    headers: &HashMap<String, String>,
    stream: &mut TcpStream,
) -> std::io::Result<()> {
    match reply {
        Reply::Body(body) => {
            let etag = etag_of(&body);
            if headers.get("if-none-match") == Some(&etag) {
                return head(stream, 304, &format!("etag: {etag}\r\n"));
            }
            head(stream, 200, &format!("content-length: {}\r\netag: {etag}\r\n", body.len()))?;
            stream.write_all(&body)
        }
        Reply::Ranged(body, stop) => ranged(&body, stop, headers, stream),
        Reply::WrongRange(body) => {
            let range = format!("content-range: bytes 0-{0}/{0}\r\n", body.len());
            let (status, range) =
                if headers.contains_key("range") { (206, range.as_str()) } else { (200, "") };
            head(stream, status, &format!("{range}content-length: {}\r\n", body.len()))?;
            stream.write_all(&body)
        }
        Reply::Status(status) => head(stream, status, "content-length: 0\r\n"),
        Reply::Redirect(to) => {
            head(stream, 302, &format!("location: {to}\r\ncontent-length: 0\r\n"))
        }
        Reply::Truncated(body) => {
            head(stream, 200, &format!("content-length: {}\r\n", body.len() + 10))?;
            stream.write_all(&body)
        }
        Reply::TruncatedChunks(body) => {
            head(stream, 200, "transfer-encoding: chunked\r\n")?;
            let size = format!("{:x}\r\n", body.len());
            stream.write_all(&[size.as_bytes(), &body, b"\r\n"].concat())
        }
        reply => interrupted(reply, stream),
    }
}

/// Sends a reply that does not end as it should.
fn interrupted(reply: Reply, stream: &mut TcpStream) -> std::io::Result<()> {
    match reply {
        Reply::Reset(body) => {
            head(stream, 200, &format!("content-length: {}\r\n", body.len() + 10))?;
            stream.write_all(&body)?;
            // After the client has received the body: a reset drops data in flight.
            std::thread::sleep(Duration::from_millis(100));
            let at_once = rustix::net::sockopt::set_socket_linger(&*stream, Some(Duration::ZERO));
            at_once.map_err(std::io::Error::from)
        }
        Reply::SilenceAfter(body) => {
            head(stream, 200, &format!("content-length: {}\r\n", body.len() + 10))?;
            stream.write_all(&body)?;
            stream.read_to_end(&mut Vec::new()).map(|_| ())
        }
        Reply::Endless => {
            head(stream, 200, "transfer-encoding: chunked\r\n")?;
            let chunk = [&b"10000\r\n"[..], &b"x".repeat(0x1_0000), b"\r\n"].concat();
            loop {
                stream.write_all(&chunk)?;
            }
        }
        Reply::Trickle => {
            head(stream, 200, "transfer-encoding: chunked\r\n")?;
            loop {
                stream.write_all(b"1\r\n \r\n")?;
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        Reply::Silence => {
            head(stream, 200, "content-length: 10\r\n")?;
            stream.read_to_end(&mut Vec::new()).map(|_| ())
        }
        _ => unreachable!("a sequence holds no sequence"),
    }
}

/// Not a SHA-256: without optimization, that of a large body takes longer than clients wait.
fn etag_of(body: &[u8]) -> String {
    let mut hasher = std::hash::DefaultHasher::new();
    hasher.write(body);
    format!("\"{:x}\"", hasher.finish())
}

fn ranged(
    body: &[u8],
    stop: usize,
    headers: &HashMap<String, String>,
    stream: &mut TcpStream,
) -> std::io::Result<()> {
    let etag = etag_of(body);
    let range = headers.get("range").and_then(|range| range.strip_prefix("bytes="));
    let first = range.and_then(|range| range.strip_suffix('-')?.parse::<usize>().ok());
    let first = first.filter(|_| headers.get("if-range") == Some(&etag));
    let (status, first, range) = match first {
        Some(first) if first >= body.len() => return head(stream, 416, "content-length: 0\r\n"),
        Some(first) => {
            let range =
                format!("content-range: bytes {first}-{}/{}\r\n", body.len() - 1, body.len());
            (206, first, range)
        }
        None => (200, 0, String::new()),
    };
    let part = &body[first..];
    head(stream, status, &format!("content-length: {}\r\netag: {etag}\r\n{range}", part.len()))?;
    stream.write_all(&part[..stop.min(part.len())])
}

fn head(stream: &mut TcpStream, status: u16, headers: &str) -> std::io::Result<()> {
    write!(stream, "HTTP/1.1 {status} X\r\n{headers}connection: close\r\n\r\n")
}

/// A client for these mirrors with short pauses and time limits.
pub(crate) fn client(mirrors: &[&Server]) -> Upstream {
    let bases = mirrors.iter().map(|server| server.url()).collect();
    let options = ClientOptions {
        read_timeout: Duration::from_millis(300),
        pause: Duration::from_millis(1),
        ..ClientOptions::default()
    };
    Upstream::new(bases, options).unwrap()
}

/// The same with this time limit of a document.
pub(crate) fn hurried(server: &Server, document_timeout: Duration) -> Upstream {
    let options = ClientOptions { document_timeout, rounds: 1, ..ClientOptions::default() };
    Upstream::new(vec![server.url()], options).unwrap()
}

/// A usign file with this payload, of the key that [`signature`] uses.
pub(crate) fn usign(payload: &[u8]) -> String {
    let bytes = [b"Ed", &b"key-name"[..], payload].concat();
    format!("untrusted comment: x\n{}\n", data_encoding::BASE64.encode(&bytes))
}

/// A signature file of this content by the key with this seed.
pub(crate) fn signature(seed: u8, content: &[u8]) -> String {
    usign(&SigningKey::from_bytes(&[seed; 32]).sign(content).to_bytes())
}

/// Trust in the key with this seed.
pub(crate) fn trust(seed: u8) -> Trust {
    let key = usign(SigningKey::from_bytes(&[seed; 32]).verifying_key().as_bytes());
    Trust::Keys(vec![UsignPublicKey::parse(&key).unwrap()])
}

/// Documents by digest.
#[derive(Default)]
pub(crate) struct Kept(Mutex<BTreeMap<Digest, Vec<u8>>>);

impl Kept {
    /// The content of a document.
    pub(crate) fn get(&self, digest: &Digest) -> Vec<u8> {
        self.0.lock().unwrap()[digest].clone()
    }
}

impl Keeper for Kept {
    async fn keep(&self, content: Vec<u8>) -> Result<Digest, String> {
        let digest = Digest::of(&content);
        self.0.lock().unwrap().insert(digest, content);
        Ok(digest)
    }
}
