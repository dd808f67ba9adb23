//! The cluster's certificate authority, and the certificates that it signs.

use std::fs;
use std::path::PathBuf;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, date_time_ymd,
};

use super::{Error, files};

/// A folder of keys and certificates. Existing ones are kept, because running processes use them.
#[derive(Debug, Clone)]
pub(super) struct Pki {
    dir: PathBuf,
}

/// Subject of a client certificate.
pub(super) struct Subject<'a> {
    /// User name.
    pub(super) user: &'a str,
    /// Group, for example `system:masters`.
    pub(super) group: Option<&'a str>,
}

impl Pki {
    /// Creates the authority and the key for service account tokens, unless they exist.
    pub(super) fn ensure(dir: impl Into<PathBuf>) -> Result<Self, Error> {
        let pki = Self { dir: dir.into() };
        files::make_dir(&pki.dir)?;
        if !pki.crt("ca").is_file() {
            let key = generate("ca")?;
            let certificate = ca_params().self_signed(&key).map_err(of("ca"))?;
            files::write(&pki.key("ca"), key.serialize_pem())?;
            files::write(&pki.crt("ca"), certificate.pem())?;
        }
        if !pki.public_key("service-account").is_file() {
            let key = generate("service-account")?;
            files::write(&pki.key("service-account"), key.serialize_pem())?;
            files::write(&pki.public_key("service-account"), key.public_key_pem())?;
        }
        Ok(pki)
    }

    /// Path of a certificate.
    pub(super) fn crt(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}.crt"))
    }

    /// Path of a private key.
    pub(super) fn key(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}.key"))
    }

    /// Path of a bare public key.
    pub(super) fn public_key(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}.pub"))
    }

    /// A certificate for a server with these names and addresses. It is valid as a client certificate as well,
    /// because etcd's gateway uses it to connect to etcd.
    pub(super) fn server(&self, name: &str, hosts: &[&str]) -> Result<(), Error> {
        let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
        let mut params = CertificateParams::new(hosts).map_err(of(name))?;
        params.distinguished_name = distinguished_name(&Subject { user: name, group: None });
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        self.issue(name, params)
    }

    /// A client certificate for a user of the API server.
    pub(super) fn client(&self, name: &str, subject: &Subject<'_>) -> Result<(), Error> {
        let mut params = CertificateParams::default();
        params.distinguished_name = distinguished_name(subject);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.issue(name, params)
    }

    fn issue(&self, name: &str, mut params: CertificateParams) -> Result<(), Error> {
        if self.crt(name).is_file() {
            return Ok(());
        }
        let key_path = self.key("ca");
        let ca_pem = fs::read_to_string(&key_path).map_err(Error::io(key_path))?;
        let ca_key = KeyPair::from_pem(&ca_pem).map_err(of("ca"))?;
        // The authority's certificate is determined by its parameters and key, so it need not be parsed.
        let issuer = Issuer::new(ca_params(), ca_key);
        validity(&mut params);
        params.key_usages =
            vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
        params.use_authority_key_identifier_extension = true;
        let key = generate(name)?;
        let certificate = params.signed_by(&key, &issuer).map_err(of(name))?;
        files::write(&self.key(name), key.serialize_pem())?;
        files::write(&self.crt(name), certificate.pem())
    }
}

fn ca_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name =
        distinguished_name(&Subject { user: "asu local cluster", group: None });
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![
        KeyUsagePurpose::KeyCertSign,
        KeyUsagePurpose::CrlSign,
        KeyUsagePurpose::DigitalSignature,
    ];
    validity(&mut params);
    params
}

/// Fixed dates, because the clock of a test machine may be wrong.
fn validity(params: &mut CertificateParams) {
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2070, 1, 1);
}

fn distinguished_name(subject: &Subject<'_>) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    if let Some(group) = subject.group {
        name.push(DnType::OrganizationName, group);
    }
    name.push(DnType::CommonName, subject.user);
    name
}

fn generate(name: &str) -> Result<KeyPair, Error> {
    KeyPair::generate().map_err(of(name))
}

fn of(name: &str) -> impl FnOnce(rcgen::Error) -> Error {
    let name = name.to_owned();
    move |source| Error::Certificate { name, source }
}
