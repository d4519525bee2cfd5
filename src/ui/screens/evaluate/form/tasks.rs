//! How many harmless tasks an evaluation asks each model: counted as it counts them, task by task.

use crate::data::Examples;
use crate::evaluate::{EvaluateSpec, within_limit};
use crate::ui::app::View;
use std::sync::Arc;

/// The count, kept as long as nothing changes: a set may hold a hundred thousand items.
#[derive(Default)]
pub struct Tasks {
    counted: Option<(Arc<Examples>, usize, usize)>,
}

impl Tasks {
    /// Items that `spec` asks each model. While the set is being read, all that it holds.
    pub fn count(&mut self, view: &mut View<'_>, spec: &EvaluateSpec) -> usize {
        let Some(id) = &spec.utility else { return 0 };
        let all = view.project.count(id);
        match (spec.limit, spec.limit.and_then(|_| view.library.get(id))) {
            (Some(limit), Some(Ok(examples))) => self.limited(examples, limit),
            _ => all,
        }
    }

    fn limited(&mut self, examples: &Arc<Examples>, limit: usize) -> usize {
        if let Some((known, of, count)) = &self.counted
            && Arc::ptr_eq(known, examples)
            && *of == limit
        {
            return *count;
        }
        let count = match &**examples {
            Examples::Utility(items) => within_limit(items, Some(limit)).len(),
            _ => 0,
        };
        self.counted = Some((examples.clone(), limit, count));
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::UtilityItem;

    #[test]
    fn the_limit_is_one_of_each_task() {
        let item = |task: &str| UtilityItem { task: task.into(), ..UtilityItem::default() };
        let items = ["sums", "sums", "words", "sums", "words", "songs"].map(item).to_vec();
        let set = Arc::new(Examples::Utility(items));
        let mut tasks = Tasks::default();
        assert_eq!(tasks.limited(&set, 2), 5);
        assert_eq!(tasks.limited(&set, 1), 3);
        assert_eq!(tasks.limited(&Arc::new(Examples::Utility(vec![item("sums")])), 1), 1);
    }
}
