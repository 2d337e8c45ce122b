use super::*;

const MINIMAL: &str = "about: It.\nprogram: sh\nargs: ['{listen}', '{url}']\nready: /\n";

fn error(text: &str) -> String {
    parse::<Profile>("mine.yml", text).expect_err("it has an error").to_string()
}

#[test]
fn each_profile_that_is_built_in_is_read() {
    assert_eq!(Profile::built_in().count(), BUILT_IN.len());
    let ours: Vec<&str> =
        Profile::built_in().filter(|(_, profile)| profile.program.is_none()).map(|(name, _)| name).collect();
    assert_eq!(ours, [OURS]);
}

#[test]
fn the_annotated_example_of_the_docs_is_read() {
    let docs = include_str!("../../docs/bench.md");
    let example =
        docs.split("```yaml\n").nth(2).and_then(|rest| rest.split("```").next()).expect("the second block");
    let profile: Profile = parse("docs", example).expect("it is good");
    assert!(profile.config.is_some() && profile.push.is_some() && profile.args_when_bounded.is_some());
}

#[test]
fn an_error_names_the_line_and_what_is_wrong() {
    for (text, expected) in [
        ("about: It.\nargs: []\nready: /\n", "{listen} is nowhere in args and config"),
        ("about: It.\nargs: ['{listen}']\nready: /\n", "{url} is nowhere"),
        ("about: It.\nargs: ['{listen}', '{url}', '{config}']\nready: /\n", "go together"),
        ("about: It.\nargs: ['{listen}', '{url}']\nready: ready\n", "\"ready\" is no path"),
        ("about: It.\nargs: ['{listen}', '{url}']\nreedy: /\n", "mine.yml:3:1: there is no key reedy"),
        ("about: It.\n", "mine.yml:1:1: args is missing"),
    ] {
        let error = error(text);
        assert!(error.contains(expected), "{text}\n{error}");
    }
}

#[test]
fn a_program_is_found_or_it_is_said_how_to_get_it() {
    let ours = Contender::ours().expect("this very program");
    assert!(ours.is_ours() && ours.binary.is_file());
    let named = Contender::find("vmagent=/bin/sh").expect("it is there");
    assert_eq!(
        (named.name.as_str(), named.binary.to_str(), named.is_ours()),
        ("vmagent=/bin/sh", Some("/bin/sh"), false)
    );
    let error = |text: &str| Contender::find(text).expect_err("there is none").to_string();
    assert!(error("vmagent=/no/such").contains("there is no program /no/such"));
    assert!(error("vmagnet").contains("bench list"));
    let mut profile: Profile = parse("mine.yml", MINIMAL).expect("it is good");
    assert!(profile.binary("mine").is_ok());
    profile.program = Some("no-such-program".into());
    profile.install = Some("install it".into());
    let error = profile.binary("mine").expect_err("there is none").to_string();
    assert_eq!(
        error,
        "no-such-program is not on PATH: install it, or give its path, as in mine=/path/to/no-such-program"
    );
}

#[test]
fn arguments_and_configuration_are_filled_in() {
    let text = "about: It.\nprogram: sh\nargs: [-l, '{listen}', '-c={config}']\nargs_when_bounded: ['-d={data}:{max_bytes}']\n\
        config: 'url: {url}'\nready: /\n";
    let profile = parse("mine.yml", text).expect("it is good");
    let contender = Contender { name: "mine".into(), profile, binary: "/bin/sh".into() };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().display();
    let mut place = Place {
        listen: ([127, 0, 0, 1], 7).into(),
        url: "http://u/w",
        folder: folder.path(),
        max_bytes: Some(Size(1 << 20)),
    };
    let launch = contender.launch(&place).expect("it is filled in");
    let args: Vec<&str> = launch.args.iter().filter_map(|arg| arg.to_str()).collect();
    assert_eq!(
        args,
        ["-l", "127.0.0.1:7", &format!("-c={path}/config.yml"), &format!("-d={path}/data:1048576")]
    );
    let config = std::fs::read_to_string(folder.path().join("config.yml")).expect("written");
    assert_eq!(config, "url: http://u/w");
    place.max_bytes = None;
    assert_eq!(contender.launch(&place).expect("it is filled in").args.len(), 3);
}

#[test]
fn the_version_is_the_first_line_that_is_printed() {
    let version = |script: &str| {
        let mut profile: Profile = parse("mine.yml", MINIMAL).expect("it is good");
        profile.version_args = vec!["-c".into(), script.into()];
        Contender { name: "mine".into(), profile, binary: "/bin/sh".into() }.version()
    };
    assert_eq!(version("echo; echo ' mine 1.0 '; echo more").as_deref(), Some("1.0"));
    assert_eq!(version("echo 'mine, version v2.0+ds (of 2025)' >&2").as_deref(), Some("v2.0+ds"));
    assert_eq!(version("echo mine").as_deref(), Some("mine"));
    assert_eq!(version("true"), None);
}
