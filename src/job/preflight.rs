//! What can be said of a training run before it begins: each matter with a light, a sentence, and what to do. Whatever
//! stops a run here stops it as well when it is started: both ask the same checks.

use super::memory_check::memory_of;
use super::train_job::{findings, refuse_what_cannot_run, training_data};
use super::{JobError, sentence};
use crate::model::{self, Config, Work, device, readable_size};
use crate::project::{ModelRole, Project, ProjectError};
use crate::text::Codec;
use crate::train::{Recipe, TrainSpec, TrainingData};
use std::path::Path;

/// How a matter stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Light {
    /// Nothing is wrong.
    Good,
    /// The run can begin, but somebody should know.
    Attention,
    /// The run cannot begin.
    Blocks,
}

/// What is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// The settings by themselves, and whether the project has what they name.
    Settings,
    /// Whether the model is one to start from.
    Start,
    /// Whether the model's chat template can write the rows.
    Template,
    /// Whether the rows fit.
    Lengths,
    /// Whether every row has something to learn.
    Answers,
    /// What else is wrong with the rows.
    Rows,
    /// Memory.
    Memory,
    /// Room on the disk.
    Disk,
}

impl Subject {
    /// What people call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Settings => "Settings",
            Self::Start => "Model to start from",
            Self::Template => "Chat template",
            Self::Lengths => "Lengths",
            Self::Answers => "Answers",
            Self::Rows => "Examples",
            Self::Memory => "Memory",
            Self::Disk => "Disk",
        }
    }
}

/// What was found about one matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// The matter.
    pub subject: Subject,
    /// How it stands.
    pub light: Light,
    /// What was found, and what to do where something is wrong.
    pub message: String,
}

fn check(subject: Subject, light: Light, message: impl Into<String>) -> Check {
    Check { subject, light, message: message.into() }
}

/// Looks at everything that a run with these settings needs. Reads the data; does not load the weights.
#[must_use]
pub fn preflight(project: &Project, spec: &TrainSpec) -> Vec<Check> {
    let mut checks = settings(project, spec);
    if checks.iter().any(|check| check.light == Light::Blocks) {
        return checks;
    }
    checks.push(start(project, spec));
    if let Err(e) = with_data(project, spec, &mut checks) {
        let subject = match &e {
            JobError::Example { .. } => Subject::Template,
            JobError::Project(ProjectError::Model { .. }) => Subject::Start,
            _ => Subject::Rows,
        };
        checks.push(check(subject, Light::Blocks, sentence(&e.to_string())));
    }
    checks
}

fn settings(project: &Project, spec: &TrainSpec) -> Vec<Check> {
    let blocks = |message: &str| check(Subject::Settings, Light::Blocks, sentence(message));
    match refuse_what_cannot_run(project, spec) {
        Ok(()) if project.model(&spec.name).is_some() => {
            vec![blocks(&format!("There is a model named {} already. Choose another name.", spec.name))]
        }
        Ok(()) => vec![check(Subject::Settings, Light::Good, "They are complete and fit together.")],
        Err(JobError::Spec(problems)) => problems.iter().map(|(_, message)| blocks(message)).collect(),
        Err(other) => vec![blocks(&other.to_string())],
    }
}

/// Whether the role of the model fits what is wanted.
fn start(project: &Project, spec: &TrainSpec) -> Check {
    let role = project.model(&spec.model).map_or(ModelRole::Other, |model| model.role);
    let id = &spec.model;
    let (light, message) = match (role, spec.recipe) {
        (ModelRole::Base, Recipe::Recovery) => (
            Light::Attention,
            format!(
                "{id} is a base model: it was never taught to refuse, so there is no safety that could become deeper. Start from an aligned model."
            ),
        ),
        (ModelRole::Base, _) if spec.attack.is_some() => (
            Light::Attention,
            format!("{id} is a base model: it has no safety that could break. Start from an aligned model."),
        ),
        (ModelRole::Base, Recipe::Constrained) => (
            Light::Attention,
            format!(
                "{id} is a base model: holding its first tokens keeps no safety, because it has none. Start from an aligned model."
            ),
        ),
        (ModelRole::Attacked, _) if spec.attack.is_none() => (
            Light::Attention,
            format!(
                "{id} is a model whose safety was attacked. Start from the one it was made of, unless you mean it."
            ),
        ),
        _ => (Light::Good, format!("{id} is {} model.", article(role))),
    };
    check(Subject::Start, light, message)
}

fn article(role: ModelRole) -> String {
    match role {
        ModelRole::Other => "a".to_owned(),
        ModelRole::Aligned | ModelRole::Attacked => format!("an {}", role.label()),
        _ => format!("a {}", role.label()),
    }
}

fn with_data(project: &Project, spec: &TrainSpec, checks: &mut Vec<Check>) -> Result<(), JobError> {
    let folder = project.model_folder(&spec.model)?;
    let of_model = |source| ProjectError::Model { id: spec.model.clone(), source };
    let codec = model::codec(&folder).map_err(of_model)?;
    let base = model::base_folder(&folder).map_err(of_model)?;
    let config = Config::from_folder(&base).map_err(of_model)?;
    let data = training_data(project, spec, &codec)?;
    checks.push(check(
        Subject::Template,
        Light::Good,
        format!("The chat template of {} writes every example.", spec.model),
    ));
    rows(project, spec, (&codec, &config), &data, checks)?;
    checks.push(memory(spec, &config, &data.lengths(&codec, spec)?));
    checks.push(disk(spec, &config, project.root()));
    Ok(())
}

/// Lengths, empty answers, and what else is wrong with the rows.
fn rows(
    project: &Project,
    spec: &TrainSpec,
    (codec, config): (&Codec, &Config),
    data: &TrainingData,
    checks: &mut Vec<Check>,
) -> Result<(), JobError> {
    let fit = data.fit(codec, spec)?;
    let (light, message) = if fit.rows == 0 {
        (Light::Blocks, "The data set has no rows. Add examples to it, or choose another one.".to_owned())
    } else if spec.max_tokens.min(fit.longest) > config.max_position_embeddings {
        (
            Light::Attention,
            format!(
                "Rows of up to {} tokens are longer than the {} that {} was made for. Lower the longest row under \
                 Advanced.",
                spec.max_tokens.min(fit.longest),
                config.max_position_embeddings,
                spec.model
            ),
        )
    } else if fit.too_long > 0 {
        (
            Light::Attention,
            format!(
                "{} of {} rows can be longer than {} tokens and lose their ends; the longest has {}. Allow longer rows \
                 under Advanced, or shorten them.",
                fit.too_long, fit.rows, spec.max_tokens, fit.longest
            ),
        )
    } else {
        (
            Light::Good,
            format!(
                "All {} rows fit: the longest has {} of {} tokens.",
                fit.rows, fit.longest, spec.max_tokens
            ),
        )
    };
    checks.push(check(Subject::Lengths, light, message));
    let (light, message) = match fit.untrained {
        0 => (Light::Good, "Every row has an answer to learn.".to_owned()),
        n if n == fit.rows => (
            Light::Blocks,
            "No row has an answer to learn: all are empty or lie behind the cut. Write answers, or allow longer rows."
                .to_owned(),
        ),
        n => (
            Light::Attention,
            format!(
                "{n} of {} rows have no answer to learn: it is empty or lies behind the cut. Write one, or delete the \
                 row.",
                fit.rows
            ),
        ),
    };
    checks.push(check(Subject::Answers, light, message));
    let found: Vec<_> = findings(project, spec, codec)?
        .into_iter()
        .flat_map(|(set, findings)| findings.into_iter().map(move |finding| (set.clone(), finding)))
        .collect();
    let worst = found.iter().find(|(_, finding)| finding.blocks).or(found.first());
    checks.push(match worst {
        None => check(
            Subject::Rows,
            Light::Good,
            "None repeats another, and none is asked where models are measured.",
        ),
        Some((set, first)) => {
            let light = if first.blocks { Light::Blocks } else { Light::Attention };
            let others = match found.len() - 1 {
                0 => String::new(),
                1 => " There is one more remark.".to_owned(),
                n => format!(" There are {n} more remarks; the run's log lists them."),
            };
            check(
                Subject::Rows,
                light,
                format!("{set}, row {} ({}): {}{others}", first.row, first.id, first.message),
            )
        }
    });
    Ok(())
}

fn memory(spec: &TrainSpec, config: &Config, lengths: &[usize]) -> Check {
    let device = device::pick();
    if !device.is_cpu() {
        let message = format!(
            "The model will be trained on {}; how much of its memory a run takes is not known beforehand.",
            device::name(&device)
        );
        return check(Subject::Memory, Light::Attention, message);
    }
    match memory_of(config, spec, lengths) {
        Some(Ok(message)) => check(Subject::Memory, Light::Good, message),
        Some(Err(message)) => check(Subject::Memory, Light::Blocks, sentence(&message)),
        None => check(
            Subject::Memory,
            Light::Attention,
            "How much memory is free, or needed, cannot be told on this computer.",
        ),
    }
}

/// Checkpoints that are on the disk together at most: the two that stay, and the one that is written.
const CHECKPOINTS: u64 = 3;

/// Bytes that a run writes at most: its model, and checkpoints with what is trained and AdamW's two means of it.
fn written(spec: &TrainSpec, config: &Config) -> Option<u64> {
    let work = spec.lora.as_ref().map_or(Work::TrainAll, |lora| Work::TrainAdapter(lora.config()));
    let trained = model::estimate(config, &work, 1, 8, false).ok()?.optimiser / 2;
    let made = if spec.lora.is_some() { trained } else { 4 * config.parameter_count() as u64 };
    Some(made + CHECKPOINTS * 3 * trained)
}

/// Whether a folder lies on the disk that is mounted there: network drives, for example, are not listed, and would be taken
/// for the disk below them.
#[cfg(unix)]
fn same_disk(folder: &Path, mount_point: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let device = |path: &Path| std::fs::metadata(path).map(|about| about.dev()).ok();
    device(folder).is_some_and(|own| device(mount_point) == Some(own))
}

#[cfg(not(unix))]
fn same_disk(_folder: &Path, _mount_point: &Path) -> bool {
    true
}

/// Bytes that are free where a folder lies; `None` where the system does not say.
fn free_disk(folder: &Path) -> Option<u64> {
    // Windows writes a resolved path in a form of its own, which no mount point begins.
    let folder =
        if cfg!(windows) { std::path::absolute(folder).ok()? } else { folder.canonicalize().ok()? };
    let disks = sysinfo::Disks::new_with_refreshed_list();
    disks
        .iter()
        .filter(|disk| folder.starts_with(disk.mount_point()))
        .max_by_key(|disk| disk.mount_point().components().count())
        .filter(|disk| same_disk(&folder, disk.mount_point()))
        .map(sysinfo::Disk::available_space)
        .filter(|bytes| *bytes > 0)
}

fn disk(spec: &TrainSpec, config: &Config, root: &Path) -> Check {
    let (Some(need), Some(free)) = (written(spec, config), free_disk(root)) else {
        return check(
            Subject::Disk,
            Light::Attention,
            "How much room is free on the project's disk cannot be told on this computer.",
        );
    };
    disk_verdict(need, free)
}

fn disk_verdict(need: u64, free: u64) -> Check {
    let sizes = format!(
        "The model and its checkpoints take up to {}, and {} are free on the project's disk.",
        readable_size(need),
        readable_size(free)
    );
    if need > free {
        check(Subject::Disk, Light::Blocks, format!("{sizes} Free some space, or move the project."))
    } else if need > free / 2 {
        check(Subject::Disk, Light::Attention, format!("{sizes} It will be tight: free some space."))
    } else {
        check(Subject::Disk, Light::Good, sizes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn light(checks: &[Check], subject: Subject) -> Light {
        checks.iter().find(|check| check.subject == subject).unwrap().light
    }

    #[test]
    fn the_demo_is_ready_and_what_is_wrong_gets_its_light() {
        let folder = tempfile::tempdir().unwrap();
        crate::demo::unpack(&folder.path().join("demo")).unwrap();
        let project = Project::look(&folder.path().join("demo")).unwrap();
        let spec = TrainSpec {
            model: "aligned".into(),
            data: "recovery-train".into(),
            anchor: Some("anchor-train".into()),
            name: "deeper".into(),
            ..TrainSpec::preset(Recipe::Recovery)
        };
        let checks = preflight(&project, &spec);
        assert!(checks.iter().all(|check| check.light != Light::Blocks), "{checks:?}");
        let good = [Subject::Settings, Subject::Start, Subject::Template, Subject::Answers, Subject::Memory];
        for subject in good.into_iter().chain([Subject::Lengths, Subject::Disk]) {
            assert_eq!(light(&checks, subject), Light::Good, "{checks:?}");
        }
        assert!(project.read_only(), "looking takes nobody's right to write");

        let from_base = preflight(&project, &TrainSpec { model: "base".into(), ..spec.clone() });
        assert_eq!(light(&from_base, Subject::Start), Light::Attention, "{from_base:?}");
        let short = preflight(&project, &TrainSpec { max_tokens: 12, ..spec.clone() });
        assert_eq!(light(&short, Subject::Lengths), Light::Attention, "{short:?}");
        let taken = preflight(&project, &TrainSpec { name: "base".into(), ..spec.clone() });
        assert_eq!((taken.len(), taken[0].light), (1, Light::Blocks), "{taken:?}");
        let other = preflight(&project, &TrainSpec { data: "anchor-train".into(), ..spec });
        assert!(other[0].light == Light::Blocks && other[0].message.contains("anchor-train"), "{other:?}");
    }

    #[test]
    fn a_full_disk_blocks() {
        assert_eq!(disk_verdict(10, 9).light, Light::Blocks);
        assert_eq!(disk_verdict(10, 15).light, Light::Attention);
        assert_eq!(disk_verdict(10, 100).light, Light::Good);
    }
}
