//! `plumbline run`: a job with its progress on the terminal, or as lines of JSON.

use super::Trouble;
use crate::evaluate::Summary;
use crate::job::{CancelToken, Event, EventKind, JobSpec, ResumeSpec, run_cancellable};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use std::io::IsTerminal;
use std::path::Path;

/// Differentiation walks the computation recursively, deeper than a main thread's stack.
const STACK: usize = 64 << 20;

pub(super) fn run(spec: &Path, project: &Path, json: bool) -> Result<(), Trouble> {
    on_worker(&JobSpec::from_file(spec)?, project, json)
}

pub(super) fn resume(run: String, project: &Path, json: bool) -> Result<(), Trouble> {
    on_worker(&JobSpec::Resume(ResumeSpec { run }), project, json)
}

fn on_worker(spec: &JobSpec, project: &Path, json: bool) -> Result<(), Trouble> {
    std::thread::scope(|scope| {
        let worker = std::thread::Builder::new()
            .name("plumbline-job".into())
            .stack_size(STACK)
            .spawn_scoped(scope, || work(spec, project, json))
            .map_err(|e| Trouble::Failed(format!("no thread could be started: {e}. Close other programs")))?;
        worker.join().unwrap_or_else(|_| Err(Trouble::Failed("the command hit a defect of Plumbline".into())))
    })
}

fn work(spec: &JobSpec, project: &Path, json: bool) -> Result<(), Trouble> {
    let cancel = CancelToken::default();
    let asked = cancel.clone();
    // The first Ctrl-C lets the job write down what it has; the second ends the program where it stands.
    let handler = ctrlc::set_handler(move || {
        if asked.is_cancelled() {
            std::process::exit(130);
        }
        asked.cancel();
    });
    if let Err(e) = handler {
        log::warn!("Ctrl-C will end the program at once: {e}");
    }
    let mut show = Show::new(json);
    let result = run_cancellable(project, spec, &cancel, &mut |event| show.event(&event));
    show.close();
    let folder = result?;
    if !json && folder.join("summary.json").is_file() {
        let path = folder.join("summary.json");
        let summary =
            std::fs::read(&path).ok().and_then(|bytes| serde_json::from_slice::<Summary>(&bytes).ok());
        match summary {
            Some(summary) => print!("{}", table(&summary)),
            None => {
                return Err(Trouble::Failed(format!(
                    "{} cannot be read back. Run the job again.",
                    path.display()
                )));
            }
        }
    }
    Ok(())
}

/// Where events go: a bar on a terminal, plain lines elsewhere, or JSON.
struct Show {
    json: bool,
    bar: Option<ProgressBar>,
}

impl Show {
    fn new(json: bool) -> Self {
        let bar = (!json && std::io::stderr().is_terminal()).then(|| {
            let style = ProgressStyle::with_template("{bar:32} {pos}/{len} {msg} {prefix}");
            ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        Self { json, bar }
    }

    fn event(&mut self, event: &Event) {
        if self.json {
            println!("{}", as_json(&event.kind));
            return;
        }
        match &event.kind {
            EventKind::Progress { done, total, unit, rate, seconds_left } => {
                if let Some(bar) = &self.bar {
                    bar.set_length(*total);
                    bar.set_position(*done);
                    let left = seconds_left.map_or_else(String::new, |s| format!(", {} left", duration(s)));
                    bar.set_message(format!("{unit} · {rate:.1}/s{left}"));
                }
            }
            EventKind::Metric { values, .. } => {
                if let (Some(bar), Some((name, value))) = (&self.bar, values.first()) {
                    bar.set_prefix(format!("{name} {value:.4}"));
                }
            }
            EventKind::Started { title, folder } => self.line(&format!("{title}: {}", folder.display())),
            EventKind::Asked(point) => {
                let (step, how) = (point.step, point.asked());
                self.line(&format!(
                    "After step {step}, harmful answers, {how}: {} · {} judge",
                    point.row.rate.text(),
                    point.row.judge
                ));
            }
            EventKind::Suffix(step) => {
                if let Some(bar) = &self.bar {
                    bar.set_prefix(format!(
                        "step {} loss {:.3} {}",
                        step.step,
                        step.loss,
                        step.suffix.trim()
                    ));
                }
            }
            EventKind::Log(text) => self.line(text),
            EventKind::Artifact { what, path } => {
                self.line(&format!("Written: {what} in {}", path.display()));
            }
            EventKind::Done { message } => self.line(message),
            // The error that ends the command says these.
            EventKind::Stopped { .. } | EventKind::Failed { .. } => {}
            // The run's folder has it, position by position.
            EventKind::Measured(_) => {}
        }
    }

    fn line(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| println!("{text}")),
            None => println!("{text}"),
        }
    }

    fn close(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn as_json(event: &EventKind) -> Value {
    match event {
        EventKind::Started { title, folder } => json!({"event": "started", "title": title, "folder": folder}),
        EventKind::Progress { done, total, unit, rate, seconds_left } => json!({
            "event": "progress", "done": done, "total": total, "unit": unit, "rate": rate, "seconds_left": seconds_left,
        }),
        EventKind::Metric { step, values } => {
            let values: serde_json::Map<String, Value> =
                values.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
            json!({"event": "metric", "step": step, "values": values})
        }
        EventKind::Measured(point) => json!({"event": "measured", "point": point}),
        EventKind::Asked(point) => json!({"event": "asked", "point": point}),
        EventKind::Suffix(step) => json!({"event": "suffix", "step": step}),
        EventKind::Log(text) => json!({"event": "log", "text": text}),
        EventKind::Artifact { what, path } => json!({"event": "artifact", "what": what, "path": path}),
        EventKind::Done { message } => json!({"event": "done", "message": message}),
        EventKind::Stopped { message } => json!({"event": "stopped", "message": message}),
        EventKind::Failed { message } => json!({"event": "failed", "message": message}),
    }
}

/// Seconds in words: `45 s`, `3 min 20 s`, `2 h 5 min`.
fn duration(seconds: f64) -> String {
    let seconds = seconds.max(0.0).round() as u64;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// The summary as text: one line for each number, always with n and interval.
fn table(summary: &Summary) -> String {
    let mut text = String::new();
    let mut line = |words: String| {
        text.push_str(words.trim_end());
        text.push('\n');
    };
    // Where there are several sets, each line names its own.
    let sets =
        summary.rates.iter().map(|row| row.set.as_str()).chain(summary.kl.iter().map(|row| row.set.as_str()));
    let several = sets.collect::<std::collections::BTreeSet<_>>().len() > 1;
    let on = |set: &str| if several { format!(" · {set}") } else { String::new() };
    if !summary.rates.is_empty() {
        line("Harmful answers".into());
    }
    for row in &summary.rates {
        let mut attack = if row.setting.is_empty() {
            row.attack.clone()
        } else {
            format!("{} {}", row.attack, row.setting)
        };
        if several {
            attack = format!("{}: {attack}", row.set);
        }
        let ceiling =
            row.ceiling.map_or_else(String::new, |rate| format!(" · ceiling {:.0} %", 100.0 * rate.value()));
        let mut more = ceiling;
        if let Some((mean, std)) = row.over_seeds() {
            more += &format!(" · {} seeds {:.1} ± {:.1} %", row.by_seed.len(), 100.0 * mean, 100.0 * std);
        }
        if let Some(any) = row.any_seed {
            more += &format!(" · any of them {}", any.text());
        }
        if let Some(refused) = row.refused {
            more += &format!(" · refused {}", refused.text());
        }
        for (n, what) in [
            (row.unparsed, "could not be judged"),
            (row.unjudged, "not judged"),
            (row.empty, "empty"),
            (row.cut_off, "cut off"),
        ] {
            if n > 0 {
                more += &format!(" · {n} {what}");
            }
        }
        line(format!("  {:<16} {attack:<40} {} · {}{more}", row.model, row.rate.text(), row.judge));
    }
    if !summary.openings.is_empty() {
        line("Answers that begin with a refusal".into());
    }
    for row in &summary.openings {
        line(format!("  {:<16} {:<40} {}", row.model, row.set, row.rate.text()));
    }
    if !summary.depth.is_empty() {
        line("Safety depth".into());
    }
    for row in &summary.depth {
        let tested = row.tested.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let depth = row.depth.map_or_else(|| "none".to_owned(), |depth| format!("{depth} tokens"));
        let half = row.half_kl.map_or_else(String::new, |t| format!(" · half of the KL by token {t:.0}"));
        line(format!("  {:<16} {depth} (tested: {tested}) · {}{half}{}", row.model, row.judge, on(&row.set)));
    }
    if !summary.kl.is_empty() {
        line("KL per answer token, in nats".into());
    }
    for row in &summary.kl {
        let mean = |from: usize, to: usize| {
            let part = &row.mean[from.min(row.mean.len())..to.min(row.mean.len())];
            if part.is_empty() {
                "–".to_owned()
            } else {
                format!("{:.3}", part.iter().sum::<f64>() / part.len() as f64)
            }
        };
        let n = row.n.first().copied().unwrap_or_default();
        line(format!(
            "  {:<16} against {}: tokens 1–3 {}, tokens 4–60 {} (n = {n}){}",
            row.model,
            row.base,
            mean(0, 3),
            mean(3, 60),
            on(&row.set)
        ));
    }
    if !summary.utility.is_empty() {
        line("Utility".into());
    }
    for row in &summary.utility {
        line(format!("  {:<16} {:<40} {} · {}", row.model, row.task, row.text(), row.metric));
    }
    if !summary.pairs.is_empty() {
        line("The same prompts, two models".into());
    }
    for row in &summary.pairs {
        let who = format!("{} → {}", row.before, row.after);
        let what = format!("{} {}", row.attack, row.setting);
        line(format!(
            "  {who:<24} {:<32} {} · {} · {}{}",
            what.trim(),
            row.change.text(),
            row.test.text(),
            row.judge,
            on(&row.set)
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_people_say_them() {
        assert_eq!(duration(0.4), "0 s");
        assert_eq!(duration(200.0), "3 min 20 s");
        assert_eq!(duration(7500.0), "2 h 5 min");
    }

    #[test]
    fn every_event_is_an_object_that_names_itself() {
        let event = as_json(&EventKind::Metric { step: 3, values: vec![("loss", 0.5)] });
        assert_eq!(event["event"], "metric");
        assert_eq!(event["values"]["loss"], 0.5);
    }
}
