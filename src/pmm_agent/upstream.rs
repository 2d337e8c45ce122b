//! Where pmm-agent's own server is: what stands in for a hand-over until there is one.

use super::{Unexpected, tree};
use serde_json::{Value, json};

/// The entry of `remote_write` that `server` of a pmm-agent.yaml amounts to, as JSON. None where it names no address.
///
/// # Errors
///
/// A text that is no section of keys.
pub fn upstream(text: &str) -> Result<Option<String>, Unexpected> {
    let tree = tree(text)?;
    let server = &tree["server"];
    let word = |key: &str| match &server[key] {
        Value::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
        // A name of digits alone.
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    let Some(address) = word("address") else { return Ok(None) };
    let scheme = if server["without-tls"] == true { "http" } else { "https" };
    let mut entry = json!({ "url": format!("{scheme}://{address}/victoriametrics/api/v1/write") });
    if let Some(username) = word("username") {
        entry["basic_auth"] = json!({ "username": username, "password": word("password") });
    }
    if server["insecure-tls"] == true {
        entry["tls_config"] = json!({ "insecure_skip_verify": true });
    }
    Ok(Some(entry.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_becomes_an_entry() {
        let found = |text| {
            let entry = upstream(text).expect("YAML");
            entry.map(|entry| serde_json::from_str::<Value>(&entry).expect("JSON"))
        };
        let text = "server:\n  address: pmm:8443\n  username: service_token\n  password: 'x'\n  insecure-tls: true\n";
        let expected = json!({
            "url": "https://pmm:8443/victoriametrics/api/v1/write",
            "basic_auth": { "username": "service_token", "password": "x" },
            "tls_config": { "insecure_skip_verify": true },
        });
        assert_eq!(found(text), Some(expected));
        let plain = json!({ "url": "http://pmm/victoriametrics/api/v1/write" });
        assert_eq!(found("server: {address: pmm, without-tls: true}"), Some(plain));
        assert_eq!(found("server: {address: ''}"), None);
        assert_eq!(found("id: a"), None);
        assert!(upstream("[").is_err());
    }
}
