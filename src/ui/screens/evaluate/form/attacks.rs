//! The attacks of the form: which are ticked, and their settings as somebody writes them.

use crate::attack::{DecodingGrid, GcgSpec};
use crate::evaluate::AttackSpec;
use crate::ui::terms::Term;
use std::collections::BTreeSet;
use std::str::FromStr;

/// One way of asking for harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Direct,
    Prefill,
    RefusalPrefix,
    Decoding,
    Gcg,
    LaterTurn,
    MultiTurn,
    Rap,
}

impl Kind {
    /// All of them: those of the paper first.
    pub const ALL: [Self; 8] = [
        Self::Direct,
        Self::Prefill,
        Self::RefusalPrefix,
        Self::Decoding,
        Self::Gcg,
        Self::LaterTurn,
        Self::MultiTurn,
        Self::Rap,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Direct => "Plain request",
            Self::Prefill => "Prefilling",
            Self::RefusalPrefix => "Refusal prefixes",
            Self::Decoding => "Sampling settings",
            Self::Gcg => "Suffix search (GCG)",
            Self::LaterTurn => "A turn later",
            Self::MultiTurn => "Over several turns",
            Self::Rap => "Rank-assisted",
        }
    }

    /// What the field calls it.
    pub fn term(self) -> Term {
        match self {
            Self::Direct => Term::PlainRequest,
            Self::Prefill => Term::Prefilling,
            Self::RefusalPrefix => Term::RefusalPrefix,
            Self::Decoding => Term::DecodingParameters,
            Self::Gcg => Term::Gcg,
            Self::LaterTurn => Term::LaterTurn,
            Self::MultiTurn => Term::MultiTurn,
            Self::Rap => Term::RankAssisted,
        }
    }

    /// What it does, in plain words.
    pub fn hint(self) -> &'static str {
        match self {
            Self::Direct => "The request as it stands. Prefilling with k = 0 is the same.",
            Self::Prefill => {
                "The first k tokens of a harmful answer are put into the model's mouth; it goes on from there."
            }
            Self::RefusalPrefix => {
                "The answer is made to begin with a refusal's words. A base model then looks safe."
            }
            Self::Decoding => {
                "The plain request at many temperatures, top-k and top-p; the worst answer counts."
            }
            Self::Gcg => {
                "Searches, request by request, for words to append that make the model begin to comply. Takes minutes for each request on larger models: ask only the first few."
            }
            Self::LaterTurn => {
                "The opening and one or two steps of the harmful answer stand in an earlier turn, and the user asks the model to go on."
            }
            Self::MultiTurn => "The user comes to the request turn by turn, and the model answers each.",
            Self::Rap => {
                "At each token the attacker takes, among the model's own likeliest, the one that the base model likes best. A known hole in deepened models."
            }
        }
    }
}

/// The attacks: which are ticked, and the settings of all.
#[derive(Clone, Debug, PartialEq)]
pub struct Attacks {
    pub on: BTreeSet<Kind>,
    pub depths: String,
    pub prefixes: String,
    pub temperatures: String,
    pub top_k: String,
    pub top_p: String,
    pub gcg: GcgSpec,
    pub sentences: String,
    pub go_on: String,
    pub turns: String,
    pub rap_top: usize,
    pub rap_depths: String,
}

impl Default for Attacks {
    fn default() -> Self {
        let mut attacks = Self {
            on: BTreeSet::from([Kind::Prefill]),
            depths: String::new(),
            prefixes: String::new(),
            temperatures: String::new(),
            top_k: String::new(),
            top_p: String::new(),
            gcg: GcgSpec::default(),
            sentences: String::new(),
            go_on: String::new(),
            turns: String::new(),
            rap_top: 0,
            rap_depths: String::new(),
        };
        for spec in [
            AttackSpec::prefill(),
            AttackSpec::refusal_prefix(),
            AttackSpec::Decoding(DecodingGrid::default()),
            AttackSpec::later_turn(),
            AttackSpec::multi_turn(),
            AttackSpec::rap(),
        ] {
            attacks.set(&spec);
        }
        attacks
    }
}

impl Attacks {
    /// Takes over an attack's settings.
    pub fn set(&mut self, spec: &AttackSpec) {
        match spec {
            AttackSpec::Direct => {}
            AttackSpec::Prefill { depths } => self.depths = join(depths),
            AttackSpec::RefusalPrefix { prefixes } => self.prefixes = prefixes.join("\n"),
            AttackSpec::LaterTurn { sentences, request } => {
                self.sentences = join(sentences);
                self.go_on.clone_from(request);
            }
            AttackSpec::Decoding(grid) => {
                self.temperatures = join(&grid.temperatures);
                self.top_k = join(&grid.top_k);
                self.top_p = join(&grid.top_p);
            }
            AttackSpec::MultiTurn { turns } => self.turns = turns.join("\n"),
            AttackSpec::Rap { top, depths } => {
                self.rap_top = *top;
                self.rap_depths = join(depths);
            }
            AttackSpec::Gcg(gcg) => self.gcg = gcg.clone(),
        }
    }

    /// Ticks these attacks with their settings, and no others.
    pub fn tick(&mut self, specs: &[AttackSpec]) {
        self.on = specs.iter().map(kind_of).collect();
        for spec in specs {
            self.set(spec);
        }
    }

    /// An attack with its settings, or what cannot be read of them.
    pub fn spec(&self, kind: Kind) -> Result<AttackSpec, String> {
        let name = kind.name();
        Ok(match kind {
            Kind::Direct => AttackSpec::Direct,
            Kind::Prefill => AttackSpec::Prefill { depths: numbers(&self.depths, name)? },
            Kind::RefusalPrefix => AttackSpec::RefusalPrefix { prefixes: lines(&self.prefixes) },
            Kind::Decoding => AttackSpec::Decoding(DecodingGrid {
                temperatures: numbers(&self.temperatures, name)?,
                top_k: numbers(&self.top_k, name)?,
                top_p: numbers(&self.top_p, name)?,
            }),
            Kind::Gcg => AttackSpec::Gcg(self.gcg.clone()),
            Kind::LaterTurn => AttackSpec::LaterTurn {
                sentences: numbers(&self.sentences, name)?,
                request: self.go_on.clone(),
            },
            Kind::MultiTurn => AttackSpec::MultiTurn { turns: lines(&self.turns) },
            Kind::Rap => AttackSpec::Rap { top: self.rap_top, depths: numbers(&self.rap_depths, name)? },
        })
    }

    /// Those that are ticked and can be read.
    pub fn specs(&self) -> Vec<AttackSpec> {
        self.on.iter().filter_map(|kind| self.spec(*kind).ok()).collect()
    }

    /// What cannot be read of those that are ticked.
    pub fn problems(&self) -> Vec<String> {
        self.on.iter().filter_map(|kind| self.spec(*kind).err()).collect()
    }

    /// A few words on the settings, for the grid's head.
    pub fn remark(&self, kind: Kind) -> String {
        let Ok(spec) = self.spec(kind) else { return "settings cannot be read".to_owned() };
        match spec {
            AttackSpec::Direct => "as it stands".to_owned(),
            AttackSpec::Prefill { depths } => match depths.as_slice() {
                [] => "no depth".to_owned(),
                [one] => format!("k = {one}"),
                [first, .., last] => format!("k = {first} … {last}"),
            },
            AttackSpec::RefusalPrefix { prefixes } => format!("{} prefixes", prefixes.len()),
            AttackSpec::Decoding(grid) => format!("{} settings", grid.settings()),
            AttackSpec::Gcg(gcg) => format!("{} × {}", gcg.steps, gcg.width),
            AttackSpec::LaterTurn { sentences, .. } => format!("{} sentences", join(&sentences)),
            AttackSpec::MultiTurn { turns } => format!("{} turns", turns.len()),
            AttackSpec::Rap { top, .. } => format!("top {top}"),
        }
    }
}

pub fn kind_of(spec: &AttackSpec) -> Kind {
    match spec {
        AttackSpec::Direct => Kind::Direct,
        AttackSpec::Prefill { .. } => Kind::Prefill,
        AttackSpec::RefusalPrefix { .. } => Kind::RefusalPrefix,
        AttackSpec::LaterTurn { .. } => Kind::LaterTurn,
        AttackSpec::Decoding(_) => Kind::Decoding,
        AttackSpec::MultiTurn { .. } => Kind::MultiTurn,
        AttackSpec::Rap { .. } => Kind::Rap,
        AttackSpec::Gcg(_) => Kind::Gcg,
    }
}

fn join<T: ToString>(values: &[T]) -> String {
    values.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Numbers between commas, semicolons or blanks. Many languages write 0,7 for 0.7: read as 0 and 7 it would run another attack
/// than was meant, so that a comma between two digits is refused.
fn numbers<T: FromStr>(text: &str, of: &str) -> Result<Vec<T>, String> {
    let decimal = |three: &[u8]| matches!(three, [a, b',', b] if a.is_ascii_digit() && b.is_ascii_digit());
    if let Some(word) = text.split([';', ' ', '\n']).find(|word| word.as_bytes().windows(3).any(decimal)) {
        return Err(format!(
            "{of}: “{word}” can be one number or several. Write decimals with a point, such as 0.7, and a blank after each comma between numbers, such as 5, 10."
        ));
    }
    text.split([',', ';', ' ', '\n'])
        .filter(|word| !word.is_empty())
        .map(|word| {
            word.parse().map_err(|_| {
                format!("{of}: “{word}” is not a number that fits. Write numbers with commas between, such as 5, 10, 20.")
            })
        })
        .collect()
}

/// One entry a line; empty lines are none.
fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::EvaluateSpec;

    #[test]
    fn settings_survive_being_written_and_read() {
        let attacks = Attacks::default();
        let specs = [
            AttackSpec::Direct,
            AttackSpec::prefill(),
            AttackSpec::refusal_prefix(),
            AttackSpec::later_turn(),
            AttackSpec::Decoding(DecodingGrid::default()),
            AttackSpec::multi_turn(),
            AttackSpec::rap(),
            AttackSpec::Gcg(GcgSpec::default()),
        ];
        for spec in specs {
            assert_eq!(attacks.spec(kind_of(&spec)).unwrap(), spec);
        }
        let mut paper = attacks.clone();
        paper.tick(&EvaluateSpec::default().as_in_the_paper().attacks);
        assert_eq!(paper.on.len(), 5);
        assert_eq!(paper.gcg.steps, 500);
        let broken = Attacks { depths: "5, ten".into(), ..attacks };
        assert!(broken.specs().is_empty());
        assert!(broken.problems()[0].contains("“ten”"), "{:?}", broken.problems());
    }

    #[test]
    fn a_decimal_comma_is_not_taken_for_two_numbers() {
        assert_eq!(numbers::<usize>("0, 7", "T"), Ok(vec![0, 7]));
        assert_eq!(numbers::<usize>("0 7;8,\n9", "T"), Ok(vec![0, 7, 8, 9]));
        assert_eq!(numbers::<f64>("0.5, 0.7", "T"), Ok(vec![0.5, 0.7]));
        let error = numbers::<f64>("0.5, 0,7", "T").unwrap_err();
        assert!(error.starts_with("T: “0,7” can be one number or several."), "{error}");
    }
}
