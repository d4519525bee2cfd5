//! The jobs of this window as the screens show them.

use crate::evaluate::GcgLine;
use crate::job::{AsrPoint, Event, EventKind, JobId, JobSpec};
use crate::project::ModelRole;
use crate::report::{Hue, Series};
use crate::train::DynamicsPoint;
use std::path::PathBuf;

/// How a job stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobState {
    /// Others are before it.
    Waiting,
    /// At work.
    Running,
    /// Ended as it should, with its last message.
    Done(String),
    /// Ended because somebody stopped it.
    Stopped(String),
    /// Ended by an error.
    Failed(String),
}

/// How far a job is.
#[derive(Clone, Debug)]
pub struct Progress {
    /// Units done.
    pub done: u64,
    /// Units in all.
    pub total: u64,
    /// What is counted.
    pub unit: &'static str,
    /// Units per second.
    pub rate: f64,
    /// Estimated seconds to the end.
    pub seconds_left: Option<f64>,
}

impl Progress {
    /// The share done, 0 to 1.
    #[must_use]
    pub fn share(&self) -> f32 {
        if self.total == 0 { 0.0 } else { (self.done as f64 / self.total as f64) as f32 }
    }

    /// For example "120 of 200 steps · 3.2 steps/s · 25 s left".
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!("{} of {} {}", self.done, self.total, self.unit);
        if self.rate > 0.0 {
            text += &format!(" · {:.1} {}/s", self.rate, self.unit);
        }
        match self.seconds_left {
            Some(seconds) if seconds.is_finite() && self.done < self.total => {
                text += &format!(" · {} left", duration(seconds));
            }
            _ => {}
        }
        text
    }
}

/// A duration in words short enough for the status line.
#[must_use]
pub fn duration(seconds: f64) -> String {
    let whole = seconds.max(0.0).round() as u64;
    match whole {
        0..=99 => format!("{whole} s"),
        100..=5999 => format!("{} min", whole.div_ceil(60)),
        _ => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
    }
}

/// What a job makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Product {
    /// A model with this id.
    Model(String),
    /// An evaluation.
    Evaluation,
    /// Texts that wait to be reviewed.
    Texts,
}

/// One job as the window knows it.
#[derive(Clone, Debug)]
pub struct JobView {
    /// The queue's number.
    pub id: JobId,
    /// What it does.
    pub title: String,
    /// What it makes.
    pub product: Product,
    /// How it stands.
    pub state: JobState,
    /// How far it is.
    pub progress: Option<Progress>,
    /// Total loss, recovery loss and anchor loss by step.
    pub loss: Vec<Series>,
    /// Learning rate, norm of the gradient, and tokens a second, by step.
    pub gauges: Vec<Series>,
    /// What was measured at each answer position meanwhile.
    pub dynamics: Vec<DynamicsPoint>,
    /// The rates of harmful answers that were measured meanwhile.
    pub asked: Vec<AsrPoint>,
    /// The steps of the search for a suffix that is under way.
    pub search: Vec<GcgLine>,
    /// Its messages.
    pub log: Vec<String>,
    /// Its folder.
    pub folder: Option<PathBuf>,
    /// Whether it was asked to wait.
    pub paused: bool,
    /// Whether another job goes on with its run.
    pub gone_on: bool,
    /// Whether other judges read the answers of a finished evaluation: what they missed is read by judging again.
    pub judges: bool,
}

/// Messages kept in the window; the job's own log file has all of them.
const LOG_LINES: usize = 2_000;

impl JobView {
    /// A job that has just been submitted.
    #[must_use]
    pub fn new(id: JobId, spec: &JobSpec) -> Self {
        let (title, product) = match spec {
            JobSpec::Train(spec) => (format!("Train {}", spec.name), Product::Model(spec.name.clone())),
            JobSpec::Evaluate(spec) => (format!("Evaluate {}", spec.models.join(", ")), Product::Evaluation),
            JobSpec::Generate(_) => (spec.title(), Product::Texts),
            JobSpec::Judge(_) => (spec.title(), Product::Evaluation),
            JobSpec::Resume(resume) if resume.run.contains("-evaluate") => {
                (spec.title(), Product::Evaluation)
            }
            JobSpec::Resume(resume) => (spec.title(), Product::Model(resume.run.clone())),
        };
        let loss = vec![
            Series::plain("total", Hue::Ink),
            Series::plain("recovery examples", Hue::Role(ModelRole::Deepened)),
            Series::plain("anchor examples", Hue::Role(ModelRole::Aligned)),
        ];
        Self {
            id,
            title,
            product,
            state: JobState::Waiting,
            progress: None,
            loss,
            gauges: ["learning rate", "gradient norm", "tokens a second"]
                .map(|name| Series::plain(name, Hue::Accent))
                .to_vec(),
            dynamics: Vec::new(),
            asked: Vec::new(),
            search: Vec::new(),
            log: Vec::new(),
            folder: None,
            paused: false,
            gone_on: false,
            judges: matches!(spec, JobSpec::Judge(_)),
        }
    }

    /// Whether it has not ended.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self.state, JobState::Waiting | JobState::Running)
    }

    /// Whether it is a training run or an evaluation that ended before its end.
    #[must_use]
    pub fn can_go_on(&self) -> bool {
        let broken = matches!(self.state, JobState::Stopped(_) | JobState::Failed(_));
        broken && !self.gone_on && !self.judges && self.product != Product::Texts && self.folder.is_some()
    }

    /// Whether it is a training that is at work: it can wait and go on.
    #[must_use]
    pub fn can_pause(&self) -> bool {
        self.state == JobState::Running && matches!(self.product, Product::Model(_))
    }

    /// The last part of its folder, which is the id of the run or evaluation.
    #[must_use]
    pub fn result_id(&self) -> Option<String> {
        self.folder.as_ref()?.file_name().map(|name| name.to_string_lossy().into_owned())
    }

    fn take(&mut self, event: EventKind) {
        match event {
            EventKind::Started { title, folder } => {
                self.state = JobState::Running;
                if !title.is_empty() {
                    self.title = title;
                }
                self.folder = Some(folder);
            }
            EventKind::Progress { done, total, unit, rate, seconds_left } => {
                self.progress = Some(Progress { done, total, unit, rate, seconds_left });
            }
            EventKind::Metric { step, values } => {
                for (name, value) in values {
                    let line = match name {
                        "loss" => &mut self.loss[0],
                        "recovery_loss" => &mut self.loss[1],
                        "anchor_loss" => &mut self.loss[2],
                        "learning_rate" => &mut self.gauges[0],
                        "gradient_norm" => &mut self.gauges[1],
                        "tokens_per_second" => &mut self.gauges[2],
                        _ => continue,
                    };
                    if value.is_finite() {
                        line.push(step as f64, value);
                    }
                }
            }
            EventKind::Measured(point) => self.dynamics.push(*point),
            EventKind::Asked(point) => self.asked.push(*point),
            EventKind::Suffix(step) => {
                // One search is shown at a time: the present one.
                if self.search.last().is_some_and(|last| {
                    (&last.model, &last.set, &last.prompt_id, last.seed)
                        != (&step.model, &step.set, &step.prompt_id, step.seed)
                }) {
                    self.search.clear();
                }
                self.search.push(*step);
            }
            EventKind::Log(line) => {
                if self.log.len() == LOG_LINES {
                    self.log.remove(0);
                }
                self.log.push(line);
            }
            EventKind::Artifact { what, path } => {
                // A run that goes on is asked for by its own id; which model it makes is told when it is made.
                if let (Product::Model(id), Some(made)) = (&mut self.product, what.strip_prefix("model ")) {
                    made.clone_into(id);
                }
                self.log.push(format!("{what}: {}", path.display()));
            }
            EventKind::Done { message } => self.state = JobState::Done(message),
            EventKind::Stopped { message } => self.state = JobState::Stopped(message),
            EventKind::Failed { message } => self.state = JobState::Failed(message),
        }
    }
}

/// All jobs since the window opened, oldest first.
#[derive(Clone, Debug, Default)]
pub struct JobBoard {
    jobs: Vec<JobView>,
}

impl JobBoard {
    /// Adds a job.
    pub fn add(&mut self, job: JobView) {
        self.jobs.push(job);
    }

    /// Oldest first.
    #[must_use]
    pub fn all(&self) -> &[JobView] {
        &self.jobs
    }

    /// The job with this number.
    #[must_use]
    pub fn get(&self, id: JobId) -> Option<&JobView> {
        self.jobs.iter().find(|job| job.id == id)
    }

    /// Remembers that a job was asked to wait, or to go on after that.
    pub fn pause(&mut self, id: JobId, paused: bool) {
        if let Some(job) = self.jobs.iter_mut().find(|job| job.id == id) {
            job.paused = paused;
        }
    }

    /// Remembers that another job goes on with the run of this one.
    pub fn gone_on(&mut self, id: JobId) {
        if let Some(job) = self.jobs.iter_mut().find(|job| job.id == id) {
            job.gone_on = true;
        }
    }

    /// The job at work.
    #[must_use]
    pub fn running(&self) -> Option<&JobView> {
        self.jobs.iter().find(|job| job.state == JobState::Running)
    }

    /// How many have not ended.
    #[must_use]
    pub fn open_count(&self) -> usize {
        self.jobs.iter().filter(|job| job.is_open()).count()
    }

    /// The newest job that makes a model.
    #[must_use]
    pub fn newest_training(&self) -> Option<&JobView> {
        self.jobs.iter().rev().find(|job| matches!(job.product, Product::Model(_)))
    }

    /// The newest job that lets a model write.
    #[must_use]
    pub fn newest_writing(&self) -> Option<&JobView> {
        self.jobs.iter().rev().find(|job| job.product == Product::Texts)
    }

    /// The newest evaluation.
    #[must_use]
    pub fn newest_evaluation(&self) -> Option<&JobView> {
        self.jobs.iter().rev().find(|job| job.product == Product::Evaluation)
    }

    /// Takes an event in; gives the job back if the event ended it.
    pub fn take(&mut self, event: Event) -> Option<&JobView> {
        let job = self.jobs.iter_mut().find(|job| job.id == event.job)?;
        let was_open = job.is_open();
        job.take(event.kind);
        (was_open && !job.is_open()).then_some(&*job)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::{Recipe, TrainSpec};

    #[test]
    fn progress_reads_as_a_sentence_and_never_divides_by_zero() {
        let mut progress =
            Progress { done: 120, total: 200, unit: "steps", rate: 3.2, seconds_left: Some(25.0) };
        assert_eq!(progress.text(), "120 of 200 steps · 3.2 steps/s · 25 s left");
        progress = Progress { done: 0, total: 0, unit: "steps", rate: 0.0, seconds_left: None };
        assert_eq!(progress.text(), "0 of 0 steps");
        assert!(progress.share().abs() < f32::EPSILON);
    }

    #[test]
    fn durations_grow_into_minutes_and_hours() {
        assert_eq!(duration(59.6), "60 s");
        assert_eq!(duration(100.0), "2 min");
        assert_eq!(duration(7300.0), "2 h 1 min");
    }

    #[test]
    fn a_job_ends_once_and_keeps_its_losses() {
        let mut board = JobBoard::default();
        let spec = TrainSpec { name: "deeper".into(), ..TrainSpec::preset(Recipe::Recovery) };
        board.add(JobView::new(7, &JobSpec::Train(spec)));
        let values = vec![("loss", 2.0), ("recovery_loss", f64::NAN), ("tokens_per_second", 5.0)];
        let metric = EventKind::Metric { step: 1, values };
        assert!(board.take(Event { job: 7, kind: metric }).is_none());
        let done = || Event { job: 7, kind: EventKind::Done { message: "ok".into() } };
        assert!(board.take(done()).is_some(), "the first end is news");
        assert!(board.take(done()).is_none(), "the second is not");
        let job = board.get(7).unwrap();
        assert!(!job.loss[0].is_empty() && job.loss[1].is_empty(), "a loss that is no number is not drawn");
        assert_eq!(job.gauges[2].points, [[1.0, 5.0]]);
        assert_eq!(board.open_count(), 0);
    }
}
