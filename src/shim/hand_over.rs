//! What the shim tells the buffer: an entry of `remote_write`, as JSON.

use serde::Serialize;
use std::collections::BTreeMap;

/// Where vmagent would have sent to, and with what. Its keys are those of an entry of `remote_write`, so that the
/// buffer reads it as one, with the same checks. Has no `Debug`: there are secrets in it.
#[derive(Clone, PartialEq, Eq, Default, Serialize)]
pub struct HandOver {
    /// Without userinfo.
    pub url: String,
    /// From the flags, else from the URL's userinfo.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) basic_auth: Option<BasicAuth>,
    /// A bearer token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) authorization: Option<Authorization>,
    /// Tokens that a server gives out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) oauth2: Option<OAuth2>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) headers: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "TlsConfig::is_default")]
    pub(super) tls_config: TlsConfig,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) proxy_url: Option<String>,
}

#[derive(Clone, PartialEq, Eq, Default, Serialize)]
pub(super) struct BasicAuth {
    pub(super) username: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) password: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) password_file: Option<String>,
}

#[derive(Clone, PartialEq, Eq, Default, Serialize)]
pub(super) struct Authorization {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) credentials: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) credentials_file: Option<String>,
}

#[derive(Clone, PartialEq, Eq, Default, Serialize)]
pub(super) struct OAuth2 {
    pub(super) client_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) client_secret: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) client_secret_file: Option<String>,
    pub(super) token_url: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) scopes: Vec<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) endpoint_params: BTreeMap<String, String>,
}

#[derive(Clone, PartialEq, Eq, Default, Serialize)]
pub(super) struct TlsConfig {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ca_file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cert_file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) key_file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) server_name: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) insecure_skip_verify: bool,
}

impl TlsConfig {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl HandOver {
    /// The text of the file.
    pub fn to_json(&self) -> String {
        let json = serde_json::to_string_pretty(self).expect("BUG: texts are JSON");
        format!("{json}\n")
    }

    /// The URL without its query, which may hold a token.
    pub fn public_url(&self) -> &str {
        self.url.split('?').next().unwrap_or_default()
    }
}
