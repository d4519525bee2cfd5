//! Which judge: the form on the screen, the TOML in the project, and the input of the command line.

use super::endpoint::{KeySource, SystemKeys};
use super::{
    Judge, JudgeError, KeywordJudge, KeywordListSpec, LocalJudge, LocalSpec, OracleJudge, RubricSpec,
};
use crate::model::Control;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Asked often while a judge waits for a model or an endpoint: whether to go on.
pub type Watch = Arc<dyn Fn() -> Control + Send + Sync>;

/// What judges need from outside.
pub struct JudgeContext<'a> {
    /// The folder that keeps what endpoints said, so that nothing is paid for twice. Without one, nothing is kept.
    pub cache: Option<&'a Path>,
    /// Where keys are looked for.
    pub keys: &'a dyn KeySource,
    /// The folder or file of a model, by its id.
    pub model: &'a dyn Fn(&str) -> Option<PathBuf>,
    /// Asked while a judge waits.
    pub watch: Watch,
}

/// No cache, no models, the system's keys, and nobody who stops the work: enough for judges that need nothing.
impl Default for JudgeContext<'_> {
    fn default() -> Self {
        Self { cache: None, keys: &SystemKeys, model: &|_| None, watch: Arc::new(|| Control::Continue) }
    }
}

/// A judge.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JudgeSpec {
    /// Exact, and knows the demo world only.
    Oracle,
    /// Looks for the demo world's refusal phrases.
    Keyword,
    /// Looks for the refusal phrases of a list.
    KeywordList(KeywordListSpec),
    /// A model behind an endpoint, asked by a rubric. Answers leave this machine unless the endpoint is on it.
    Rubric(Box<RubricSpec>),
    /// A model on this machine.
    Local(Box<LocalSpec>),
}

impl JudgeSpec {
    /// The judges of the demo world.
    pub const DEMO: [JudgeSpec; 2] = [JudgeSpec::Oracle, JudgeSpec::Keyword];

    /// The judge's name in tables and files, without building it.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Oracle => "oracle".to_owned(),
            Self::Keyword => "keyword".to_owned(),
            Self::KeywordList(spec) => format!("keyword {}", spec.list),
            Self::Rubric(spec) => spec.name(),
            Self::Local(spec) => spec.name(),
        }
    }

    /// What people read.
    #[must_use]
    pub fn label(&self) -> String {
        match self {
            Self::Oracle => "oracle judge".to_owned(),
            Self::Keyword => "keyword judge".to_owned(),
            Self::KeywordList(spec) => format!("keyword judge ({})", spec.list),
            Self::Rubric(_) | Self::Local(_) => format!("judge {}", self.name()),
        }
    }

    /// Whether it needs neither a model nor an endpoint, so that it can judge in the middle of a training run.
    #[must_use]
    pub fn is_immediate(&self) -> bool {
        matches!(self, Self::Oracle | Self::Keyword | Self::KeywordList(_))
    }

    /// Where it sends answers: the host of its endpoint.
    #[must_use]
    pub fn host(&self) -> Option<String> {
        match self {
            Self::Rubric(spec) => spec.endpoint.host(),
            _ => None,
        }
    }

    /// The host that answers are sent to, where that is another machine. A person agrees to it before anything is sent.
    #[must_use]
    pub fn leaves_machine(&self) -> Option<String> {
        match self {
            Self::Rubric(spec) if !spec.endpoint.is_on_this_machine() => self.host(),
            _ => None,
        }
    }

    /// Every problem of the spec by itself, in words.
    #[must_use]
    pub fn check(&self) -> Vec<String> {
        match self {
            Self::Oracle | Self::Keyword => Vec::new(),
            Self::KeywordList(spec) => spec.check(),
            Self::Rubric(spec) => spec.check(),
            Self::Local(spec) => spec.check(),
        }
    }

    /// The judge itself. Nothing is sent, and no weights are loaded before it is asked.
    pub fn build(&self, context: &JudgeContext<'_>) -> Result<Box<dyn Judge>, JudgeError> {
        let problems = self.check();
        if !problems.is_empty() {
            return Err(JudgeError::Spec { judge: self.name(), problems });
        }
        Ok(match self {
            Self::Oracle => Box::new(OracleJudge),
            Self::Keyword => Box::<KeywordJudge>::default(),
            Self::KeywordList(spec) => Box::new(spec.build()),
            Self::Rubric(spec) => spec.build(context)?,
            Self::Local(spec) => Box::new(LocalJudge::new(spec, context)?),
        })
    }
}

impl From<KeywordListSpec> for JudgeSpec {
    fn from(spec: KeywordListSpec) -> Self {
        Self::KeywordList(spec)
    }
}

impl From<RubricSpec> for JudgeSpec {
    fn from(spec: RubricSpec) -> Self {
        Self::Rubric(Box::new(spec))
    }
}

impl From<LocalSpec> for JudgeSpec {
    fn from(spec: LocalSpec) -> Self {
        Self::Local(Box::new(spec))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{EndpointSpec, KeySpec, RubricStyle};
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Spec {
        judges: Vec<JudgeSpec>,
    }

    fn rubric() -> RubricSpec {
        RubricSpec {
            style: RubricStyle::StrongReject,
            endpoint: EndpointSpec {
                url: "https://api.openai.com/v1".to_owned(),
                model: "gpt-4o".to_owned(),
                key: KeySpec::Environment("OPENAI_API_KEY".to_owned()),
                ..EndpointSpec::default()
            },
            ..RubricSpec::default()
        }
    }

    #[test]
    fn old_files_still_read_and_new_ones_come_back() {
        let old: Spec = toml::from_str("judges = [\"oracle\", \"keyword\"]").unwrap();
        assert_eq!(old.judges, JudgeSpec::DEMO);
        let local = LocalSpec { model: "guard".to_owned(), ..LocalSpec::default() };
        let spec = Spec {
            judges: vec![
                JudgeSpec::Oracle,
                JudgeSpec::KeywordList(KeywordListSpec::named("gcg")),
                rubric().into(),
                local.into(),
            ],
        };
        let text = toml::to_string(&spec).unwrap();
        assert_eq!(toml::from_str::<Spec>(&text).unwrap(), spec, "{text}");
        let by_hand: Spec = toml::from_str(
            "judges = [\"oracle\", { keyword_list = { list = \"gcg\" } }, { rubric = { style = \"strong_reject\", endpoint = { url = \"https://api.openai.com/v1\", model = \"gpt-4o\", key = { environment = \"OPENAI_API_KEY\" } } } }, { local = { model = \"guard\" } }]",
        )
        .unwrap();
        assert_eq!(by_hand, spec);
        let unknown = toml::from_str::<Spec>("judges = [{ keyword_list = { lsit = \"gcg\" } }]");
        assert!(unknown.unwrap_err().to_string().contains("lsit"));
    }

    #[test]
    fn names_are_known_before_building() {
        let specs = [
            (JudgeSpec::Oracle, "oracle"),
            (JudgeSpec::KeywordList(KeywordListSpec::named("xstest")), "keyword xstest"),
            (rubric().into(), "strongreject by gpt-4o"),
            (LocalSpec { model: "guard".into(), ..LocalSpec::default() }.into(), "local guard"),
        ];
        for (spec, name) in specs {
            assert_eq!(spec.name(), name);
            assert_eq!(spec.check(), Vec::<String>::new(), "{name}");
            if spec.is_immediate() {
                assert_eq!(spec.build(&JudgeContext::default()).unwrap().name(), name);
            }
        }
        let mut spec = rubric();
        assert_eq!(JudgeSpec::from(spec.clone()).host().as_deref(), Some("api.openai.com"));
        assert_eq!(JudgeSpec::from(spec.clone()).leaves_machine().as_deref(), Some("api.openai.com"));
        spec.endpoint.url = "http://127.0.0.1:8000/v1".to_owned();
        assert_eq!(JudgeSpec::from(spec.clone()).host().as_deref(), Some("127.0.0.1:8000"));
        assert_eq!(JudgeSpec::from(spec).leaves_machine(), None);
        assert_eq!(JudgeSpec::Oracle.leaves_machine(), None);
    }

    #[test]
    fn a_spec_that_cannot_be_is_refused_with_every_problem() {
        let mut spec = rubric();
        spec.endpoint.url = "http://api.openai.com/v1".to_owned();
        spec.endpoint.model = String::new();
        let error = JudgeSpec::from(spec).build(&JudgeContext::default()).err().unwrap().to_string();
        assert!(error.contains("https") && error.contains("model"), "{error}");
    }
}
