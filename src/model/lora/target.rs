//! Which modules an adapter changes, and with which rank and scale: the rules by which PEFT reads names and patterns
//! (`check_target_module_exists` and `get_pattern_key` of peft 0.21).

use super::config::LoraConfig;
use fancy_regex::Regex;
use serde::{Deserialize, Serialize};

/// Modules selected by their paths.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ModulePattern {
    /// Whole paths, or ends of paths that follow a dot: `q_proj` selects `model.layers.0.self_attn.q_proj`.
    Names(Vec<String>),
    /// A regular expression that the whole path must match.
    Regex(String),
}

/// The modules that get an adapter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "ModulePattern", into = "ModulePattern")]
pub enum TargetModules {
    /// Every linear layer except the output layer; `"all-linear"` in the file.
    AllLinear,
    /// Those that names or a regular expression select.
    Matching(ModulePattern),
}

/// How the file says [`TargetModules::AllLinear`], in any case.
const ALL_LINEAR: &str = "all-linear";

impl TargetModules {
    /// Modules whose path is, or ends after a dot with, one of `names`.
    pub fn names<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Self {
        Self::Matching(ModulePattern::Names(names.into_iter().map(Into::into).collect()))
    }
}

impl From<ModulePattern> for TargetModules {
    fn from(pattern: ModulePattern) -> Self {
        match pattern {
            ModulePattern::Regex(text) if text.eq_ignore_ascii_case(ALL_LINEAR) => Self::AllLinear,
            pattern => Self::Matching(pattern),
        }
    }
}

impl From<TargetModules> for ModulePattern {
    fn from(targets: TargetModules) -> Self {
        match targets {
            TargetModules::AllLinear => Self::Regex(ALL_LINEAR.to_owned()),
            TargetModules::Matching(pattern) => pattern,
        }
    }
}

/// The settings' patterns, compiled. Errors are sentences without a full stop.
pub(super) struct Rules<'a> {
    config: &'a LoraConfig,
    /// `None`: all linear layers.
    targets: Option<Matcher<'a>>,
    excluded: Option<Matcher<'a>>,
    /// Where in a path the number of the layer stands; the first that matches counts.
    layer: Vec<Regex>,
    ranks: Vec<(Regex, usize)>,
    alphas: Vec<(Regex, f64)>,
}

impl<'a> Rules<'a> {
    pub(super) fn new(config: &'a LoraConfig) -> Result<Self, String> {
        let layer = if config.layers_pattern.is_empty() {
            vec![compile(r"\A.*?\.[^.]*\.(?P<idx>\d+)\.", "layers_pattern")?]
        } else {
            let number = |p: &String| compile(&format!(r"\A(?:|.*?\.){p}\.(?P<idx>\d+)\."), "layers_pattern");
            config.layers_pattern.iter().map(number).collect::<Result<_, _>>()?
        };
        // The groups are PEFT's, so that a pattern's own back references keep their numbers.
        let end = |pattern: &str, key: &str| compile(&format!(r"\A(.*\.)?({pattern})$"), key);
        Ok(Self {
            config,
            targets: match &config.target_modules {
                TargetModules::AllLinear => None,
                TargetModules::Matching(pattern) => Some(Matcher::new(pattern, "target_modules")?),
            },
            excluded: match &config.exclude_modules {
                Some(pattern) if !pattern.is_empty() => Some(Matcher::new(pattern, "exclude_modules")?),
                _ => None,
            },
            layer,
            ranks: config
                .rank_pattern
                .iter()
                .map(|(pattern, rank)| Ok((end(pattern, "rank_pattern")?, *rank)))
                .collect::<Result<_, String>>()?,
            alphas: config
                .alpha_pattern
                .iter()
                .map(|(pattern, alpha)| Ok((end(pattern, "alpha_pattern")?, *alpha)))
                .collect::<Result<_, String>>()?,
        })
    }

    /// Whether the linear layer at `path` gets an adapter.
    pub(super) fn selects(&self, path: &str) -> Result<bool, String> {
        if let Some(excluded) = &self.excluded
            && excluded.matches(path)?
        {
            return Ok(false);
        }
        match &self.targets {
            None => Ok(true),
            Some(Matcher::Regex(regex)) => is_match(regex, path),
            // A path given whole is taken whatever its layer.
            Some(Matcher::Names(names)) if names.iter().any(|name| name == path) => Ok(true),
            Some(names) => Ok(names.matches(path)? && self.layer_is_taken(path)?),
        }
    }

    /// The rank of the adapter at `path`: that of the first pattern that matches, in the order of the file.
    pub(super) fn rank(&self, path: &str) -> Result<usize, String> {
        Ok(first_match(&self.ranks, path)?.unwrap_or(self.config.rank))
    }

    /// What B·A is multiplied by at `path`: α / r, or α / √r with rank stabilisation (Kalajdzievski, 2023).
    pub(super) fn scale(&self, path: &str) -> Result<f64, String> {
        let rank = self.rank(path)? as f64;
        let alpha = first_match(&self.alphas, path)?.unwrap_or(self.config.alpha);
        Ok(alpha / if self.config.use_rslora { rank.sqrt() } else { rank })
    }

    fn layer_is_taken(&self, path: &str) -> Result<bool, String> {
        if self.config.layers_to_transform.is_empty() {
            return Ok(true);
        }
        for regex in &self.layer {
            if let Some(found) = regex.captures(path).map_err(|e| failed(regex, path, &e))? {
                let number = found.name("idx").and_then(|digits| digits.as_str().parse().ok());
                return Ok(number.is_some_and(|layer| self.config.layers_to_transform.contains(&layer)));
            }
        }
        Ok(false)
    }
}

impl ModulePattern {
    fn is_empty(&self) -> bool {
        match self {
            Self::Names(names) => names.is_empty(),
            Self::Regex(text) => text.is_empty(),
        }
    }
}

enum Matcher<'a> {
    Names(&'a [String]),
    Regex(Regex),
}

impl<'a> Matcher<'a> {
    fn new(pattern: &'a ModulePattern, key: &str) -> Result<Self, String> {
        Ok(match pattern {
            ModulePattern::Names(names) => Self::Names(names),
            ModulePattern::Regex(text) => Self::Regex(compile(&format!(r"\A(?:{text})\z"), key)?),
        })
    }

    fn matches(&self, path: &str) -> Result<bool, String> {
        match self {
            Self::Names(names) => Ok(names.iter().any(|name| {
                path.strip_suffix(name.as_str()).is_some_and(|front| front.is_empty() || front.ends_with('.'))
            })),
            Self::Regex(regex) => is_match(regex, path),
        }
    }
}

fn first_match<T: Copy>(patterns: &[(Regex, T)], path: &str) -> Result<Option<T>, String> {
    for (regex, value) in patterns {
        if is_match(regex, path)? {
            return Ok(Some(*value));
        }
    }
    Ok(None)
}

fn compile(pattern: &str, key: &str) -> Result<Regex, String> {
    Regex::new(pattern)
        .map_err(|e| format!("{key} holds a pattern that is not a regular expression ({e}); correct it"))
}

fn is_match(regex: &Regex, path: &str) -> Result<bool, String> {
    regex.is_match(path).map_err(|e| failed(regex, path, &e))
}

/// An expression can ask for more backtracking than the matcher allows.
fn failed(regex: &Regex, path: &str, error: &fancy_regex::Error) -> String {
    format!("the pattern {:?} cannot be matched against {path} ({error}); simplify it", regex.as_str())
}
