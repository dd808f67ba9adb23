//! The URL of this server, as the client reached it: clients of 2018 expect absolute URLs.

use http::{HeaderMap, header};

/// Maximum length of a host name with a port.
const MAX_HOST: usize = 255;

/// Scheme and host of a request, for example `https://asu.example.org`. `behind_proxy` is whether a proxy
/// may say with which scheme it was reached. Empty if the host is missing or malformed; then the URLs of the
/// answer are relative. The answer is only for the client that sent the headers, and not cached.
pub fn server_of(headers: &HeaderMap, behind_proxy: bool) -> String {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b);
    if host.is_empty() || host.len() > MAX_HOST || !host.bytes().all(plain) {
        return String::new();
    }
    let forwarded = headers.get("x-forwarded-proto").and_then(|scheme| scheme.to_str().ok());
    let forwarded = forwarded.and_then(|list| list.split(',').next()).map(str::trim);
    let secure =
        behind_proxy && forwarded.is_some_and(|scheme| scheme.eq_ignore_ascii_case("https"));
    format!("{}://{host}", if secure { "https" } else { "http" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_is_what_the_client_used_or_nothing() {
        let of = |host: &str, scheme: &str, behind_proxy| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, host.parse().unwrap());
            headers.insert("x-forwarded-proto", scheme.parse().unwrap());
            server_of(&headers, behind_proxy)
        };
        assert_eq!(of("asu.example.org", "https", true), "https://asu.example.org");
        assert_eq!(of("asu.example.org", "HTTPS, http", true), "https://asu.example.org");
        assert_eq!(of("asu.example.org:8080", "https", false), "http://asu.example.org:8080");
        assert_eq!(of("[::1]:80", "ftp", true), "http://[::1]:80");
        assert_eq!(of("a\"b/c", "https", true), "");
        assert_eq!(server_of(&HeaderMap::new(), true), "");
    }
}
