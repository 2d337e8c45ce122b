use super::*;

fn seconds(seconds: u64) -> Time {
    Time(Duration::from_secs(seconds))
}

#[test]
fn what_is_given_takes_the_place_of_what_it_excludes() {
    let load = Load { speed: Some(25.0), series: Some(10), churn: Some(1.0), ..Load::default() };
    let with = |changes| load.with(changes).expect("it goes together");
    let rated = with(Changes { rate: Some(Rate::Max), ..Changes::default() });
    assert_eq!((rated.speed, rated.rate), (None, Some(Rate::Max)));
    let replayed = with(Changes { replay: Some("x".into()), ..Changes::default() });
    assert_eq!((replayed.series, replayed.churn), (None, None));
    assert_eq!(with(Changes::default()), load);
}

#[test]
fn what_does_not_go_together_is_refused_with_the_reason() {
    for (changes, reason) in [
        (Changes { hosts: Some(0), ..Changes::default() }, "hosts: 0 is not from 1"),
        (Changes { series: Some(0), ..Changes::default() }, "series: 0 is not from 1"),
        (Changes { interval: Some(seconds(0)), ..Changes::default() }, "timestamps have to grow"),
        (Changes { speed: Some(0.0), ..Changes::default() }, "speed: it has to be above 0"),
        (Changes { churn: Some(-1.0), ..Changes::default() }, "churn: write percent"),
        (
            Changes { encoding: Some(Encoding::Gzip), ..Changes::default() },
            "remote-write is never packed with gzip",
        ),
        (
            Changes { replay: Some("x".into()), profile: Some(LoadProfile::Node), ..Changes::default() },
            "replay has its series from the file",
        ),
    ] {
        let refused = Load::default().with(changes).expect_err("it does not go together");
        assert!(refused.contains(reason), "{refused}");
    }
}

#[test]
fn speed_and_rate_become_a_pace() {
    let pace = |speed, rate| Load { speed, rate, ..Load::default() }.pace();
    assert_eq!(pace(None, None), Pace::Every(Duration::from_secs(5)));
    assert_eq!(pace(Some(25.0), None), Pace::Every(Duration::from_millis(200)));
    assert_eq!(pace(None, Some(Rate::Samples(10.0))), Pace::Rate(10.0));
    assert_eq!(pace(None, Some(Rate::Max)), Pace::Full);
}

#[test]
fn a_path_of_the_contender_is_that_of_remote_write_only() {
    let path = |format| {
        Load { format, ..Load::default() }.flow(Vec::new(), Some("/write"), 0).protocol.path().to_owned()
    };
    assert_eq!(path(Format::RemoteWrite), "/write");
    assert_eq!(path(Format::Json), "/api/v1/import");
}

#[test]
fn a_replay_that_cannot_be_read_is_named() {
    let load = Load { replay: Some("/no/such".into()), ..Load::default() };
    let error = load.spec().expect_err("there is none").to_string();
    assert!(error.contains("/no/such"), "{error}");
}
