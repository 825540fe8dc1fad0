use std::time::Duration;

use mend_aws::SystemClock;
use mend_responder::world::Clock;
use tokio::time::Instant;

#[tokio::test(start_paused = true)]
async fn waits_until_a_time_and_not_for_one_that_has_passed() {
    let began = Instant::now();
    SystemClock.wait_until(SystemClock.now().minus(Duration::from_secs(1))).await;
    assert!(began.elapsed() < Duration::from_millis(2), "{:?}", began.elapsed());
    SystemClock.wait_until(SystemClock.now().plus(Duration::from_secs(5))).await;
    // The machine's clock goes on while the test's stands still.
    let waited = began.elapsed();
    assert!(waited > Duration::from_millis(4_500) && waited < Duration::from_millis(5_010), "{waited:?}");
}
