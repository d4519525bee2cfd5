//! The report: chosen evaluations of a project as one page that needs nothing else. It holds numbers and names, never a
//! prompt or an answer, so that it can be handed on.

use super::escape::escape;
use super::svg::svg;
use super::{
    Chart, ReportError, Table, depth_table, kl_chart, pairs_table, prefill_charts, rates_table,
    temperature_charts, unwritable, utility_table, writable,
};
use crate::evaluate::Summary;
use crate::files;
use crate::project::{EvaluationInfo, Manifest, ModelEntry, ModelRole, Project, RunInfo};
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;
use std::path::Path;

/// A part of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Section {
    /// The models, and which came from which.
    Models,
    /// The safety depths.
    Depth,
    /// The chart of prefilling.
    Prefill,
    /// The chart of sampling temperatures.
    Temperature,
    /// The chart of KL by token.
    Kl,
    /// Every rate with its count, interval and judge.
    Rates,
    /// How useful the models are.
    Utility,
    /// Each two models on the same prompts.
    Pairs,
    /// What everything was computed with.
    Provenance,
}

/// How many tables and charts a section has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    /// Tables.
    pub tables: usize,
    /// Charts.
    pub charts: usize,
}

impl Section {
    /// Every section, in the order of the page.
    pub const ALL: [Self; 9] = [
        Self::Models,
        Self::Depth,
        Self::Prefill,
        Self::Temperature,
        Self::Kl,
        Self::Rates,
        Self::Utility,
        Self::Pairs,
        Self::Provenance,
    ];

    /// The section's heading.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Models => "Models",
            Self::Depth => "Safety depth",
            Self::Prefill => "Prefilling attack",
            Self::Temperature => "Sampling temperature",
            Self::Kl => "KL by token",
            Self::Rates => "Every rate",
            Self::Utility => "Utility",
            Self::Pairs => "Models compared",
            Self::Provenance => "Provenance",
        }
    }

    /// What the section holds, given what the chosen evaluations found.
    #[must_use]
    pub fn parts<'a>(self, summaries: impl IntoIterator<Item = &'a Summary>) -> Parts {
        if matches!(self, Self::Models | Self::Provenance) {
            return Parts { tables: 1, charts: 0 };
        }
        let mut parts = Parts::default();
        for summary in summaries {
            parts.charts += self.charts(summary, &|_| ModelRole::Other).len();
            parts.tables += usize::from(self.table(summary).is_some());
        }
        parts
    }

    /// Its charts of one evaluation.
    fn charts(self, summary: &Summary, roles: &dyn Fn(&str) -> ModelRole) -> Vec<Chart<'static>> {
        match self {
            Self::Prefill => prefill_charts(summary, roles),
            Self::Temperature => temperature_charts(summary, roles),
            Self::Kl => kl_chart(summary, roles).into_iter().collect(),
            _ => Vec::new(),
        }
    }

    /// Its table of one evaluation, if it has rows.
    fn table(self, summary: &Summary) -> Option<Table> {
        let table = match self {
            Self::Depth => depth_table(summary),
            Self::Rates => rates_table(summary),
            Self::Utility => utility_table(summary),
            Self::Pairs => pairs_table(summary),
            _ => return None,
        };
        (!table.rows.is_empty()).then_some(table)
    }
}

/// What a report holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReportSpec {
    /// Its title.
    pub title: String,
    /// Ids of the evaluations, in the order in which they come.
    pub evaluations: Vec<String>,
    /// Its sections; they come in the order of [`Section::ALL`].
    pub sections: Vec<Section>,
}

/// Longer words may be broken anywhere in a table.
const LONG_WORD: usize = 20;

const STYLE: &str = "\
:root{color-scheme:light}body{font:15px/1.5 Inter,system-ui,sans-serif;color:#1b1c1f;background:#fff;max-width:860px;margin:40px auto;padding:0 24px}\
h1{font-size:28px;line-height:1.2;margin:0 0 4px}h2{font-size:20px;margin:40px 0 8px;border-bottom:1px solid #e0e0db;padding-bottom:4px}\
h3{font-size:14px;margin:20px 0 6px;overflow-wrap:anywhere}p{margin:6px 0 12px}.quiet{color:#62656b;font-size:13px;overflow-wrap:anywhere}\
table{border-collapse:collapse;width:100%;font-size:13px;margin:8px 0}th,td{text-align:left;vertical-align:top;padding:5px 10px 5px 0;border-bottom:1px solid #e8e8e4;overflow-wrap:break-word}.long{overflow-wrap:anywhere}\
th{color:#62656b;font-weight:600}td{font-variant-numeric:tabular-nums}figure{margin:12px 0 20px}svg{max-width:100%;height:auto;border:1px solid #e0e0db;border-radius:6px}\
@media print{body{margin:0;max-width:none;padding:0;font-size:11pt}h2,h3{break-after:avoid}figure,tr{break-inside:avoid}thead{display:table-header-group}}";

/// The report as one HTML file. It loads nothing and runs nothing.
pub fn page(project: &Project, spec: &ReportSpec) -> Result<String, ReportError> {
    if spec.evaluations.is_empty() || spec.sections.is_empty() {
        return Err(ReportError::Empty);
    }
    let mut evaluations = Vec::new();
    for id in &spec.evaluations {
        let info = project.evaluation(id)?;
        let Some(summary) = info.summary.clone() else {
            return Err(ReportError::Unfinished { id: id.clone() });
        };
        evaluations.push((info, summary));
    }
    let title = if spec.title.trim().is_empty() { project.title() } else { spec.title.trim() };
    let mut out = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>{0}</title>\
         <style>{STYLE}</style></head>\n<body><h1>{0}</h1>\n<p class=\"quiet\">{1}</p>\n",
        escape(title),
        escape(&format!(
            "Project: {} · written by Plumbline {} on {}",
            project.title(),
            env!("CARGO_PKG_VERSION"),
            jiff::Zoned::now().strftime("%Y-%m-%d %H:%M"),
        )),
    );
    let models = models_of(project, &evaluations);
    for section in Section::ALL.into_iter().filter(|section| spec.sections.contains(section)) {
        let _ = writeln!(out, "<section><h2>{}</h2>", escape(section.label()));
        match section {
            Section::Models => lineage(&mut out, &models),
            Section::Provenance => provenance(&mut out, project, &evaluations, &models),
            _ => {
                if section.parts(evaluations.iter().map(|(_, summary)| summary)) == Parts::default() {
                    out.push_str("<p>Not measured in the chosen evaluations.</p>\n");
                }
                for (info, summary) in &evaluations {
                    results(&mut out, project, section, info, summary);
                }
            }
        }
        out.push_str("</section>\n");
    }
    out.push_str("</body></html>\n");
    Ok(out)
}

/// Writes the report to `path`, which ends in `.html`. A file of this name is replaced.
pub fn write_report(project: &Project, spec: &ReportSpec, path: &Path) -> Result<(), ReportError> {
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
    if !matches!(ending.as_deref(), Some("html" | "htm")) {
        return Err(ReportError::NotAPage { path: path.to_owned() });
    }
    let inside = std::path::absolute(path).is_ok_and(|path| path.starts_with(project.root()));
    if inside {
        writable(project)?;
    }
    let text = page(project, spec)?;
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|e| unwritable(folder, &e))?;
    }
    files::write_atomic(path, text.as_bytes()).map_err(|e| unwritable(path, &e))
}

/// The models of the evaluations and all that they were made from, in the project's order.
fn models_of(project: &Project, evaluations: &[(EvaluationInfo, Summary)]) -> Vec<ModelEntry> {
    let mut waiting: Vec<String> = evaluations
        .iter()
        .flat_map(|(info, _)| info.spec.models.iter().chain(info.spec.base.iter()).cloned())
        .collect();
    let mut ids: Vec<String> = Vec::new();
    while let Some(id) = waiting.pop() {
        // A model that is its own ancestor by a slip in project.toml is listed once.
        if ids.contains(&id) {
            continue;
        }
        waiting.extend(project.model(&id).and_then(|model| model.parent.clone()));
        ids.push(id);
    }
    let known = project.models().iter().filter(|model| ids.contains(&model.id)).cloned();
    known.collect()
}

fn lineage(out: &mut String, models: &[ModelEntry]) {
    let rows = models.iter().map(|model| {
        let parent = model.parent.clone().unwrap_or_else(|| "—".into());
        vec![model.id.clone(), model.role.label().to_owned(), parent, model.note.clone()]
    });
    table(out, &["Model", "Role", "Made from", "Note"], rows.collect(), "");
    source(out, "project.toml");
}

fn results(out: &mut String, project: &Project, section: Section, info: &EvaluationInfo, summary: &Summary) {
    let roles = |id: &str| project.model(id).map_or(ModelRole::Other, |model| model.role);
    let charts = section.charts(summary, &roles);
    let found = section.table(summary);
    if charts.is_empty() && found.is_none() {
        return;
    }
    for chart in &charts {
        figure(out, chart);
    }
    if let Some(found) = found {
        let rows = found.rows.into_iter().map(|row| row.cells.to_vec()).collect();
        table(out, &found.columns, rows, found.remark);
    }
    source(out, &format!("evaluations/{}", info.id));
}

fn provenance(
    out: &mut String,
    project: &Project,
    evaluations: &[(EvaluationInfo, Summary)],
    models: &[ModelEntry],
) {
    let made = |run: &RunInfo| {
        models.iter().any(|model| {
            model.id == run.spec.name
                || project.model_folder(&model.id).is_ok_and(|folder| folder.starts_with(&run.folder))
        })
    };
    let row = |place: &str, id: &str, manifest: &Manifest| {
        vec![
            format!("{place}/{id}"),
            to_the_second(&manifest.started),
            manifest.ended.clone(),
            manifest.seed.to_string(),
            manifest.plumbline.clone(),
            manifest.threads.to_string(),
            manifest.device.clone(),
        ]
    };
    let mut rows: Vec<Vec<String>> =
        evaluations.iter().map(|(info, _)| row("evaluations", &info.id, &info.manifest)).collect();
    rows.extend(project.runs().iter().filter(|run| made(run)).map(|run| row("runs", &run.id, &run.manifest)));
    table(
        out,
        &["Run or evaluation", "When", "Ended", "Seed", "Plumbline", "Threads", "Device"],
        rows,
        "The evaluations of this report, and the training runs that made their models.",
    );
    source(out, "manifest.json in each folder");
}

fn figure(out: &mut String, chart: &Chart<'_>) {
    let _ = writeln!(
        out,
        "<figure>{}<figcaption><p>{}</p></figcaption></figure>",
        svg(chart),
        escape(&chart.meaning)
    );
}

fn table(out: &mut String, head: &[&str], rows: Vec<Vec<String>>, remark: &str) {
    if !remark.is_empty() {
        let _ = writeln!(out, "<p class=\"quiet\">{}</p>", escape(remark));
    }
    out.push_str("<table><thead><tr>");
    for name in head {
        let _ = write!(out, "<th scope=\"col\">{}</th>", escape(name));
    }
    out.push_str("</tr></thead><tbody>\n");
    for row in rows {
        out.push_str("<tr>");
        for cell in row {
            // A hash or a long name may be broken anywhere, so that its column leaves room for the others; words are kept.
            let long = cell.split_whitespace().any(|word| word.chars().count() > LONG_WORD);
            let class = if long { " class=\"long\"" } else { "" };
            let _ = write!(out, "<td{class}>{}</td>", escape(&cell));
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody></table>\n");
}

/// A manifest's time without its fractions, which say nothing to a reader.
fn to_the_second(time: &str) -> String {
    let parsed: Result<jiff::Timestamp, _> = time.parse();
    parsed.map_or_else(|_| time.to_owned(), |at| at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string())
}

/// Where the numbers above come from.
fn source(out: &mut String, place: &str) {
    let _ = writeln!(out, "<p class=\"quiet\">From {}</p>", escape(place));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::{EvaluateSpec, KlRow, RateRow};
    use crate::stats::Rate;

    fn rate(attack: &str, setting: &str, depth: Option<usize>, count: usize) -> RateRow {
        RateRow {
            set: "held-out".into(),
            attack: attack.into(),
            setting: setting.into(),
            depth,
            judge: "toy".into(),
            rate: Rate::wilson(count, 40),
            ..crate::report::grid::tests::rate("aligned", 0, count)
        }
    }

    /// A project with one evaluation, whose folder has this name.
    fn project(root: &Path, id: &str) -> Project {
        let mut project = Project::create(root, "A <script>title</script>").unwrap();
        let folder = root.join("models/aligned");
        std::fs::create_dir_all(&folder).unwrap();
        project
            .add_model(ModelEntry {
                id: "aligned".into(),
                role: ModelRole::Aligned,
                location: folder,
                parent: Some("base".into()),
                note: "<script>note".into(),
                ..ModelEntry::default()
            })
            .unwrap();
        let folder = root.join("evaluations").join(id);
        std::fs::create_dir_all(&folder).unwrap();
        let spec = EvaluateSpec { models: vec!["aligned".into()], ..EvaluateSpec::default() };
        std::fs::write(folder.join("spec.toml"), toml::to_string(&spec).unwrap()).unwrap();
        Manifest { device: "one CPU".into(), ..Manifest::begin("evaluate", 4711, 8) }.save(&folder).unwrap();
        let summary = Summary {
            rates: vec![
                rate("prefill", "k=1", Some(1), 3),
                rate("prefill", "k=5", Some(5), 17),
                rate("decoding", "T=0.3", None, 11),
                rate("decoding", crate::evaluate::ANY_SETTING, None, 23),
            ],
            kl: vec![KlRow {
                model: "aligned".into(),
                base: "base".into(),
                set: "held-out".into(),
                mean: vec![2.0, 0.5],
                std: vec![0.4, 0.2],
                n: vec![40, 40],
            }],
            ..Summary::default()
        };
        std::fs::write(folder.join("summary.json"), serde_json::to_vec(&summary).unwrap()).unwrap();
        project
    }

    fn spec(id: &str) -> ReportSpec {
        ReportSpec {
            title: "<script>alert(1)</script>".into(),
            evaluations: vec![id.into()],
            sections: Section::ALL.to_vec(),
        }
    }

    #[test]
    fn the_page_holds_every_rate_and_nothing_that_runs() {
        let folder = tempfile::tempdir().unwrap();
        let id = "2026-11-25T10-00-00-evaluate";
        let project = project(folder.path(), id);
        let text = page(&project, &spec(id)).unwrap();
        for count in [3, 17, 23] {
            assert!(text.contains(&escape(&Rate::wilson(count, 40).text())), "{count}");
        }
        assert!(
            !text.contains(&escape(&Rate::wilson(11, 40).text())),
            "one way of sampling stands in the table"
        );
        assert!(text.contains("content=\"default-src 'none'; style-src 'unsafe-inline'\""));
        assert!(!text.contains("<script") && text.contains("&lt;script&gt;alert(1)"), "{text}");
        for part in ["4711", "one CPU", "evaluations/2026-11-25T10-00-00-evaluate", "&lt;script&gt;note"] {
            assert!(text.contains(part), "{part}");
        }
        assert_eq!(text.matches("<svg ").count(), 2);
        assert!(text.contains(&escape(super::super::charts::KL_MEANING)), "the chart's meaning is missing");
        assert!(text.contains("Not measured in the chosen evaluations."));
    }

    #[test]
    fn a_report_replaces_no_file_of_the_project_and_is_not_empty() {
        let folder = tempfile::tempdir().unwrap();
        let project = project(folder.path(), "one");
        let to_project = write_report(&project, &spec("one"), &folder.path().join("project.toml"));
        assert!(matches!(to_project, Err(ReportError::NotAPage { .. })));
        assert!(matches!(page(&project, &ReportSpec::default()), Err(ReportError::Empty)));
        assert!(matches!(page(&project, &spec("../one")), Err(ReportError::Project(_))));
        let path = folder.path().join("reports/report.html");
        write_report(&project, &spec("one"), &path).unwrap();
        assert!(std::fs::read_to_string(path).unwrap().ends_with("</html>\n"));
    }

    #[test]
    fn sections_say_what_they_hold() {
        let summary = Summary { rates: vec![rate("prefill", "k=1", Some(1), 3)], ..Summary::default() };
        assert_eq!(Section::Prefill.parts([&summary]), Parts { tables: 0, charts: 1 });
        assert_eq!(Section::Rates.parts([&summary]), Parts { tables: 1, charts: 0 });
        assert_eq!(Section::Kl.parts([&summary]), Parts::default());
        assert_eq!(Section::Models.parts([]), Parts { tables: 1, charts: 0 });
    }
}
