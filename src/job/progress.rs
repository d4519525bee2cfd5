//! How fast a job is, and when it will be done.

use super::EventKind;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Events are not sent closer together than this: the window draws no faster.
const PAUSE: Duration = Duration::from_millis(50);
/// The rate is taken over the last so many seconds.
const WINDOW: Duration = Duration::from_secs(10);

/// Turns counts into progress events.
#[derive(Debug)]
pub(super) struct Meter {
    unit: &'static str,
    seen: VecDeque<(Instant, u64)>,
    sent: Option<Instant>,
}

impl Meter {
    pub(super) fn new(unit: &'static str) -> Self {
        let mut meter = Self { unit, seen: VecDeque::new(), sent: None };
        meter.seen.push_back((Instant::now(), 0));
        meter
    }

    /// The event for `done` of `total` now, if it is time for one.
    pub(super) fn at(&mut self, done: u64, total: u64) -> Option<EventKind> {
        self.at_time(Instant::now(), done, total)
    }

    fn at_time(&mut self, now: Instant, done: u64, total: u64) -> Option<EventKind> {
        let due = self.sent.is_none_or(|sent| now.duration_since(sent) >= PAUSE);
        if !due && done < total {
            return None;
        }
        self.sent = Some(now);
        self.seen.push_back((now, done));
        while self.seen.len() > 2 && now.duration_since(self.seen[1].0) > WINDOW {
            self.seen.pop_front();
        }
        let (from, before) = self.seen[0];
        let seconds = now.duration_since(from).as_secs_f64();
        let gained = done.saturating_sub(before);
        let rate = if seconds > 0.0 { gained as f64 / seconds } else { 0.0 };
        // Below half a second, or with nothing done, any estimate would jump about.
        let known = rate > 0.0 && seconds > 0.5;
        let seconds_left = known.then(|| total.saturating_sub(done) as f64 / rate);
        Some(EventKind::Progress { done, total, unit: self.unit, rate, seconds_left })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_follows_the_last_seconds_and_events_keep_their_distance() {
        let mut meter = Meter::new("steps");
        let start = Instant::now();
        let at =
            |meter: &mut Meter, ms: u64, done| meter.at_time(start + Duration::from_millis(ms), done, 1000);
        assert!(at(&mut meter, 100, 1).is_some());
        assert!(at(&mut meter, 120, 2).is_none(), "20 ms later is too soon");
        // 10 steps a second for 20 s, then 20 a second for 20 s.
        for i in 1..=200 {
            at(&mut meter, i * 100, i);
        }
        for i in 1..=400 {
            at(&mut meter, 20_000 + i * 50, 200 + i);
        }
        let Some(EventKind::Progress { rate, seconds_left, .. }) = at(&mut meter, 40_100, 602) else {
            panic!()
        };
        assert!((rate - 20.0).abs() < 0.5, "{rate}");
        assert!((seconds_left.unwrap() - 19.9).abs() < 1.0, "{seconds_left:?}");
        assert!(at(&mut meter, 40_101, 1000).is_some(), "the last one is always told");
    }
}
