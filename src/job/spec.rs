//! What can be asked for.

use super::JobError;
use crate::evaluate::EvaluateSpec;
use crate::generate::GenerateSpec;
use crate::judge::{EndpointSpec, JudgeSpec};
use crate::train::{Recipe, TrainSpec};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// A job that has not begun: what `plumbline run` reads, and what stands in each folder of results.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "job", rename_all = "snake_case")]
pub enum JobSpec {
    /// Train a model.
    Train(TrainSpec),
    /// Evaluate models.
    Evaluate(EvaluateSpec),
    /// Have a model write texts for a data set.
    Generate(GenerateSpec),
    /// Have other judges read the answers of an evaluation.
    Judge(JudgeAgainSpec),
    /// Go on with a training run or an evaluation that was stopped or cut off.
    Resume(ResumeSpec),
}

/// Which answers are judged, and by whom.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JudgeAgainSpec {
    /// Id of the evaluation.
    pub evaluation: String,
    /// The judges.
    #[serde(default)]
    pub judges: Vec<JudgeSpec>,
    /// Who compares answers to pairwise tasks with their references.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preference: Option<EndpointSpec>,
}

/// Which run goes on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResumeSpec {
    /// Id of the run or evaluation.
    pub run: String,
}

impl JobSpec {
    /// Reads a spec file.
    pub fn from_file(file: &Path) -> Result<Self, JobError> {
        let fail = |reason: String| JobError::SpecFile { file: file.to_owned(), reason };
        let text = std::fs::read_to_string(file).map_err(|e| fail(e.to_string()))?;
        let mut table: toml::Table = toml::from_str(&text).map_err(|e| fail(e.to_string()))?;
        let job = table.remove("job");
        let said = |e: toml::de::Error| fail(e.to_string().trim().to_owned());
        match job.as_ref().and_then(toml::Value::as_str) {
            Some("train") => Ok(Self::Train(table.try_into().map_err(said)?)),
            Some("evaluate") => Ok(Self::Evaluate(table.try_into().map_err(said)?)),
            Some("generate") => Ok(Self::Generate(table.try_into().map_err(said)?)),
            Some("judge") => Ok(Self::Judge(table.try_into().map_err(said)?)),
            Some("resume") => Ok(Self::Resume(table.try_into().map_err(said)?)),
            Some(other) => Err(fail(format!("there is no job \"{other}\""))),
            None => Err(fail("it does not say which job it is".into())),
        }
    }

    /// The spec as the text of a spec file.
    pub fn to_toml(&self) -> Result<String, toml::ser::Error> {
        toml::to_string(self)
    }

    /// Every problem of the spec by itself, as (field, message).
    #[must_use]
    pub fn check(&self) -> Vec<(String, String)> {
        match self {
            Self::Train(spec) => {
                spec.check().into_iter().map(|problem| (problem.field.to_owned(), problem.message)).collect()
            }
            Self::Evaluate(spec) => {
                spec.check().into_iter().map(|problem| (problem.field.to_owned(), problem.message)).collect()
            }
            Self::Generate(spec) => {
                let owned = |(field, message): (&str, &str)| (field.to_owned(), message.to_owned());
                spec.check().into_iter().map(owned).collect()
            }
            Self::Judge(spec) => {
                let mut problems = Vec::new();
                if spec.evaluation.is_empty() {
                    problems
                        .push(("evaluation".to_owned(), "Say whose answers are to be judged.".to_owned()));
                }
                if spec.judges.is_empty() && spec.preference.is_none() {
                    problems.push(("judges".to_owned(), "Choose at least one judge.".to_owned()));
                }
                let names: Vec<String> = spec.judges.iter().map(JudgeSpec::name).collect();
                if names.iter().enumerate().any(|(i, name)| names[..i].contains(name)) {
                    problems
                        .push(("judges".to_owned(), "A judge is chosen twice. Name each once.".to_owned()));
                }
                for problem in spec.preference.iter().flat_map(EndpointSpec::check) {
                    problems.push(("preference".to_owned(), problem));
                }
                for problem in spec.judges.iter().flat_map(JudgeSpec::check) {
                    problems.push(("judges".to_owned(), problem));
                }
                problems
            }
            Self::Resume(spec) if spec.run.is_empty() => {
                vec![("run".to_owned(), "Say which run is to go on.".to_owned())]
            }
            Self::Resume(_) => Vec::new(),
        }
    }

    /// What the job is called: its title, or what it does.
    #[must_use]
    pub fn title(&self) -> String {
        match self {
            Self::Train(spec) if !spec.title.is_empty() => spec.title.clone(),
            Self::Evaluate(spec) if !spec.title.is_empty() => spec.title.clone(),
            Self::Train(spec) => format!("Train {}", spec.name),
            Self::Evaluate(spec) => format!("Evaluate {}", spec.models.join(", ")),
            Self::Generate(spec) if !spec.title.is_empty() => spec.title.clone(),
            Self::Generate(spec) => format!("Generate: {} by {}", spec.part.label(), spec.model),
            Self::Judge(spec) => format!("Judge the answers of {}", spec.evaluation),
            Self::Resume(spec) => format!("Go on with {}", spec.run),
        }
    }

    /// The word in the folder's name.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Train(TrainSpec { recipe: Recipe::Recovery, .. }) => "recovery",
            Self::Train(TrainSpec { recipe: Recipe::Constrained, .. }) => "constrained",
            Self::Train(TrainSpec { recipe: Recipe::Sft, .. }) => "sft",
            Self::Evaluate(_) => "evaluate",
            Self::Generate(_) => "generate",
            Self::Judge(_) => "judge",
            Self::Resume(_) => "resume",
        }
    }

    /// What kind of job the manifest of its folder names.
    pub(crate) fn word_of_job(&self) -> &'static str {
        match self {
            Self::Train(_) | Self::Resume(_) => "train",
            Self::Evaluate(_) | Self::Judge(_) => "evaluate",
            Self::Generate(_) => "generate",
        }
    }

    /// Where its folder goes.
    pub(crate) fn group(&self) -> &'static str {
        match self {
            Self::Train(_) | Self::Resume(_) => "runs",
            Self::Evaluate(_) | Self::Judge(_) => "evaluations",
            Self::Generate(_) => "generations",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<JobSpec, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("spec.toml");
        std::fs::write(&path, text).unwrap();
        JobSpec::from_file(&path).map_err(|e| e.to_string())
    }

    #[test]
    fn a_spec_survives_its_file() {
        for recipe in [Recipe::Recovery, Recipe::Constrained, Recipe::Sft] {
            let spec = JobSpec::Train(TrainSpec { max_steps: Some(3), ..TrainSpec::preset(recipe) });
            assert_eq!(read(&spec.to_toml().unwrap()).unwrap(), spec);
        }
        let spec = JobSpec::Evaluate(EvaluateSpec { models: vec!["a".into()], ..EvaluateSpec::default() });
        assert_eq!(read(&spec.to_toml().unwrap()).unwrap(), spec);
    }

    #[test]
    fn what_is_not_given_has_its_default() {
        let spec = read("job = \"evaluate\"\nmodels = [\"aligned\"]\nlimit = 3").unwrap();
        let JobSpec::Evaluate(spec) = spec else { panic!("{spec:?}") };
        assert_eq!((spec.models, spec.limit, spec.batch), (vec!["aligned".to_owned()], Some(3), 32));
    }

    #[test]
    fn what_is_not_a_spec_is_refused_with_its_reason() {
        for (text, expected) in [
            ("models = []", "does not say which job"),
            ("job = \"dance\"", "no job \"dance\""),
            ("job = \"evaluate\"\nmodel = \"a\"", "unknown field `model`"),
            ("job = ", "line 1"),
            ("job = \"train\"\nbatch = \"many\"", "batch"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
            assert!(error.contains("spec.toml is not a job"), "{error}");
        }
    }
}
