//! One worker that does jobs in the order in which they were asked for, away from the window.

use super::{CancelToken, Event, EventKind, JobId, JobSpec, conduct, execute};
use crossbeam_channel::{Receiver, SendTimeoutError, Sender, TrySendError, bounded};
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Events that wait for the window at most.
const CAPACITY: usize = 1024;
/// How often a blocked worker looks whether it may give up.
const PATIENCE: Duration = Duration::from_millis(20);
/// Deep computation graphs are dropped recursively.
const STACK: usize = 64 << 20;

struct Waiting {
    id: JobId,
    root: PathBuf,
    spec: JobSpec,
    cancel: CancelToken,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Waiting>,
    running: Option<(JobId, CancelToken)>,
    last_id: JobId,
    closing: bool,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    events: Sender<Event>,
    waker: Arc<dyn Fn() + Send + Sync>,
}

/// What does one job; replaced in tests.
type Runner = dyn Fn(&Waiting, &mut dyn FnMut(EventKind)) + Send + Sync;

/// Jobs and the thread that does them. Dropping the queue stops the running job and waits for it.
pub struct Queue {
    shared: Arc<Shared>,
    events: Receiver<Event>,
    worker: Option<JoinHandle<()>>,
}

impl Queue {
    /// Starts the worker. `waker` is called after each event, on the worker's thread, so that the window looks; it
    /// must not wait. If the system gives no thread, every job fails with that reason.
    #[must_use]
    pub fn new(waker: Arc<dyn Fn() + Send + Sync>) -> Self {
        Self::with_runner(
            waker,
            Arc::new(|job, emit| {
                let _ = conduct(&job.cancel, emit, |around| execute(&job.root, &job.spec, around));
            }),
        )
    }

    fn with_runner(waker: Arc<dyn Fn() + Send + Sync>, runner: Arc<Runner>) -> Self {
        let (sender, events) = bounded(CAPACITY);
        let shared =
            Arc::new(Shared { state: Mutex::default(), changed: Condvar::new(), events: sender, waker });
        let theirs = Arc::clone(&shared);
        let worker = std::thread::Builder::new()
            .name("plumbline-job".into())
            .stack_size(STACK)
            .spawn(move || {
                super::stand_back();
                work(&theirs, &*runner);
            })
            .inspect_err(|e| log::error!("the worker thread could not be started: {e}"))
            .ok();
        Self { shared, events, worker }
    }

    /// Puts a job behind those that wait.
    #[allow(clippy::must_use_candidate, reason = "the events of a job name it as well")]
    pub fn submit(&self, project_root: PathBuf, spec: JobSpec) -> JobId {
        let mut state = self.shared.state();
        state.last_id += 1;
        let id = state.last_id;
        if self.worker.is_none() {
            let message =
                "The system gave Plumbline no thread to work in. Close other programs and start it again.";
            let kind = EventKind::Failed { message: message.into() };
            let _ = self.shared.events.try_send(Event { job: id, kind });
            return id;
        }
        state.waiting.push_back(Waiting { id, root: project_root, spec, cancel: CancelToken::default() });
        self.shared.changed.notify_one();
        id
    }

    /// Asks a job to stop: a running one at its next step, a waiting one at once. Does not wait for it; the job's
    /// last event tells.
    pub fn cancel(&self, id: JobId) {
        let state = self.shared.state();
        let running = state.running.iter().filter(|(job, _)| *job == id).map(|(_, cancel)| cancel);
        let waiting = state.waiting.iter().filter(|job| job.id == id).map(|job| &job.cancel);
        running.chain(waiting).for_each(CancelToken::cancel);
    }

    /// Lets a running training wait at its next step, or go on. A job that waits for its turn is not touched.
    pub fn pause(&self, id: JobId, paused: bool) {
        let state = self.shared.state();
        state.running.iter().filter(|(job, _)| *job == id).for_each(|(_, cancel)| cancel.pause(paused));
    }

    /// Where the events come out. They must be read, or jobs slow down to wait for the reader.
    #[must_use]
    pub fn events(&self) -> &Receiver<Event> {
        &self.events
    }

    /// The job that is being done.
    #[must_use]
    pub fn running(&self) -> Option<JobId> {
        self.shared.state().running.as_ref().map(|(id, _)| *id)
    }

    /// The jobs that wait, next one first.
    #[must_use]
    pub fn waiting(&self) -> Vec<JobId> {
        self.shared.state().waiting.iter().map(|job| job.id).collect()
    }

    /// Stops the running job, forgets those that wait, and waits for the worker. What the running job had made is in
    /// its folder; its last events are lost unless they fit into the channel.
    pub fn shutdown(&mut self) {
        {
            let mut state = self.shared.state();
            state.closing = true;
            state.waiting.clear();
            if let Some((_, cancel)) = &state.running {
                cancel.cancel();
            }
        }
        self.shared.changed.notify_all();
        if let Some(worker) = self.worker.take()
            && worker.join().is_err()
        {
            log::error!("the worker thread ended with a panic");
        }
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.shutdown();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands an event to the window. Progress is left out when the channel is full, as the next one says more; for
    /// everything else the job waits, except that a cancelled job's numbers and log lines (which are in its folder)
    /// give way, and that nothing is waited for when the queue closes.
    fn tell(&self, event: Event, cancel: &CancelToken) {
        let expendable = matches!(event.kind, EventKind::Progress { .. });
        let on_disk = matches!(
            event.kind,
            EventKind::Metric { .. }
                | EventKind::Measured(_)
                | EventKind::Asked(_)
                | EventKind::Suffix(_)
                | EventKind::Log(_)
        );
        let mut event = match self.events.try_send(event) {
            Ok(()) => {
                (self.waker)();
                return;
            }
            Err(TrySendError::Full(event)) if !expendable => event,
            Err(_) => return,
        };
        loop {
            (self.waker)();
            event = match self.events.send_timeout(event, PATIENCE) {
                Ok(()) => break,
                Err(SendTimeoutError::Disconnected(_)) => return,
                Err(SendTimeoutError::Timeout(event)) => event,
            };
            if self.state().closing || (on_disk && cancel.is_cancelled()) {
                return;
            }
        }
        (self.waker)();
    }
}

fn work(shared: &Shared, runner: &Runner) {
    loop {
        let job = {
            let mut state = shared.state();
            loop {
                if state.closing {
                    return;
                }
                if let Some(job) = state.waiting.pop_front() {
                    state.running = Some((job.id, job.cancel.clone()));
                    break job;
                }
                state = shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
        };
        let mut last = None;
        runner(&job, &mut |kind| {
            if kind.is_last() {
                last = Some(kind);
            } else {
                shared.tell(Event { job: job.id, kind }, &job.cancel);
            }
        });
        // The job is over before its last event is seen, so that whoever sees it can count on that.
        shared.state().running = None;
        if let Some(kind) = last {
            shared.tell(Event { job: job.id, kind }, &job.cancel);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::EvaluateSpec;
    use crate::job::{Ending, JobError, Surroundings};
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Instant;

    const SOON: Duration = Duration::from_secs(10);

    fn queue(
        work: impl Fn(&mut Surroundings) -> Result<Ending, JobError> + Send + Sync + 'static,
    ) -> (Queue, Arc<AtomicUsize>) {
        let wakes = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&wakes);
        let waker = Arc::new(move || {
            count.fetch_add(1, Ordering::Relaxed);
        });
        let runner = Arc::new(move |job: &Waiting, emit: &mut dyn FnMut(EventKind)| {
            let _ = conduct(&job.cancel, emit, &work);
        });
        (Queue::with_runner(waker, runner), wakes)
    }

    fn spec() -> JobSpec {
        JobSpec::Evaluate(EvaluateSpec::default())
    }

    #[allow(clippy::unnecessary_wraps, reason = "a job may fail; this one does not")]
    fn done() -> Result<Ending, JobError> {
        Ok(Ending { folder: PathBuf::new(), message: "done".into(), stopped: false })
    }

    #[allow(clippy::unnecessary_wraps, reason = "a job may fail; this one does not")]
    fn until_cancelled(around: &mut Surroundings) -> Result<Ending, JobError> {
        while !around.cancel.is_cancelled() {
            (around.emit)(EventKind::Metric { step: 1, values: vec![("loss", 1.0)] });
        }
        Ok(Ending { folder: PathBuf::new(), message: "stopped".into(), stopped: true })
    }

    #[test]
    fn jobs_are_done_in_order_on_the_named_thread_and_the_window_is_woken() {
        let (queue, wakes) = queue(|around| {
            let name = std::thread::current().name().unwrap_or_default().to_owned();
            (around.emit)(EventKind::Log(name));
            done()
        });
        let ids = [queue.submit(PathBuf::new(), spec()), queue.submit(PathBuf::new(), spec())];
        for id in ids {
            let event = queue.events().recv_timeout(SOON).unwrap();
            assert_eq!(event, Event { job: id, kind: EventKind::Log("plumbline-job".into()) });
            let event = queue.events().recv_timeout(SOON).unwrap();
            assert_eq!(event, Event { job: id, kind: EventKind::Done { message: "done".into() } });
        }
        assert_eq!(queue.running(), None);
        // An event can be read before the window is woken for it: the worker's end is what comes after both.
        drop(queue);
        assert!(wakes.load(Ordering::Relaxed) >= 4);
    }

    #[test]
    fn a_panic_fails_one_job_and_the_next_is_done() {
        let first = AtomicUsize::new(0);
        let (queue, _) = queue(move |_| {
            assert!(first.fetch_add(1, Ordering::Relaxed) > 0, "the first job breaks");
            done()
        });
        queue.submit(PathBuf::new(), spec());
        queue.submit(PathBuf::new(), spec());
        let event = queue.events().recv_timeout(SOON).unwrap();
        let EventKind::Failed { message } = event.kind else { panic!("{event:?}") };
        assert!(message.contains("the first job breaks"), "{message}");
        assert!(matches!(queue.events().recv_timeout(SOON).unwrap().kind, EventKind::Done { .. }));
    }

    #[test]
    fn a_job_that_nobody_listens_to_can_be_cancelled() {
        let (queue, _) = queue(until_cancelled);
        let id = queue.submit(PathBuf::new(), spec());
        let start = Instant::now();
        while queue.events().len() < CAPACITY {
            assert!(start.elapsed() < SOON, "the channel should fill up");
            std::thread::sleep(Duration::from_millis(1));
        }
        queue.cancel(id);
        // Nobody has read anything yet, and the worker comes to its end all the same.
        while queue.running().is_some() {
            assert!(start.elapsed() < SOON, "the worker hangs on a full channel");
            std::thread::sleep(Duration::from_millis(1));
        }
        let last = loop {
            let event = queue.events().recv_timeout(SOON).unwrap();
            if event.kind.is_last() {
                break event;
            }
        };
        assert_eq!(last, Event { job: id, kind: EventKind::Stopped { message: "stopped".into() } });
    }

    #[test]
    fn closing_the_window_does_not_hang_on_a_full_channel() {
        let (mut queue, _) = queue(until_cancelled);
        queue.submit(PathBuf::new(), spec());
        queue.submit(PathBuf::new(), spec());
        let start = Instant::now();
        while queue.events().len() < CAPACITY {
            assert!(start.elapsed() < SOON);
            std::thread::sleep(Duration::from_millis(1));
        }
        queue.shutdown();
        assert!(start.elapsed() < SOON);
    }

    #[test]
    fn a_waiting_job_is_stopped_before_it_begins() {
        let (queue, _) = queue(until_cancelled);
        let first = queue.submit(PathBuf::new(), spec());
        let second = queue.submit(PathBuf::new(), spec());
        queue.cancel(second);
        queue.cancel(first);
        let mut ends = Vec::new();
        while ends.len() < 2 {
            let event = queue.events().recv_timeout(SOON).unwrap();
            if event.kind.is_last() {
                ends.push(event);
            }
        }
        assert_eq!((ends[0].job, ends[1].job), (first, second));
        assert!(
            matches!(&ends[1].kind, EventKind::Stopped { message } if message.contains("before it began"))
        );
    }
}
