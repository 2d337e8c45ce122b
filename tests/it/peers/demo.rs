//! The demo before a real server.

use super::Victoria;
use crate::commands::run;

#[tokio::test]
async fn the_demo_finds_in_a_real_database_all_that_was_answered() {
    let victoria = Victoria::start().await;
    let ran = run(&["demo", "--seconds", "1", "--upstream", &victoria.url()]).await;
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{}", ran.out);
    let verdict = ran.out.lines().last();
    assert_eq!(verdict, Some("all that was answered is in the database, and nothing else"), "{}", ran.out);
}
