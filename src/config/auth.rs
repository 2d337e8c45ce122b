//! `basic_auth`, `authorization`, `oauth2` (its keys are in `oauth2.rs`), and Prometheus' older `bearer_token`.

use super::problem::Spot;
use super::raw::{self, Section};
use super::value::Reader;
use super::yaml::{Node, Value};
use super::{Auth, Secret, SecretSource, oauth2};

/// The keys of an entry that prove its origin: at most one of them counts.
pub(super) struct Given {
    pub(super) basic_auth: Option<Node>,
    pub(super) authorization: Option<Node>,
    pub(super) oauth2: Option<Node>,
    pub(super) bearer_token: Option<Node>,
    pub(super) bearer_token_file: Option<Node>,
}

/// Makes them one. All are read, so that the errors in each are found.
pub(super) fn auth(given: Given, reader: &mut Reader) -> Auth {
    let Given { basic_auth, authorization: header, oauth2, bearer_token, bearer_token_file } = &given;
    let keys = [basic_auth, header, oauth2, bearer_token, bearer_token_file];
    let spots: Vec<Spot> = keys.into_iter().flatten().map(|node| node.spot.clone()).collect();
    if let [_, second, ..] = &spots[..] {
        reader.problems.error(
            second,
            "only one of basic_auth, authorization, oauth2, bearer_token and bearer_token_file can be sent: \
             remove the rest",
        );
    }
    let basic = basic(given.basic_auth, reader);
    let header = authorization(given.authorization, reader);
    let token = oauth2::oauth2(given.oauth2, reader);
    let bearer = bearer(&given.bearer_token, &given.bearer_token_file, reader);
    basic.or(header).or(token).or(bearer).unwrap_or(Auth::None)
}

fn basic(node: Option<Node>, reader: &mut Reader) -> Option<Auth> {
    let (spot, raw) = open::<raw::BasicAuth>(node, reader)?;
    for (key, instead) in [
        (&raw.username_file, "write the name itself as `username`"),
        (&raw.username_ref, "write the name itself as `username`"),
        (&raw.password_ref, "there is no secret manager: write `password_file`"),
    ] {
        refuse(key.as_ref(), instead, reader);
    }
    at_most_one(&spot, [("password", &raw.password), ("password_file", &raw.password_file)], reader);
    let password = source(reader.secret(raw.password.as_ref()), &raw.password_file, reader);
    let username = reader.text(raw.username.as_ref()).map(|(spot, text)| (spot.clone(), text.to_owned()));
    let Some((at, username)) = username.filter(|(_, username)| !username.is_empty()) else {
        if raw.username_file.is_none() && raw.username_ref.is_none() {
            reader
                .problems
                .error(&spot, "has no `username`: write it, `service_token` for a token of PMM Server");
        }
        return None;
    };
    // RFC 7617: the first colon ends the name, so the upstream would read another one.
    if username.contains(|c: char| c == ':' || c.is_control()) {
        reader.problems.error(&at, "a username cannot hold a colon or a control character");
    }
    Some(Auth::Basic { username, password })
}

fn authorization(node: Option<Node>, reader: &mut Reader) -> Option<Auth> {
    let (spot, raw) = open::<raw::Authorization>(node, reader)?;
    refuse(raw.credentials_ref.as_ref(), "there is no secret manager: write `credentials_file`", reader);
    let scheme = scheme(raw.kind.as_ref(), reader);
    at_most_one(
        &spot,
        [("credentials", &raw.credentials), ("credentials_file", &raw.credentials_file)],
        reader,
    );
    let credentials = source(reader.header_secret(raw.credentials.as_ref()), &raw.credentials_file, reader);
    if credentials.is_none() && raw.credentials_ref.is_none() {
        reader.problems.error(&spot, "has no credentials: write `credentials_file` or `credentials`");
    }
    Some(Auth::Header { scheme, credentials: credentials? })
}

/// The first word of the header. Not repeated in messages: tokens are pasted here by mistake.
fn scheme(node: Option<&Node>, reader: &mut Reader) -> String {
    let Some((spot, scheme)) = reader.text(node).filter(|(_, text)| !text.trim().is_empty()) else {
        return "Bearer".into();
    };
    let scheme = scheme.trim();
    if scheme.eq_ignore_ascii_case("basic") {
        reader
            .problems
            .error(spot, "for Basic, write `basic_auth` with `username` and `password_file` instead");
    } else if !scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b)) {
        reader.problems.error(spot, "not an authorization scheme: write one word such as Bearer");
    }
    scheme.to_owned()
}

fn bearer(token: &Option<Node>, file: &Option<Node>, reader: &mut Reader) -> Option<Auth> {
    for (node, instead) in [(token, "credentials"), (file, "credentials_file")] {
        if let Some(node) = node {
            reader.problems.warn(
                &node.spot,
                format!("an older form that is understood: `authorization: {{{instead}: …}}` is the newer"),
            );
        }
    }
    let credentials = source(reader.header_secret(token.as_ref()), file, reader)?;
    Some(Auth::Header { scheme: "Bearer".into(), credentials })
}

/// Reports two ways to say the same.
pub(super) fn at_most_one(spot: &Spot, ways: [(&str, &Option<Node>); 2], reader: &mut Reader) {
    if let [(inline, Some(_)), (file, Some(_))] = ways {
        reader.problems.error(spot, format!("has both `{inline}` and `{file}`: remove one"));
    }
}

/// A secret in the file itself, or the file it is in.
pub(super) fn source(
    inline: Option<Secret>,
    file: &Option<Node>,
    reader: &mut Reader,
) -> Option<SecretSource> {
    let file = reader.file(file.as_ref());
    inline.map(SecretSource::Inline).or(file.map(SecretSource::File))
}

/// Reports a key that would change what is sent, and is not supported.
pub(super) fn refuse(node: Option<&Node>, instead: &str, reader: &mut Reader) {
    if let Some(node) = node {
        reader.problems.error(&node.spot, format!("not supported: {instead}"));
    }
}

/// A section and where it is. None if it is not there, or something else.
pub(super) fn open<S: Section>(node: Option<Node>, reader: &mut Reader) -> Option<(Spot, S)> {
    let spot = node.as_ref().filter(|node| matches!(node.value, Value::Map(_))).map(|node| node.spot.clone());
    let section = reader.section(node);
    Some((spot?, section))
}
