//! Combines the headers of a tar archive into members. Used by `unpack`.
//!
//! The crate `tar` parses single headers. GNU long names and pax records are applied here, so that
//! their size is limited before they are read into memory.

use std::io::Read;

use tar::{Entries, Entry, EntryType, PaxExtensions};

use super::Budget;
use super::decompress::End;
use super::error::{TarballError, shown};
use super::name;
use super::place::Time;

/// Maximum size of an extension header in bytes: enough for a name of 4095 bytes, a link target, and
/// a few attributes.
const MAX_EXTENSION: u64 = 64 << 10;

/// One member with a checked name.
pub(super) struct Member<'a, R: Read> {
    /// Normalised name; empty for `./`.
    pub(super) name: String,
    /// Permission bits.
    pub(super) mode: u32,
    /// Modification time.
    pub(super) time: Time,
    /// Type of the member, with its data.
    pub(super) content: Content<'a, R>,
}

/// Type of a member, with its data.
pub(super) enum Content<'a, R: Read> {
    Folder,
    File { size: u64, data: Box<Entry<'a, R>> },
    HardLink { target: String },
    Symlink { target: String },
}

/// Content of extension headers, which apply to the next member.
#[derive(Default)]
struct Extensions {
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    pax: Option<Vec<u8>>,
}

/// Content of pax records, which apply to one member.
#[derive(Default)]
struct Records {
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
    time: Option<Time>,
}

/// Reads the members of an archive in order.
pub(super) struct Members<'a, R: Read> {
    entries: Entries<'a, R>,
    end: End,
}

impl<'a, R: Read> Members<'a, R> {
    pub(super) fn new(entries: Entries<'a, R>, end: End) -> Self {
        Self { entries: entries.raw(true), end }
    }

    /// The next member; `None` at the end mark of the archive.
    pub(super) fn next(
        &mut self,
        budget: &mut Budget,
    ) -> Result<Option<Member<'a, R>>, TarballError> {
        let mut extensions = Extensions::default();
        while let Some(entry) = self.entries.next() {
            let entry = entry.map_err(|source| self.end.classify(source))?;
            let member = String::from_utf8_lossy(&entry.header().path_bytes()).into_owned();
            budget.entries(&member, 1)?;
            budget.bytes(&member, entry.size())?;
            match entry.header().entry_type() {
                EntryType::GNULongName => {
                    self.keep(entry, &member, &mut extensions.name)?;
                }
                EntryType::GNULongLink => {
                    self.keep(entry, &member, &mut extensions.link)?;
                }
                EntryType::XHeader => self.keep(entry, &member, &mut extensions.pax)?,
                EntryType::XGlobalHeader => self.check_global(entry, &member)?,
                _ => return self.member(entry, extensions).map(Some),
            }
        }
        // tar archives end with a block of zeros. Without it, the archive was truncated between two
        // members.
        if self.end.reached() { Err(TarballError::Truncated) } else { Ok(None) }
    }

    fn keep(
        &self,
        entry: Entry<'a, R>,
        member: &str,
        place: &mut Option<Vec<u8>>,
    ) -> Result<(), TarballError> {
        if place.is_some() {
            return Err(refused(member, "two headers of one kind describe one member"));
        }
        *place = Some(self.read(entry, member)?);
        Ok(())
    }

    /// Checks global pax records. In practice they are comments; records that would rename members
    /// are refused.
    fn check_global(&self, entry: Entry<'a, R>, member: &str) -> Result<(), TarballError> {
        let bytes = self.read(entry, member)?;
        let records = records(&bytes, member)?;
        if records.name.is_some() || records.link.is_some() || records.size.is_some() {
            return Err(refused(member, "a global header sets names or sizes"));
        }
        Ok(())
    }

    fn read(&self, mut entry: Entry<'a, R>, member: &str) -> Result<Vec<u8>, TarballError> {
        let size = entry.size();
        if size > MAX_EXTENSION {
            return Err(refused(member, "it is too large"));
        }
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).map_err(|source| self.end.classify(source))?;
        if bytes.len() as u64 == size { Ok(bytes) } else { Err(TarballError::Truncated) }
    }

    fn member(
        &self,
        entry: Entry<'a, R>,
        extensions: Extensions,
    ) -> Result<Member<'a, R>, TarballError> {
        let header = entry.header();
        let plain_name = header.path_bytes().into_owned();
        let shown_name = String::from_utf8_lossy(&plain_name).into_owned();
        let pax = records(extensions.pax.as_deref().unwrap_or_default(), &shown_name)?;
        let raw_name = pax.name.or(extensions.name.map(without_nul)).unwrap_or(plain_name);
        let raw_link = pax
            .link
            .or(extensions.link.map(without_nul))
            .or_else(|| header.link_name_bytes().map(std::borrow::Cow::into_owned))
            .unwrap_or_default();
        let name = name::normalise(&raw_name)?;
        if pax.size.is_some_and(|size| size != entry.size()) {
            return Err(refused(&name, "it gives another size than the header"));
        }
        let mode = header.mode().map_err(|source| self.end.classify(source))? & 0o777;
        let time = match pax.time {
            Some(time) => time,
            None => Time::seconds(header.mtime().map_err(|source| self.end.classify(source))?),
        };
        let kind = header.entry_type();
        let content = content(&name, &raw_name, kind, &raw_link, entry)?;
        Ok(Member { name, mode, time, content })
    }
}

fn content<'a, R: Read>(
    name: &str,
    raw_name: &[u8],
    kind: EntryType,
    raw_link: &[u8],
    data: Entry<'a, R>,
) -> Result<Content<'a, R>, TarballError> {
    let member = shown(name);
    match kind {
        // In the tar format before POSIX.1-1988 this was a folder; today's programs treat it
        // differently.
        EntryType::Regular if raw_name.ends_with(b"/") => {
            Err(TarballError::BadName { member, problem: "a file's name ends with `/`" })
        }
        EntryType::Regular => Ok(Content::File { size: data.size(), data: Box::new(data) }),
        EntryType::Directory => Ok(Content::Folder),
        EntryType::Symlink => {
            Ok(Content::Symlink { target: name::symlink_target(name, raw_link)? })
        }
        EntryType::Link => {
            let target = name::normalise(raw_link).map_err(|_| TarballError::HardLink {
                member,
                target: shown(&String::from_utf8_lossy(raw_link)),
            })?;
            Ok(Content::HardLink { target })
        }
        EntryType::Char | EntryType::Block => Err(TarballError::Device { member }),
        EntryType::Fifo => Err(TarballError::Fifo { member }),
        EntryType::GNUSparse => Err(TarballError::Sparse { member }),
        other => Err(TarballError::UnknownType { member, kind: char::from(other.as_byte()) }),
    }
}

fn refused(member: &str, detail: impl Into<String>) -> TarballError {
    TarballError::Extension { member: shown(member), detail: detail.into() }
}

/// Removes the NUL at the end of a GNU long name.
fn without_nul(mut bytes: Vec<u8>) -> Vec<u8> {
    if bytes.last() == Some(&0) {
        bytes.pop();
    }
    bytes
}

fn records(bytes: &[u8], member: &str) -> Result<Records, TarballError> {
    let mut records = Records::default();
    for record in PaxExtensions::new(bytes) {
        let record = record.map_err(|_| refused(member, "a record is malformed"))?;
        let value = record.value_bytes();
        match record.key_bytes() {
            b"path" => records.name = Some(value.to_vec()),
            b"linkpath" => records.link = Some(value.to_vec()),
            b"size" => {
                let size = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
                records.size = Some(size.ok_or_else(|| refused(member, "its size is no number"))?);
            }
            b"mtime" => {
                let time = std::str::from_utf8(value).ok().and_then(Time::parse);
                records.time = Some(time.ok_or_else(|| refused(member, "its time is no number"))?);
            }
            key if key.starts_with(b"GNU.sparse.") => {
                return Err(TarballError::Sparse { member: shown(member) });
            }
            _ => {}
        }
    }
    Ok(records)
}
