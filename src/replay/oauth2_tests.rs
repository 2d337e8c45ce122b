use super::*;
use crate::config::{Secret, SecretSource, Tls};
use proptest::prelude::*;

fn oauth2() -> OAuth2 {
    OAuth2 {
        client_id: "an id".into(),
        client_secret: SecretSource::Inline(Secret::new("s3cret&+")),
        token_url: "http://login.example.com/token?x=hunter2".into(),
        scopes: vec!["a".into(), "b:c".into()],
        params: vec![("audience".into(), Secret::new("x y"))],
        tls: Tls::default(),
        proxy: None,
    }
}

#[test]
fn a_request_is_a_form_with_the_secret_in_one_place() {
    let rest = "grant_type=client_credentials&scope=a+b%3Ac";
    assert_eq!(form(&oauth2(), "s3cret&+", Place::Header), format!("{rest}&audience=x+y"));
    let body = form(&oauth2(), "s3cret&+", Place::Body);
    assert_eq!(body, format!("{rest}&client_id=an+id&client_secret=s3cret%26%2B&audience=x+y"));
    let target = Target::new(&oauth2().token_url, None, &Tls::default()).unwrap();
    let request = request(&target, &oauth2(), "s3cret&+", Place::Header).unwrap();
    assert_eq!(request.uri(), "/token?x=hunter2");
    // base64 of an+id:s3cret%26%2B
    assert_eq!(request.headers()[AUTHORIZATION], "Basic YW4raWQ6czNjcmV0JTI2JTJC");
    assert!(request.headers()[AUTHORIZATION].is_sensitive());
}

#[test]
fn a_token_is_kept_until_shortly_before_it_expires() {
    let now = Instant::now();
    let good_for = |answer: &str| {
        let token = Token::parse(answer.as_bytes(), now).unwrap();
        assert_eq!(token.authorization, "Bearer abc");
        (0..100_000_u64).find(|&seconds| !token.is_good(now + Duration::from_secs(seconds)))
    };
    assert_eq!(good_for(r#"{"access_token":"abc","token_type":"bearer","expires_in":3600}"#), Some(3570));
    assert_eq!(good_for(r#"{"access_token":"abc","token_type":"Bearer","expires_in":"100"}"#), Some(90));
    assert_eq!(good_for(r#"{"access_token":"abc","expires_in":0}"#), Some(0));
    assert_eq!(good_for(r#"{"access_token":"abc"}"#), None);
    assert_eq!(good_for(r#"{"access_token":"abc","expires_in":-1}"#), None);
    assert_eq!(good_for(r#"{"access_token":"abc","expires_in":1e300}"#), None);
}

#[test]
fn a_refusal_says_what_to_do_and_never_what_was_sent() {
    let described =
        |status: u16, body: &str| describe(StatusCode::from_u16(status).unwrap(), body.as_bytes());
    let wrong = described(401, r#"{"error":"invalid_client","error_description":"s3cret is wrong"}"#);
    assert!(
        wrong.starts_with("it answered 401 invalid_client: ") && wrong.contains("client_secret_file"),
        "{wrong}"
    );
    assert!(!wrong.contains("s3cret"));
    assert!(described(400, r#"{"error":"invalid_scope"}"#).ends_with("check scopes"));
    assert!(described(404, "no such page").ends_with("check token_url"));
    assert_eq!(described(503, r#"{"error":"S3CRET"}"#), "it answered 503");
}

proptest! {
    #[test]
    fn any_answer_is_read_or_refused_without_its_content(body in prop::collection::vec(any::<u8>(), 0..200), status in 300..600_u16) {
        let _ = Token::parse(&body, Instant::now());
        let text = format!(r#"{{"error":{:?},"access_token":"hunter2\n"}}"#, String::from_utf8_lossy(&body));
        for body in [&body[..], text.as_bytes()] {
            let status = StatusCode::from_u16(status).unwrap();
            prop_assert!(describe(status, body).len() < 250);
            if let Err(error) = Token::parse(body, Instant::now()) {
                prop_assert!(!error.contains("hunter2"));
            }
        }
    }

    #[test]
    fn what_is_encoded_is_decoded_as_the_same(text in "\\PC{0,40}") {
        let encoded = encoded(&text);
        prop_assert!(encoded.bytes().all(|b| b.is_ascii_alphanumeric() || b"*-._+%".contains(&b)));
        let mut bytes = Vec::new();
        let mut rest = encoded.as_bytes();
        while let [first, tail @ ..] = rest {
            rest = tail;
            match first {
                b'+' => bytes.push(b' '),
                b'%' => {
                    bytes.push(u8::from_str_radix(std::str::from_utf8(&tail[..2]).unwrap(), 16).unwrap());
                    rest = &tail[2..];
                }
                plain => bytes.push(*plain),
            }
        }
        prop_assert_eq!(String::from_utf8(bytes).unwrap(), text);
    }
}
