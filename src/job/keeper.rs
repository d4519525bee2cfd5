//! What a run leaves while it trains: a line for each step, what is measured, and checkpoints.

use super::asr_probe::AsrProbe;
use super::folder::{Desk, keep};
use super::progress::Meter;
use super::{EventKind, JobError};
use crate::files::{self, AppendLog};
use crate::model::{Control, Decoder};
use crate::project::LoggedStep;
use crate::train::{Checkpoints, SavedState, StepReport, TrainSpec, Trainer};
use std::path::Path;
use std::time::{Duration, Instant};

/// The folder of a run's checkpoints, and the logs of its steps.
pub(super) const CHECKPOINTS: &str = "checkpoints";
const METRICS: &str = "metrics.jsonl";
const DYNAMICS: &str = "dynamics.jsonl";
const ASR: &str = "asr.jsonl";

/// What the lines of these logs have in common.
#[derive(serde::Deserialize)]
struct Stepped {
    step: usize,
}

/// Cuts the logs of a run back to what was written up to its checkpoint after `step`; to nothing where it has none.
pub(super) fn cut_logs_back(folder: &Path, step: usize) -> Result<(), JobError> {
    for name in [METRICS, DYNAMICS, ASR] {
        let path = folder.join(name);
        let wanted = |line: &str| {
            step > 0 && serde_json::from_str::<Stepped>(line).is_ok_and(|line| line.step <= step)
        };
        files::cut_back(&path, wanted).map_err(|e| keep(&path, &e))?;
    }
    Ok(())
}

/// Keeps what a run needs to be looked at and to go on: a line for each step, and checkpoints.
pub(super) struct Keeper {
    metrics: AppendLog,
    dynamics: AppendLog,
    asr: AppendLog,
    probe: Option<AsrProbe>,
    checkpoints: Checkpoints,
    meter: Meter,
    every_steps: usize,
    /// How often over the run the model is asked.
    points: usize,
    every: Option<Duration>,
    last: Instant,
    /// When this part of the run began, and the seconds of the parts before.
    started: Instant,
    before: f64,
    lost: Option<JobError>,
}

impl Keeper {
    pub(super) fn new(desk: &Desk, spec: &TrainSpec, probe: Option<AsrProbe>) -> Result<Self, JobError> {
        Ok(Self {
            metrics: desk.open_log(METRICS)?,
            dynamics: desk.open_log(DYNAMICS)?,
            asr: desk.open_log(ASR)?,
            probe,
            checkpoints: Checkpoints::new(&desk.folder.join(CHECKPOINTS)),
            meter: Meter::new("steps"),
            every_steps: spec.checkpoint_steps,
            points: spec.dynamics.points,
            every: (spec.checkpoint_minutes > 0.0)
                .then(|| Duration::from_secs_f64(60.0 * spec.checkpoint_minutes)),
            last: Instant::now(),
            started: Instant::now(),
            before: desk.manifest.seconds,
            lost: None,
        })
    }

    pub(super) fn step(&mut self, desk: &mut Desk, report: &StepReport, trainer: &Trainer) -> Control {
        desk.manifest.tokens += report.tokens as u64;
        if let Err(e) = self.metrics.json(&logged(report)) {
            self.lost = Some(keep(self.metrics.path(), &e));
            return Control::Stop;
        }
        if let Err(e) = self.measured(desk, report, trainer) {
            self.lost = Some(e);
            return Control::Stop;
        }
        desk.emit(EventKind::Metric { step: report.step as u64, values: values(report) });
        if let Some(event) = self.meter.at(report.step as u64, report.total as u64) {
            desk.emit(event);
        }
        let last = report.step == report.total;
        let due = (self.every_steps > 0 && report.step.is_multiple_of(self.every_steps))
            || self.every.is_some_and(|every| self.last.elapsed() >= every);
        let wanted = desk.cancel.is_cancelled() || desk.cancel.is_paused();
        if !last
            && (due || wanted)
            && let Err(e) = self.checkpoint(desk, report.step, trainer)
        {
            self.lost = Some(e);
            return Control::Stop;
        }
        while desk.cancel.is_paused() {
            std::thread::sleep(PATIENCE);
        }
        if desk.cancel.is_cancelled() { Control::Stop } else { Control::Continue }
    }

    /// Keeps what was measured at the positions of answers, and asks how often the model is broken now.
    fn measured(&mut self, desk: &mut Desk, report: &StepReport, trainer: &Trainer) -> Result<(), JobError> {
        for point in &report.dynamics {
            self.dynamics.json(point).map_err(|e| keep(self.dynamics.path(), &e))?;
            desk.emit(EventKind::Measured(Box::new(point.clone())));
        }
        let every = report.total.div_ceil(self.points.max(1)).max(1);
        if report.step.is_multiple_of(every) || report.step == report.total {
            self.ask(desk, trainer.current(), report.step)?;
        }
        Ok(())
    }

    pub(super) fn ask(&mut self, desk: &mut Desk, decoder: &Decoder, step: usize) -> Result<(), JobError> {
        let Some(probe) = &self.probe else { return Ok(()) };
        for point in probe.measure(decoder, step)? {
            self.asr.json(&point).map_err(|e| keep(self.asr.path(), &e))?;
            desk.emit(EventKind::Asked(Box::new(point)));
        }
        Ok(())
    }

    fn checkpoint(&mut self, desk: &Desk, step: usize, trainer: &Trainer) -> Result<(), JobError> {
        // The log must not fall behind the checkpoint: on going on it is cut back to it.
        self.metrics.sync().map_err(|e| keep(self.metrics.path(), &e))?;
        self.dynamics.sync().map_err(|e| keep(self.dynamics.path(), &e))?;
        self.asr.sync().map_err(|e| keep(self.asr.path(), &e))?;
        let seconds = self.before + self.started.elapsed().as_secs_f64();
        let state = SavedState { step, tokens: desk.manifest.tokens, seconds, first_loss: None };
        trainer.save(&self.checkpoints, state)?;
        self.last = Instant::now();
        Ok(())
    }

    /// What could not be kept, if anything.
    pub(super) fn close(self) -> Result<(), JobError> {
        match self.lost {
            Some(error) => Err(error),
            None => self.metrics.sync().map_err(|e| keep(self.metrics.path(), &e)),
        }
    }
}

/// How often a run that waits looks whether it may go on.
const PATIENCE: Duration = Duration::from_millis(30);

fn logged(report: &StepReport) -> LoggedStep {
    LoggedStep {
        step: report.step,
        total: report.total,
        loss: report.loss,
        recovery_loss: report.recovery_loss,
        anchor_loss: report.anchor_loss,
        learning_rate: report.learning_rate,
        gradient_norm: report.gradient_norm,
        tokens: report.tokens,
        seconds: report.seconds,
    }
}

fn values(report: &StepReport) -> Vec<(&'static str, f64)> {
    let mut values = vec![
        ("loss", report.loss),
        ("learning_rate", report.learning_rate),
        ("gradient_norm", report.gradient_norm),
        ("tokens_per_second", report.tokens as f64 / report.seconds.max(1e-9)),
    ];
    values.extend(report.recovery_loss.map(|loss| ("recovery_loss", loss)));
    values.extend(report.anchor_loss.map(|loss| ("anchor_loss", loss)));
    values
}
