//! Reads the index of one folder of packages: `index.json`, or `Packages` if `index.json` is missing or
//! has names with ABI suffixes. Called for the packages of a target and for feeds.

mod json;
mod stanzas;

use asu_core::{
    digest::Digest,
    package_index::{NotAdded, Package, PackageIndex},
};

use serde::{Deserialize, Serialize};

use crate::{
    client::{Document, Fetched, Upstream, Validator},
    error::{ParseError, UpstreamError, shown},
    text::quoted,
};

/// The index as JSON.
const JSON: &str = "index.json";
/// The index of opkg, gzipped.
const GZIPPED: &str = "Packages.gz";
/// The index of opkg.
const PLAIN: &str = "Packages";

/// Maximum size of an index in bytes, as it is sent. The largest of OpenWrt has 2 MB, plain 8 MB.
const MAX_BYTES: u64 = 32 << 20;

/// Packages of an index, and errors about its invalid entries.
#[derive(Debug)]
pub(crate) struct Collected {
    what: &'static str,
    /// The packages.
    pub(crate) index: PackageIndex,
    bad: usize,
    first: Option<NotAdded>,
}

impl Collected {
    fn new(what: &'static str, architecture: &str) -> Self {
        Self { what, index: PackageIndex::new(architecture), bad: 0, first: None }
    }

    /// Adds a package. Invalid entries are counted and do not affect the others.
    fn add(&mut self, name: &str, package: Package) -> Result<(), ParseError> {
        match self.index.add(name, package) {
            Err(error @ NotAdded::TooMany) => {
                return Err(ParseError::new(self.what, error.to_string()));
            }
            Err(error) => {
                self.bad += 1;
                self.first.get_or_insert(error);
            }
            Ok(()) => {}
        }
        Ok(())
    }

    /// The error about entries that were left out.
    fn left_out(&self) -> Option<ParseError> {
        let first = self.first.as_ref()?;
        let more = self.bad.saturating_sub(1);
        let more = if more > 0 { format!(", and {more} more") } else { String::new() };
        Some(ParseError::new(self.what, format!("{first}{more}")))
    }
}

/// A folder of packages.
pub(crate) struct Folder<'a> {
    /// Client of one or all mirrors.
    pub(crate) upstream: &'a Upstream,
    /// Path of the folder.
    pub(crate) path: String,
    /// Architecture of its packages.
    pub(crate) arch: &'a str,
}

/// The file that an index was read from, and its validator for a conditional request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Source {
    file: String,
    validator: Validator,
}

/// An index.
#[derive(Debug)]
pub(crate) struct Found {
    /// Its packages.
    pub(crate) index: PackageIndex,
    /// Error about entries that were left out.
    pub(crate) left_out: Option<UpstreamError>,
    /// For the next reading; `None` if the server sent no validator.
    pub(crate) source: Option<Source>,
}

impl Folder<'_> {
    /// Reads the index. `expected` returns the digest of a file if a signed list contains it. The
    /// result is `None` if the index is unchanged since `known`.
    pub(crate) async fn read(
        &self,
        expected: impl Fn(&str) -> Result<Option<Digest>, UpstreamError>,
        known: Option<&Source>,
    ) -> Result<Option<Found>, UpstreamError> {
        let get = async |file: &'static str, known: Option<&Source>| {
            let known = known.filter(|known| known.file == file).map(|known| &known.validator);
            self.get(file, expected(file)?, known).await
        };
        let missing = match get(JSON, known).await {
            Ok(Fetched::NotModified) => return Ok(None),
            Ok(Fetched::New(document)) => {
                let index = json::parse(&document.bytes).map_err(|at| at.at(&document.url))?;
                self.check_architecture(&document, &index.collected)?;
                if index.is_without_suffix {
                    return Ok(Some(found(JSON, &document, index.collected)));
                }
                // `index.json` changes whenever `Packages` does, so its validator applies to both.
                return match self.stanzas(&get, None).await {
                    Ok(Some((_, _, stanzas))) => Ok(Some(found(JSON, &document, stanzas))),
                    Ok(None) | Err(UpstreamError::NotFound { .. }) => {
                        Ok(Some(found(JSON, &document, index.collected)))
                    }
                    Err(error) => Err(error),
                };
            }
            Err(error @ UpstreamError::NotFound { .. }) => error,
            Err(error) => return Err(error),
        };
        match self.stanzas(&get, known).await {
            Ok(stanzas) => Ok(stanzas.map(|(file, document, read)| found(file, &document, read))),
            // The error is about the file that is requested first.
            Err(UpstreamError::NotFound { .. }) => Err(missing),
            Err(error) => Err(error),
        }
    }

    /// Reads the index of opkg, gzipped or else plain.
    async fn stanzas(
        &self,
        get: &impl AsyncFn(&'static str, Option<&Source>) -> Result<Fetched, UpstreamError>,
        known: Option<&Source>,
    ) -> Result<Option<(&'static str, Document, Collected)>, UpstreamError> {
        let (file, fetched) = match get(GZIPPED, known).await {
            Err(UpstreamError::NotFound { .. }) => (PLAIN, get(PLAIN, known).await?),
            fetched => (GZIPPED, fetched?),
        };
        let Fetched::New(document) = fetched else { return Ok(None) };
        let parse = if file == GZIPPED { stanzas::parse_gzipped } else { stanzas::parse };
        let read = parse(&document.bytes, self.arch).map_err(|error| error.at(&document.url))?;
        Ok(Some((file, document, read)))
    }

    async fn get(
        &self,
        file: &str,
        expected: Option<Digest>,
        known: Option<&Validator>,
    ) -> Result<Fetched, UpstreamError> {
        let path = format!("{}/{file}", self.path);
        let fetched = self.upstream.fetch(&path, MAX_BYTES, known).await?;
        if let (Fetched::New(document), Some(expected)) = (&fetched, expected) {
            let actual = Digest::of(&document.bytes);
            if actual != expected {
                let url = shown(&document.url);
                return Err(UpstreamError::BadChecksum { url, expected, actual });
            }
        }
        Ok(fetched)
    }

    fn check_architecture(
        &self,
        document: &Document,
        collected: &Collected,
    ) -> Result<(), UpstreamError> {
        let said = &collected.index.architecture;
        if said == self.arch {
            return Ok(());
        }
        Err(UpstreamError::AnotherDocument {
            url: shown(&document.url),
            said: quoted(said),
            asked: quoted(self.arch),
        })
    }
}

fn found(file: &'static str, document: &Document, collected: Collected) -> Found {
    let validator = document.validator.clone();
    let file = file.to_owned();
    let source = (validator != Validator::default()).then_some(Source { file, validator });
    let left_out = collected.left_out().map(|error| error.at(&document.url));
    Found { index: collected.index, left_out, source }
}
