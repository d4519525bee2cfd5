//! When the next request may leave.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Spaces requests so that no more leave in a minute than are allowed, and holds all of them where the endpoint asks for
/// a pause.
#[derive(Debug)]
pub(super) struct Pace {
    gap: Duration,
    /// When the next one may leave, and until when all are held.
    times: Mutex<(Instant, Instant)>,
}

impl Pace {
    /// So many requests per minute; 0 for no limit.
    pub fn new(requests_per_minute: u32) -> Self {
        let gap = match requests_per_minute {
            0 => Duration::ZERO,
            n => Duration::from_mins(1) / n,
        };
        let now = Instant::now();
        Self { gap, times: Mutex::new((now, now)) }
    }

    /// How long a request that wants to leave now must wait. Its place is taken by asking; it looks at [`Self::held`]
    /// again before it leaves.
    pub fn reserve(&self, now: Instant) -> Duration {
        let mut times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        let leave = times.0.max(now);
        times.0 = leave + self.gap;
        leave - now
    }

    /// Nobody leaves for so long.
    pub fn hold(&self, now: Instant, pause: Duration) {
        let mut times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        times.1 = times.1.max(now + pause);
    }

    /// How long all are still held.
    pub fn held(&self, now: Instant) -> Duration {
        self.times.lock().unwrap_or_else(PoisonError::into_inner).1.saturating_duration_since(now)
    }
}

/// The pause before attempt `attempt` + 1 (from 1 on), doubled each time, at most a minute. `jitter` in 0..1 spreads
/// requests that failed together over up to half of it more.
pub(super) fn backoff(pause: f64, attempt: u32, jitter: f64) -> Duration {
    let doubled = pause * 2_f64.powi(attempt.saturating_sub(1).min(16) as i32);
    Duration::from_secs_f64((doubled * (1.0 + jitter / 2.0)).clamp(0.0, 60.0))
}

/// The pause that a `Retry-After` header asks for: seconds, or a date.
pub(super) fn retry_after(header: &str, now: jiff::Timestamp) -> Option<Duration> {
    let header = header.trim();
    if let Ok(seconds) = header.parse::<f64>() {
        return (seconds.is_finite() && seconds >= 0.0).then(|| Duration::from_secs_f64(seconds.min(1e6)));
    }
    let until = jiff::fmt::rfc2822::parse(header).ok()?.timestamp();
    Some(Duration::try_from(until.duration_since(now)).unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_spaced_and_held() {
        let (pace, now) = (Pace::new(600), Instant::now() + Duration::from_secs(5));
        let waits: Vec<u128> = (0..3).map(|_| pace.reserve(now).as_millis()).collect();
        assert_eq!(waits, [0, 100, 200]);
        pace.hold(now, Duration::from_secs(2));
        assert_eq!(pace.held(now), Duration::from_secs(2));
        assert_eq!(pace.held(now + Duration::from_secs(3)), Duration::ZERO);
        assert_eq!(Pace::new(0).reserve(now), Duration::ZERO);
    }

    #[test]
    fn pauses_double_up_to_a_minute() {
        assert_eq!(backoff(1.0, 1, 0.0), Duration::from_secs(1));
        assert_eq!(backoff(1.0, 3, 0.5), Duration::from_secs(5));
        assert_eq!(backoff(1.0, 20, 0.9), Duration::from_mins(1));
        assert_eq!(backoff(0.0, 4, 0.9), Duration::ZERO);
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now: jiff::Timestamp = "2015-10-21T07:27:30Z".parse().unwrap();
        let pause = |header: &str| retry_after(header, now);
        assert_eq!(pause(" 3 "), Some(Duration::from_secs(3)));
        assert_eq!(pause("0.5"), Some(Duration::from_millis(500)));
        assert_eq!(pause("Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::from_secs(30)));
        assert_eq!(pause("Wed, 21 Oct 2015 07:00:00 GMT"), Some(Duration::ZERO), "a date that is over");
        for odd in ["", "-1", "soon", "NaN", "inf"] {
            assert_eq!(pause(odd), None, "{odd}");
        }
    }
}
