//! People's labels on the answers of an evaluation: `evaluations/<id>/labels.jsonl`.

use super::{Project, ProjectError, plain_name, unwritable};
use crate::files::AppendLog;
use crate::judge::{Label, standing};

impl Project {
    /// The labels of an evaluation that stand, oldest first.
    pub fn labels(&self, evaluation: &str) -> Result<Vec<Label>, ProjectError> {
        self.log("evaluations", "evaluation", evaluation, "labels.jsonl", None).map(standing)
    }

    /// Writes labels down. The last word of an author on an answer counts; earlier ones stay in the file.
    pub fn add_labels(&self, evaluation: &str, labels: &[Label]) -> Result<(), ProjectError> {
        self.writable()?;
        let folder = self.root.join("evaluations").join(evaluation);
        if !plain_name(evaluation) || !folder.is_dir() {
            return Err(self.evaluation(evaluation).err().unwrap_or_else(|| ProjectError::Unknown {
                what: "evaluation",
                id: evaluation.to_owned(),
                known: Vec::new(),
            }));
        }
        let path = folder.join("labels.jsonl");
        let written = AppendLog::open(&path).and_then(|mut log| {
            labels.iter().try_for_each(|label| log.json(label)).and_then(|()| log.sync())
        });
        written.map_err(|e| unwritable(&path, &e))
    }
}
