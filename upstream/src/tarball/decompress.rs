//! Decompresses a tarball and records whether the stream has ended. Used by `unpack`; the limits here
//! bound the memory of the decoders.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek};
use std::path::Path;
use std::rc::Rc;

use super::error::TarballError;

const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
const XZ_MAGIC: [u8; 6] = [0xfd, b'7', b'z', b'X', b'Z', 0];

/// Maximum zstd window, as a power of two: 128 MiB. `--ultra -20` uses 2^25, `-22` 2^27.
const ZSTD_WINDOW_LOG: u32 = 27;

/// Maximum memory of the xz decoder in bytes. `xz -9` needs 65 MiB.
const XZ_MEMORY: u64 = 160 << 20;

/// Maximum number of zero bytes after the end of the archive. tar pads to 10 KiB.
const MAX_PADDING: u64 = 1 << 20;

/// Shared flag: whether the stream has ended.
#[derive(Clone, Debug, Default)]
pub(super) struct End(Rc<Cell<bool>>);

impl End {
    /// Whether the stream has ended.
    pub(super) fn reached(&self) -> bool {
        self.0.get()
    }

    /// Classifies a failed read: an error of the system, a truncated stream, or damaged data.
    pub(super) fn classify(&self, error: io::Error) -> TarballError {
        if error.raw_os_error().is_some() {
            return TarballError::io("read", "the tarball", error);
        }
        if self.reached() || error.kind() == io::ErrorKind::UnexpectedEof {
            return TarballError::Truncated;
        }
        TarballError::Malformed { detail: error.to_string().chars().take(200).collect() }
    }
}

enum Decoder {
    Zstd(zstd::Decoder<'static, BufReader<File>>),
    Xz(Box<liblzma::read::XzDecoder<File>>),
}

/// Reader of a tarball's decompressed bytes, the tar archive.
pub(super) struct Decompressed {
    decoder: Decoder,
    end: End,
}

impl Decompressed {
    /// Opens the file and chooses the decoder by its first bytes.
    pub(super) fn open(path: &Path) -> Result<Self, TarballError> {
        let shown = path.to_string_lossy();
        let failed = |source| TarballError::io("read", &shown, source);
        let mut file = File::open(path).map_err(failed)?;
        let mut magic = Vec::new();
        file.by_ref().take(6).read_to_end(&mut magic).map_err(failed)?;
        file.rewind().map_err(failed)?;
        let decoder = if magic.starts_with(&ZSTD_MAGIC) {
            let mut decoder = zstd::Decoder::new(file).map_err(failed)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG).map_err(failed)?;
            Decoder::Zstd(decoder)
        } else if magic.starts_with(&XZ_MAGIC) {
            let stream = liblzma::stream::Stream::new_stream_decoder(
                XZ_MEMORY,
                liblzma::stream::CONCATENATED,
            )
            .map_err(|error| failed(error.into()))?;
            Decoder::Xz(Box::new(liblzma::read::XzDecoder::new_stream(file, stream)))
        } else {
            return Err(TarballError::UnknownCompression);
        };
        Ok(Self { decoder, end: End::default() })
    }

    /// The flag, which stays readable while the archive borrows the stream.
    pub(super) fn end(&self) -> End {
        self.end.clone()
    }

    /// Reads to the end of the stream and fails if anything but zeros follows. Reading to the end also
    /// makes the decoder compare the checksum.
    pub(super) fn expect_only_padding(mut self) -> Result<(), TarballError> {
        let mut buffer = vec![0; 16 << 10];
        let mut padding: u64 = 0;
        loop {
            let read = self.read(&mut buffer).map_err(|source| self.end.classify(source))?;
            let bytes = buffer.get(..read).unwrap_or_default();
            padding = padding.saturating_add(read as u64);
            if bytes.iter().any(|byte| *byte != 0) || padding > MAX_PADDING {
                return Err(TarballError::TrailingData);
            }
            if read == 0 {
                return Ok(());
            }
        }
    }
}

impl Read for Decompressed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = match &mut self.decoder {
            Decoder::Zstd(decoder) => decoder.read(buffer),
            Decoder::Xz(decoder) => decoder.read(buffer),
        }?;
        if read == 0 && !buffer.is_empty() {
            self.end.0.set(true);
        }
        Ok(read)
    }
}
