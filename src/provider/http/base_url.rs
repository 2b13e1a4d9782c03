//! The address of a server that is not the cloud's own: a gateway, a test server. Tokens and content travel to it, so that it must be
//! TLS, except on this very machine.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use reqwest::Url;

/// A checked base address: `https://host[:port][/path]`, or `http://` on loopback.
#[derive(Clone, PartialEq, Eq)]
pub struct BaseUrl(Url);

/// Why an address is refused.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BaseUrlError {
    /// It does not parse.
    #[error("\"{0}\" is not an address: expected https://HOST[:PORT], or http://127.0.0.1:PORT on this machine")]
    NotAnAddress(String),
    /// Tokens would travel in the clear.
    #[error("{0} is not encrypted: use https:// for every server that is not on this machine")]
    NotEncrypted(String),
    /// A name, password, query or fragment has no meaning here.
    #[error("{0} holds more than a server and a path")]
    TooMuch(String),
}

impl BaseUrl {
    /// True for this machine's own loopback addresses and for `localhost`.
    pub fn is_loopback(&self) -> bool {
        match self.0.host_str() {
            Some("localhost") => true,
            Some(host) => {
                let host = host.trim_start_matches('[').trim_end_matches(']');
                host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
            }
            None => false,
        }
    }

    /// The address of `path` (without a leading slash) below this one.
    pub fn join(&self, path: &str) -> Url {
        let mut url = self.0.clone();
        let base = url.path().trim_end_matches('/').to_owned();
        url.set_path(&format!("{base}/{path}"));
        url
    }
}

impl FromStr for BaseUrl {
    type Err = BaseUrlError;

    fn from_str(text: &str) -> Result<Self, BaseUrlError> {
        let url = Url::parse(text).map_err(|_| BaseUrlError::NotAnAddress(text.to_owned()))?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(BaseUrlError::NotAnAddress(text.to_owned()));
        }
        let has_more = !url.username().is_empty() || url.password().is_some();
        if has_more || url.query().is_some() || url.fragment().is_some() {
            // Not the text itself: it may hold a password.
            return Err(BaseUrlError::TooMuch(format!("the address of {}", url.host_str().unwrap_or_default())));
        }
        let base = Self(url);
        if base.0.scheme() == "http" && !base.is_loopback() {
            return Err(BaseUrlError::NotEncrypted(text.to_owned()));
        }
        Ok(base)
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

impl fmt::Debug for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<BaseUrl, BaseUrlError> {
        text.parse()
    }

    #[test]
    fn only_this_machine_may_do_without_encryption() {
        for good in ["https://api.dropboxapi.com", "http://127.0.0.1:8080", "http://[::1]:1", "http://localhost:53682"]
        {
            assert!(parsed(good).is_ok(), "{good}");
        }
        for bad in
            ["http://api.dropboxapi.com", "http://10.0.0.1", "http://localhost.example.com", "http://127.0.0.1.nip.io"]
        {
            assert!(matches!(parsed(bad), Err(BaseUrlError::NotEncrypted(_))), "{bad}");
        }
        for bad in ["", "api", "ftp://host", "file:///etc/passwd", "https://"] {
            assert!(matches!(parsed(bad), Err(BaseUrlError::NotAnAddress(_))), "{bad}");
        }
        let secret = parsed("https://user:hunter2@host").unwrap_err().to_string();
        assert!(!secret.contains("hunter2"), "{secret}");
    }

    #[test]
    fn paths_are_put_below_it() {
        let join = |base: &str| parsed(base).unwrap().join("2/files/upload").to_string();
        assert_eq!(join("http://127.0.0.1:1"), "http://127.0.0.1:1/2/files/upload");
        assert_eq!(join("https://gateway.example/dropbox/"), "https://gateway.example/dropbox/2/files/upload");
    }
}
