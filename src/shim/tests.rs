//! What each generation of PMM starts vmagent with, and what becomes of it.

use super::*;
use proptest::prelude::*;
use std::ffi::OsString;

const BUFFER: &str = "http://127.0.0.1:9431/api/v1/write";

const PMM: &str = "https://pmm.example.com:443/victoriametrics/api/v1/write";

/// What a token is asked for with.
const OAUTH2: [&str; 4] = [
    "-remoteWrite.url=http://a",
    "-remoteWrite.oauth2.clientID=me",
    "-remoteWrite.oauth2.clientSecret=hunter2",
    "-remoteWrite.oauth2.tokenUrl=https://login/token",
];

fn start(args: &[&str], env: &[(&str, &str)]) -> Start {
    Start {
        args: args.iter().map(Into::into).collect(),
        env: env.iter().map(|(name, value)| (name.into(), value.into())).collect(),
    }
}

fn planned(args: &[&str], env: &[(&str, &str)]) -> Result<Plan, Unclear> {
    plan(start(args, env), BUFFER)
}

/// The reason why vmagent is left as it is.
fn unclear(args: &[&str]) -> Unclear {
    planned(args, &[]).err().expect("unclear")
}

/// Holds a plan to what is handed over, and to what vmagent is started with: one string a list, parted by blanks.
fn assert_planned(args: &[&str], env: &[(&str, &str)], hand_over: &str, new_args: &str, new_env: &str) {
    let Plan { hand_over: found, start } = planned(args, env).unwrap_or_else(|error| panic!("{error}"));
    let expected: serde_json::Value = serde_json::from_str(hand_over).expect("JSON");
    let found: serde_json::Value = serde_json::from_str(&found.expect("one").to_json()).expect("JSON");
    assert_eq!(found, expected);
    let text = |text: OsString| text.into_string().expect("text");
    let found: Vec<String> = start.args.into_iter().map(text).collect();
    assert_eq!(found.join(" "), new_args);
    let found: Vec<String> =
        start.env.into_iter().map(|(name, value)| format!("{}={}", text(name), text(value))).collect();
    assert_eq!(found.join(" "), new_env);
}

#[test]
fn pmm_2_12_has_flags_and_variables_without_a_prefix() {
    assert_planned(
        &[
            "-remoteWrite.url=https://pmm.example.com:443/victoriametrics/api/v1/write",
            "-remoteWrite.tlsInsecureSkipVerify=true",
            "-remoteWrite.tmpDataPath=/tmp/vmagent-temp-dir",
            "-promscrape.config=/tmp/vmagent_agent/vmagentscrapecfg",
            "-httpListenAddr=127.0.0.1:42000",
            "-envflag.enable=true",
        ],
        &[("remoteWrite_basicAuth_username", "admin"), ("remoteWrite_basicAuth_password", "pass word")],
        &format!(
            r#"{{"url": "{PMM}", "basic_auth": {{"username": "admin", "password": "pass word"}},
                "tls_config": {{"insecure_skip_verify": true}}}}"#
        ),
        "-remoteWrite.url=http://127.0.0.1:9431/api/v1/write -remoteWrite.tmpDataPath=/tmp/vmagent-temp-dir \
         -promscrape.config=/tmp/vmagent_agent/vmagentscrapecfg -httpListenAddr=127.0.0.1:42000 -envflag.enable=true",
        "",
    );
}

#[test]
fn pmm_up_to_3_3_has_flags_and_the_credentials_in_variables() {
    assert_planned(
        &[
            "-remoteWrite.url=https://pmm.example.com:443/victoriametrics/api/v1/write",
            "-remoteWrite.tlsInsecureSkipVerify=false",
            "-remoteWrite.maxDiskUsagePerURL=1073741824",
            "-loggerLevel=INFO",
            "-envflag.enable=true",
            "-envflag.prefix=VMAGENT_",
        ],
        &[
            ("VMAGENT_remoteWrite_basicAuth_username", "service_token"),
            ("VMAGENT_remoteWrite_basicAuth_password", "glsa_x"),
            ("VMAGENT_promscrape_streamParse", "true"),
            ("remoteWrite_basicAuth_password", "of another"),
        ],
        &format!(
            r#"{{"url": "{PMM}", "basic_auth": {{"username": "service_token", "password": "glsa_x"}}}}"#
        ),
        "-remoteWrite.url=http://127.0.0.1:9431/api/v1/write -remoteWrite.maxDiskUsagePerURL=1073741824 \
         -loggerLevel=INFO -envflag.enable=true -envflag.prefix=VMAGENT_",
        "VMAGENT_promscrape_streamParse=true remoteWrite_basicAuth_password=of another",
    );
}

#[test]
fn pmm_from_3_4_has_variables() {
    assert_planned(
        &["-envflag.enable=true", "-envflag.prefix=VMAGENT_", "-httpListenAddr=127.0.0.1:42001"],
        &[
            ("VMAGENT_remoteWrite_url", PMM),
            ("VMAGENT_remoteWrite_tlsInsecureSkipVerify", "true"),
            ("VMAGENT_remoteWrite_maxDiskUsagePerURL", "1073741824"),
            ("VMAGENT_remoteWrite_basicAuth_username", "admin"),
            ("VMAGENT_remoteWrite_basicAuth_password", "admin"),
        ],
        &format!(
            r#"{{"url": "{PMM}", "basic_auth": {{"username": "admin", "password": "admin"}},
                "tls_config": {{"insecure_skip_verify": true}}}}"#
        ),
        "-envflag.enable=true -envflag.prefix=VMAGENT_ -httpListenAddr=127.0.0.1:42001",
        "VMAGENT_remoteWrite_url=http://127.0.0.1:9431/api/v1/write VMAGENT_remoteWrite_maxDiskUsagePerURL=1073741824",
    );
}

#[test]
fn a_flag_beats_its_variable_which_goes_with_it() {
    assert_planned(
        &[
            "--envflag.enable",
            "--envflag.prefix",
            "V_",
            "--remoteWrite.url",
            "http://flag/w",
            "-remoteWrite.bearerToken=a",
        ],
        &[("V_remoteWrite_url", "http://variable/w"), ("V_remoteWrite_bearerToken", "b"), ("HOME", "/")],
        r#"{"url": "http://flag/w", "authorization": {"credentials": "a"}}"#,
        "--envflag.enable --envflag.prefix V_ -remoteWrite.url=http://127.0.0.1:9431/api/v1/write",
        "HOME=/",
    );
}

#[test]
fn variables_do_not_count_where_they_are_not_enabled() {
    let env = [("remoteWrite_url", "http://a"), ("remoteWrite_bearerToken", "a")];
    assert!(planned(&["-envflag.enable=false"], &env).err() == Some(Unclear::NoUrl));
    assert_planned(
        &["-remoteWrite.url=http://b"],
        &env,
        r#"{"url": "http://b"}"#,
        "-remoteWrite.url=http://127.0.0.1:9431/api/v1/write",
        "remoteWrite_url=http://a remoteWrite_bearerToken=a",
    );
}

#[test]
fn everything_that_proves_or_protects_is_handed_over() {
    assert_planned(
        &[
            "-remoteWrite.url=https://a%40b:p%2Cw@vm.example.com/api/v1/write?x=1",
            "-remoteWrite.tlsCAFile=/etc/ca.pem",
            "-remoteWrite.tlsCertFile=cert.pem",
            "-remoteWrite.tlsKeyFile=/etc/key.pem",
            "-remoteWrite.tlsServerName=pmm",
            "-remoteWrite.tlsInsecureSkipVerify",
            "-remoteWrite.headers=X-Scope: team^^X-Other:1",
            "-remoteWrite.proxyURL=http://proxy:3128",
            "-remoteWrite.sendTimeout=20s",
        ],
        &[],
        r#"{"url": "https://vm.example.com/api/v1/write?x=1",
            "basic_auth": {"username": "a@b", "password": "p,w"},
            "headers": {"X-Scope": "team", "X-Other": "1"},
            "tls_config": {"ca_file": "/etc/ca.pem", "cert_file": "/cert.pem", "key_file": "/etc/key.pem",
                           "server_name": "pmm", "insecure_skip_verify": true},
            "proxy_url": "http://proxy:3128"}"#,
        "-remoteWrite.url=http://127.0.0.1:9431/api/v1/write -remoteWrite.sendTimeout=20s",
        "",
    );
    assert_planned(
        &[
            "-remoteWrite.url=http://vm/w",
            "-remoteWrite.basicAuth.username=a",
            "-remoteWrite.basicAuth.passwordFile=/run/p",
        ],
        &[],
        r#"{"url": "http://vm/w", "basic_auth": {"username": "a", "password_file": "/run/p"}}"#,
        "-remoteWrite.url=http://127.0.0.1:9431/api/v1/write",
        "",
    );
}

#[test]
fn a_token_server_is_handed_over() {
    assert_planned(
        &[
            &OAUTH2[..],
            &[
                "-remoteWrite.oauth2.scopes=read;write",
                "-remoteWrite.oauth2.endpointParams='{\"a\":\"b\",\"c\":\"d\"}'",
            ],
        ]
        .concat(),
        &[],
        r#"{"url": "http://a", "oauth2": {"client_id": "me", "client_secret": "hunter2", "token_url": "https://login/token",
            "scopes": ["read", "write"], "endpoint_params": {"a": "b", "c": "d"}}}"#,
        "-remoteWrite.url=http://127.0.0.1:9431/api/v1/write",
        "",
    );
    // In variables, for the second of two URLs; it counts only where there is a secret.
    assert_planned(
        &["-envflag.enable", "-envflag.prefix=VMAGENT_"],
        &[
            ("VMAGENT_remoteWrite_url", "http://a,https://u:p@pmm/victoriametrics/api/v1/write"),
            ("VMAGENT_remoteWrite_oauth2_clientID", "me"),
            ("VMAGENT_remoteWrite_oauth2_clientSecretFile", ",secret"),
            ("VMAGENT_remoteWrite_oauth2_tokenUrl", "https://login/token"),
        ],
        r#"{"url": "https://pmm/victoriametrics/api/v1/write",
            "oauth2": {"client_id": "me", "client_secret_file": "/secret", "token_url": "https://login/token"}}"#,
        "-envflag.enable -envflag.prefix=VMAGENT_",
        "VMAGENT_remoteWrite_url=http://a,http://127.0.0.1:9431/api/v1/write VMAGENT_remoteWrite_oauth2_clientID=me, \
         VMAGENT_remoteWrite_oauth2_tokenUrl=https://login/token,",
    );
    assert_planned(
        &["-remoteWrite.url=http://u:p@a", "-remoteWrite.oauth2.clientID=me"],
        &[],
        r#"{"url": "http://a", "basic_auth": {"username": "u", "password": "p"}}"#,
        "-remoteWrite.url=http://127.0.0.1:9431/api/v1/write",
        "",
    );
}

#[test]
fn of_several_urls_that_of_pmm_is_taken_and_the_others_keep_what_is_theirs() {
    assert_planned(
        &[
            "-remoteWrite.url=http://other/w,https://pmm/victoriametrics/api/v1/write",
            "-remoteWrite.url=http://third/w",
        ],
        &[],
        r#"{"url": "https://pmm/victoriametrics/api/v1/write"}"#,
        "-remoteWrite.url=http://other/w,http://127.0.0.1:9431/api/v1/write,http://third/w",
        "",
    );
    // A single setting is for all, one of several for the URL with its index.
    assert_planned(
        &["-envflag.enable"],
        &[
            ("remoteWrite_url", "http://a/w,http://b/w"),
            ("remoteWrite_basicAuth_username", "one"),
            ("remoteWrite_basicAuth_password", "\"p,1\",p2"),
            ("remoteWrite_tlsInsecureSkipVerify", "true,false"),
            ("remoteWrite_urlRelabelConfig", ",/etc/relabel.yml"),
        ],
        r#"{"url": "http://a/w", "basic_auth": {"username": "one", "password": "p,1"},
            "tls_config": {"insecure_skip_verify": true}}"#,
        "-envflag.enable",
        "remoteWrite_url=http://127.0.0.1:9431/api/v1/write,http://b/w remoteWrite_basicAuth_username=,one \
         remoteWrite_basicAuth_password=,p2 remoteWrite_urlRelabelConfig=,/etc/relabel.yml",
    );
}

#[test]
fn a_local_url_is_left_and_nothing_is_handed_over() {
    for url in [
        "http://127.0.0.1:9431/api/v1/write",
        "http://localhost:9431/victoriametrics/api/v1/write",
        "http://[::1]:9431/",
    ] {
        let arg = format!("-remoteWrite.url={url}");
        let plan =
            planned(&[&arg, "-remoteWrite.bearerToken=a"], &[]).unwrap_or_else(|error| panic!("{error}"));
        assert!(plan.hand_over.is_none());
        assert!(plan.start == start(&[&arg, "-remoteWrite.bearerToken=a"], &[]));
    }
    assert!(
        planned(&["-remoteWrite.url=http://127.0.0.1:9432/"], &[]).is_ok_and(|plan| plan.hand_over.is_some())
    );
}

#[test]
fn what_is_unclear_is_said_without_a_secret() {
    for (args, expected) in [
        (&[][..], "no remoteWrite.url"),
        (&["-"], "no remoteWrite.url"),
        (&["--", "-remoteWrite.url=http://a"], "no remoteWrite.url"),
        (&["-loggerLevel=INFO", "---x"], "argument 2"),
        (&["-=hunter2"], "argument 1"),
        (&["-remoteWrite.url=%{hunter2}"], "remoteWrite.url"),
        (&["-remoteWrite.url=http://a", "-remoteWrite.bearerToken=(hunter2,"], "remoteWrite.bearerToken"),
        // Without what a token is asked for with.
        (&["-remoteWrite.url=http://a", "-remoteWrite.oauth2.clientSecret=hunter2"], "oauth2"),
        (&["-remoteWrite.url=http://a", "-remoteWrite.oauth2.claims=hunter2"], "remoteWrite.oauth2 is set"),
        (&[&OAUTH2[..], &["-remoteWrite.oauth2.endpointParams=hunter2"]].concat(), "endpointParams"),
        (
            &[&OAUTH2[..], &[r#"-remoteWrite.oauth2.endpointParams={"a":"b","c":"hunter2"}"#]].concat(),
            "endpointParams",
        ),
        (
            &[&OAUTH2[..], &["-remoteWrite.oauth2.endpointParams={\"scope\":\"hunter2\"}"]].concat(),
            "endpoint_params",
        ),
        (&[&OAUTH2[..], &["-remoteWrite.oauth2.scopes=a b"]].concat(), "not a scope"),
        (&[&OAUTH2[..], &["-remoteWrite.bearerToken=hunter2"]].concat(), "only one of"),
        (
            &[&OAUTH2[..], &["-remoteWrite.oauth2.clientSecretFile=http://hunter2"]].concat(),
            "clientSecretFile",
        ),
        (&["-remoteWrite.url=http://a", "-remoteWrite.headers=hunter2"], "without a colon"),
        (
            &["-remoteWrite.url=http://a", "-remoteWrite.tlsInsecureSkipVerify=hunter2"],
            "neither true nor false",
        ),
        (&["-remoteWrite.url=http://a", "-remoteWrite.tlsCAFile=https://hunter2"], "remoteWrite.tlsCAFile"),
        (&["-remoteWrite.url=http://a:%zz@hunter2"], "URL"),
        (&["-remoteWrite.url=hunter2"], "not an absolute URL"),
        (&["-remoteWrite.url=http://a", "-remoteWrite.basicAuth.password=hunter2"], "username"),
        (
            &[
                "-remoteWrite.url=http://a",
                "-remoteWrite.bearerToken=x",
                "-remoteWrite.basicAuth.username=hunter2",
            ],
            "only one of",
        ),
    ] {
        let said = unclear(args).to_string();
        assert!(said.contains(expected) && !said.contains("hunter2"), "{said}");
    }
}

#[test]
fn bytes_that_are_no_text_are_unclear_where_they_matter() {
    use std::os::unix::ffi::OsStringExt;
    let bytes = || OsString::from_vec(vec![b'-', 0xff]);
    let mut wrong = start(&["-remoteWrite.url=http://a"], &[]);
    wrong.args.push(bytes());
    assert!(plan(wrong, BUFFER).err() == Some(Unclear::NotText("argument 2".into())));
    let mut wrong = start(&["-envflag.enable"], &[("remoteWrite_url", "http://a")]);
    wrong.env.push(("remoteWrite_bearerToken".into(), bytes()));
    assert!(plan(wrong, BUFFER).err() == Some(Unclear::NotText("remoteWrite_bearerToken".into())));
    let mut fine = start(&["-envflag.enable"], &[("remoteWrite_url", "http://a")]);
    fine.env.push(("LANG".into(), bytes()));
    assert!(plan(fine, BUFFER).is_ok_and(|plan| plan.start.env.len() == 2));
}

proptest! {
    #[test]
    fn any_arguments_end_in_a_plan_or_a_reason(args in prop::collection::vec("-?-?(remoteWrite\\.(url|headers|bearerToken)|envflag\\.enable)?=?\\PC{0,6}", 0..6)) {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let _ = planned(&args, &[]);
    }

    #[test]
    fn a_password_is_handed_over_as_it_is_and_left_nowhere(password in "[!-~]{8,20}") {
        prop_assume!(!password.contains("%{"));
        let list = array::list(std::slice::from_ref(&password));
        let arg = format!("-remoteWrite.basicAuth.password={list}");
        let plan = planned(&["-remoteWrite.url=http://a", "-remoteWrite.basicAuth.username=u", &arg], &[]);
        let Plan { hand_over, start } = plan.unwrap_or_else(|error| panic!("{error}"));
        let basic = hand_over.and_then(|hand_over| hand_over.basic_auth).expect("handed over");
        prop_assert_eq!(basic.password, Some(password));
        prop_assert_eq!(start.args.len(), 1);
    }
}
