//! Futures polled by hand: who goes on, and when, is the scheduler's choice.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use mend_core::time::Timestamp;

/// Something under way that comes to a `T`.
pub(crate) struct Task<'a, T>(Pin<Box<dyn Future<Output = T> + 'a>>);

impl<'a, T> Task<'a, T> {
    pub(crate) fn new(future: impl Future<Output = T> + 'a) -> Self {
        Self(Box::pin(future))
    }

    /// Lets it go on to its next call.
    pub(crate) fn go_on(&mut self) -> Option<T> {
        match self.0.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(done) => Some(done),
            Poll::Pending => None,
        }
    }
}

/// The point at which others may go on before this one does.
pub(crate) async fn turn() {
    let mut had_others = false;
    poll_fn(|_| if std::mem::replace(&mut had_others, true) { Poll::Ready(()) } else { Poll::Pending }).await;
}

/// Pending until `now` has come to `time`. Says in `asleep_until` when that is.
pub(crate) async fn sleep(now: impl Fn() -> Timestamp, time: Timestamp, asleep_until: &Cell<Option<Timestamp>>) {
    poll_fn(|_| {
        if now() >= time {
            return Poll::Ready(());
        }
        asleep_until.set(Some(time));
        Poll::Pending
    })
    .await;
}
