//! Builds archives byte by byte, because tar programs do not create invalid ones.

mod genuine;
mod hostile;
mod kept;
mod limits;
mod outside;

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::{TarballError, UnpackLimits, Unpacked, unpack};

/// An archive that is written member by member, without checks of names.
#[derive(Default)]
struct Archive(Vec<u8>);

/// Default modification time of members.
const TIME: u64 = 1_700_000_000;

impl Archive {
    fn raw(mut self, kind: u8, name: &[u8], link: &[u8], mode: u32, data: &[u8]) -> Self {
        let mut header = tar::Header::new_gnu();
        let old = header.as_old_mut();
        for (to, from) in old.name.iter_mut().zip(name) {
            *to = *from;
        }
        for (to, from) in old.linkname.iter_mut().zip(link) {
            *to = *from;
        }
        old.linkflag = [kind];
        header.set_mode(mode);
        header.set_mtime(TIME);
        header.set_uid(4711);
        header.set_gid(4711);
        header.set_size(data.len() as u64);
        header.set_cksum();
        self.0.extend(header.as_bytes());
        self.0.extend(data);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    fn dir(self, name: &str) -> Self {
        self.raw(b'5', name.as_bytes(), b"", 0o755, b"")
    }

    fn file(self, name: &str, data: &str) -> Self {
        self.raw(b'0', name.as_bytes(), b"", 0o644, data.as_bytes())
    }

    fn link(self, name: &str, target: &str) -> Self {
        self.raw(b'2', name.as_bytes(), target.as_bytes(), 0o777, b"")
    }

    fn hard(self, name: &str, target: &str) -> Self {
        self.raw(b'1', name.as_bytes(), target.as_bytes(), 0o644, b"")
    }

    fn long_name(self, name: &[u8]) -> Self {
        self.raw(b'L', b"././@LongLink", b"", 0o644, &[name, b"\0"].concat())
    }

    fn pax(self, kind: u8, records: &[(&str, &str)]) -> Self {
        let mut data = String::new();
        for (key, value) in records {
            // The length of a pax record includes the digits of the length itself.
            let rest = format!(" {key}={value}\n");
            let length = (1..999).find(|n| n.to_string().len() + rest.len() == *n).unwrap();
            data.push_str(&length.to_string());
            data.push_str(&rest);
        }
        self.raw(kind, b"pax", b"", 0o644, data.as_bytes())
    }

    fn tar(mut self) -> Vec<u8> {
        self.0.extend([0; 1024]);
        self.0
    }
}

/// A folder with an archive, a destination, and a neighbour that must not change.
struct Place {
    dir: TempDir,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("dest")).unwrap();
        std::fs::write(dir.path().join("neighbour"), "untouched").unwrap();
        Self { dir }
    }

    fn dest(&self) -> PathBuf {
        self.dir.path().join("dest")
    }

    fn unpack_bytes(&self, file: &[u8], limits: UnpackLimits) -> Result<Unpacked, TarballError> {
        let path = self.dir.path().join("archive");
        std::fs::write(&path, file).unwrap();
        let answer = unpack(&path, &self.dest(), &limits);
        self.assert_nothing_outside();
        answer
    }

    fn unpack(&self, tar: &[u8]) -> Result<Unpacked, TarballError> {
        self.unpack_bytes(&zstd::encode_all(tar, 1).unwrap(), UnpackLimits::default())
    }

    fn assert_nothing_outside(&self) {
        let mut names: Vec<_> = std::fs::read_dir(self.dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, ["archive", "dest", "neighbour"]);
        let neighbour = std::fs::read(self.dir.path().join("neighbour")).unwrap();
        assert_eq!(neighbour, b"untouched");
    }
}

fn unpacked(archive: Archive) -> (Place, Unpacked) {
    let place = Place::new();
    let answer = place.unpack(&archive.tar()).unwrap();
    (place, answer)
}

fn refusal(archive: Archive) -> TarballError {
    Place::new().unpack(&archive.tar()).unwrap_err()
}

fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 6);
    std::io::Write::write_all(&mut encoder, bytes).unwrap();
    encoder.finish().unwrap()
}

fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::symlink_metadata(path).unwrap().mode() & 0o7777
}

fn time(path: &Path) -> (i64, i64) {
    use std::os::unix::fs::MetadataExt as _;
    let metadata = std::fs::symlink_metadata(path).unwrap();
    (metadata.mtime(), metadata.mtime_nsec())
}
