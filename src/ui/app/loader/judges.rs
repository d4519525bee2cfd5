//! The thread that asks judges: what they would read, what people's labels say of them, how they do on probes.

use super::{JudgingReply, Reply, Waker, panic_text};
use crate::evaluate::{Records, Summary, calibrate, unread};
use crate::judge::calibration::{ProbeCase, ProbeReport, probe_cases, probe_report};
use crate::judge::{Case, Estimate, JudgeContext, JudgeError, JudgeSpec, Label, SystemKeys, Verdict, Watch};
use crate::model::Control;
use crossbeam_channel::{Receiver, Sender};
use std::mem::{Discriminant, discriminant};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// What judges need of the project.
#[derive(Clone, Debug, Default)]
pub struct JudgesSurroundings {
    /// The project's folder.
    pub root: PathBuf,
    /// Its models with their folders.
    pub models: Vec<(String, PathBuf)>,
}

/// What is asked of judges.
#[derive(Clone, Debug)]
pub enum JudgesRequest {
    /// What these judges would read, and what that takes. Nothing is sent.
    Plan {
        /// Which request this is.
        serial: u64,
        /// What they need.
        around: JudgesSurroundings,
        /// The judges.
        judges: Vec<JudgeSpec>,
        /// What they would read.
        pile: Pile,
    },
    /// What labels say of the judges that have read the answers.
    Calibrate {
        /// Which request this is.
        serial: u64,
        /// Answers and verdicts.
        records: Arc<Records>,
        /// What was found.
        summary: Box<Summary>,
        /// The labels.
        labels: Vec<Label>,
        /// The evaluation's seed.
        seed: u64,
    },
    /// How these judges do on answers whose verdict is known.
    Probe {
        /// Which request this is.
        serial: u64,
        /// What they need.
        around: JudgesSurroundings,
        /// The judges.
        judges: Vec<JudgeSpec>,
        /// Answers of each kind.
        each: usize,
        /// How far it is, and whether it is to stop.
        progress: Arc<ProbeProgress>,
    },
}

/// What is to be read.
#[derive(Clone, Debug)]
pub enum Pile {
    /// Those answers of an evaluation that a judge has not read.
    Answers(Arc<Records>),
    /// So many answers at most, which models are still to write.
    Coming(usize),
    /// So many probes of each kind.
    Probes(usize),
}

/// How far a try on probes is; shared with the window.
#[derive(Debug, Default)]
pub struct ProbeProgress {
    /// Verdicts that have come.
    pub done: AtomicU64,
    /// Set by the window to stop it.
    pub stop: AtomicBool,
}

/// What one judge would read.
#[derive(Clone, Debug)]
pub struct JudgePlan {
    /// The judge.
    pub judge: JudgeSpec,
    /// What it would read, or why it cannot.
    pub outcome: Result<Reading, String>,
}

/// What a judge has before it.
#[derive(Clone, Debug)]
pub struct Reading {
    /// Answers that it has not read.
    pub unread: usize,
    /// Answers in all.
    pub all: usize,
    /// Whether they are still to be written, so that these are numbers at most.
    pub coming: bool,
    /// What asking takes, where the judge is behind an endpoint.
    pub estimate: Option<Estimate>,
}

/// How one judge did on probes.
#[derive(Clone, Debug)]
pub struct ProbedJudge {
    /// Its name.
    pub judge: String,
    /// How it did, or why it could not be asked.
    pub outcome: Result<ProbeReport, String>,
    /// What it got wrong, with what it said.
    pub wrong: Vec<(ProbeCase, Verdict)>,
}

/// Starts the thread.
pub(super) fn spawn(
    requests: Receiver<JudgesRequest>,
    replies: Sender<Reply>,
    waker: Waker,
) -> std::io::Result<()> {
    std::thread::Builder::new().name("judges".into()).stack_size(64 << 20).spawn(move || {
        while let Ok(first) = requests.recv() {
            let mut batch = vec![first];
            batch.extend(requests.try_iter());
            for request in newest_of_each_kind(batch) {
                let serial = serial_of(&request);
                let reply =
                    catch_unwind(AssertUnwindSafe(|| answer(request, &waker))).unwrap_or_else(|panic| {
                        let error = format!("Asking the judges broke off: {}", panic_text(panic.as_ref()));
                        JudgingReply::Broke { serial, error }
                    });
                if replies.send(Reply::Judging(reply)).is_err() {
                    return;
                }
                waker();
            }
        }
    })?;
    Ok(())
}

fn serial_of(request: &JudgesRequest) -> u64 {
    match request {
        JudgesRequest::Plan { serial, .. }
        | JudgesRequest::Calibrate { serial, .. }
        | JudgesRequest::Probe { serial, .. } => *serial,
    }
}

/// What a request is about. Plans for answers, for answers to come and for probes are of different kinds: parts of the
/// screen wait for them, and none asks again for one that was dropped.
fn kind_of(request: &JudgesRequest) -> (Discriminant<JudgesRequest>, Option<Discriminant<Pile>>) {
    let pile = match request {
        JudgesRequest::Plan { pile, .. } => Some(discriminant(pile)),
        JudgesRequest::Calibrate { .. } | JudgesRequest::Probe { .. } => None,
    };
    (discriminant(request), pile)
}

/// While somebody types or labels, plans and comparisons are asked for faster than they are made: the last is wanted.
fn newest_of_each_kind(batch: Vec<JudgesRequest>) -> Vec<JudgesRequest> {
    let mut kept: Vec<JudgesRequest> = Vec::new();
    for request in batch {
        kept.retain(|one| kind_of(one) != kind_of(&request));
        kept.push(request);
    }
    kept
}

fn answer(request: JudgesRequest, waker: &Waker) -> JudgingReply {
    match request {
        JudgesRequest::Plan { serial, around, judges, pile } => {
            let plans = judges
                .into_iter()
                .map(|judge| {
                    let outcome = plan(&around, &judge, &pile).map_err(|e| sentence(&e));
                    JudgePlan { judge, outcome }
                })
                .collect();
            JudgingReply::Planned { serial, plans }
        }
        JudgesRequest::Calibrate { serial, records, summary, labels, seed } => {
            let found = Box::new(calibrate(&records, &summary, &labels, seed));
            JudgingReply::Calibrated { serial, found }
        }
        JudgesRequest::Probe { serial, around, judges, each, progress } => {
            let cases = probe_cases(each.max(1), 0);
            let mut tried = Vec::new();
            for spec in &judges {
                if progress.stop.load(Ordering::Relaxed) {
                    break;
                }
                tried.push(probe(&around, spec, &cases, &progress, waker));
            }
            JudgingReply::Probed { serial, judges: tried }
        }
    }
}

/// The error as a sentence of its own.
fn sentence(error: &JudgeError) -> String {
    let text = error.to_string();
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// Gives `work` what judges need from outside.
fn with_context<T>(
    around: &JudgesSurroundings,
    watch: Watch,
    work: impl FnOnce(&JudgeContext<'_>) -> Result<T, JudgeError>,
) -> Result<T, JudgeError> {
    let cache = around.root.join(".cache").join("judges");
    let model =
        |id: &str| around.models.iter().find(|(known, _)| known == id).map(|(_, folder)| folder.clone());
    work(&JudgeContext {
        cache: cache.is_dir().then_some(cache.as_path()),
        keys: &SystemKeys,
        model: &model,
        watch,
    })
}

fn plan(around: &JudgesSurroundings, spec: &JudgeSpec, pile: &Pile) -> Result<Reading, JudgeError> {
    let judge = with_context(around, Arc::new(|| Control::Continue), |context| spec.build(context))?;
    match pile {
        Pile::Answers(records) => {
            let open = unread(judge.as_ref(), records);
            let cases: Vec<Case<'_>> = open.iter().map(|response| response.case()).collect();
            let all = records.responses.iter().filter(|response| response.is_judged()).count();
            Ok(Reading { unread: open.len(), all, coming: false, estimate: judge.estimate(&cases)? })
        }
        Pile::Coming(most) => Ok(Reading { unread: *most, all: *most, coming: true, estimate: None }),
        Pile::Probes(each) => {
            let known = probe_cases((*each).max(1), 0);
            let cases: Vec<Case<'_>> = known.iter().map(case_of).collect();
            let n = known.len();
            Ok(Reading { unread: n, all: n, coming: false, estimate: judge.estimate(&cases)? })
        }
    }
}

fn case_of(case: &ProbeCase) -> Case<'_> {
    Case {
        prompt: &case.prompt,
        category: &case.category,
        prefill: "",
        prefill_is_refusal: false,
        text: &case.text,
    }
}

fn probe(
    around: &JudgesSurroundings,
    spec: &JudgeSpec,
    cases: &[ProbeCase],
    progress: &Arc<ProbeProgress>,
    waker: &Waker,
) -> ProbedJudge {
    let shared = Arc::clone(progress);
    let go_on = move || if shared.stop.load(Ordering::Relaxed) { Control::Stop } else { Control::Continue };
    let mut verdicts: Vec<(&str, Verdict)> = Vec::new();
    let asked: Vec<Case<'_>> = cases.iter().map(case_of).collect();
    let outcome =
        with_context(around, Arc::new(go_on.clone()), |context| spec.build(context)).and_then(|judge| {
            judge.judge_all(&asked, &mut |i, judgement| {
                verdicts.push((cases[i].id.as_str(), judgement.verdict));
                progress.done.fetch_add(1, Ordering::Relaxed);
                waker();
                go_on()
            })
        });
    let report = probe_report(cases, &verdicts);
    let wrong = cases
        .iter()
        .filter(|case| report.rows.iter().any(|row| row.wrong.contains(&case.id)))
        .filter_map(|case| {
            let said = verdicts.iter().find(|(id, _)| *id == case.id)?.1;
            Some((case.clone(), said))
        })
        .collect();
    let outcome = match outcome {
        Err(e) => Err(sentence(&e)),
        Ok(false) => Err("Stopped before it had read all of them.".to_owned()),
        Ok(true) => Ok(report),
    };
    ProbedJudge { judge: spec.name(), outcome, wrong }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::KeywordListSpec;

    #[test]
    fn of_waiting_requests_the_newest_of_each_kind_is_answered() {
        let plan = |serial, pile| JudgesRequest::Plan {
            serial,
            around: JudgesSurroundings::default(),
            judges: Vec::new(),
            pile,
        };
        let probes = |serial| plan(serial, Pile::Probes(1));
        let answers = |serial| plan(serial, Pile::Answers(Arc::default()));
        let calibrate = |serial| JudgesRequest::Calibrate {
            serial,
            records: Arc::default(),
            summary: Box::default(),
            labels: Vec::new(),
            seed: 0,
        };
        let batch = vec![probes(1), answers(2), calibrate(3), probes(4), calibrate(5), probes(6)];
        let kept = newest_of_each_kind(batch);
        assert_eq!(kept.iter().map(serial_of).collect::<Vec<_>>(), [2, 5, 6]);
    }

    #[test]
    fn probes_say_what_a_judge_gets_wrong_and_stop_when_asked() {
        let waker: Waker = Arc::new(|| {});
        let progress = Arc::new(ProbeProgress::default());
        let ask = |progress: &Arc<ProbeProgress>| JudgesRequest::Probe {
            serial: 7,
            around: JudgesSurroundings::default(),
            judges: vec![JudgeSpec::Oracle, KeywordListSpec::named("qi2024").into()],
            each: 4,
            progress: Arc::clone(progress),
        };
        let JudgingReply::Probed { serial: 7, judges } = answer(ask(&progress), &waker) else { panic!() };
        assert_eq!(progress.done.load(Ordering::Relaxed), 24);
        let oracle = judges[0].outcome.as_ref().unwrap();
        assert!(oracle.qualifies() && judges[0].wrong.is_empty(), "{judges:?}");
        let list = judges[1].outcome.as_ref().unwrap();
        let wrong: usize = list.rows.iter().map(|row| row.wrong.len()).sum();
        assert!(!list.qualifies() && wrong > 0 && wrong == judges[1].wrong.len());
        progress.stop.store(true, Ordering::Relaxed);
        let JudgingReply::Probed { judges, .. } = answer(ask(&progress), &waker) else { panic!() };
        assert!(judges.is_empty());
    }

    #[test]
    fn a_plan_names_what_is_missing() {
        use crate::judge::{EndpointSpec, KeySpec, RubricSpec};
        let endpoint = EndpointSpec {
            url: "https://judge.example/v1".into(),
            model: "m".into(),
            key: KeySpec::Environment("PLUMBLINE_KEY_JUDGE_EXAMPLE".into()),
            ..EndpointSpec::default()
        };
        let judge: JudgeSpec = RubricSpec { endpoint, ..RubricSpec::default() }.into();
        let request = JudgesRequest::Plan {
            serial: 1,
            around: JudgesSurroundings::default(),
            judges: vec![JudgeSpec::Oracle, judge],
            pile: Pile::Answers(Arc::default()),
        };
        let waker: Waker = Arc::new(|| {});
        let JudgingReply::Planned { plans, .. } = answer(request, &waker) else { panic!() };
        assert!(plans[0].outcome.is_ok());
        let error = plans[1].outcome.as_ref().unwrap_err();
        assert!(
            error.starts_with("There is no key") && error.contains("PLUMBLINE_KEY_JUDGE_EXAMPLE"),
            "{error}"
        );
    }
}
