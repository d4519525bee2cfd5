//! The actions of the palette.

use super::{
    App, AppCommand, BUSY, DataCommand, EvaluateCommand, ExchangeCommand, JobCommand, ModelsCommand, Offer,
    Opening, Screen, Theme,
};

/// Evaluations that are offered: the newest.
const EVALUATIONS: usize = 20;

impl App {
    /// Every action that can be taken now, and those that cannot with the reason.
    pub(super) fn offers(&self) -> Vec<Offer> {
        let mut offers: Vec<Offer> =
            Screen::ALL.into_iter().map(|screen| Offer::now(AppCommand::Show(screen))).collect();
        let (undo, redo) = match self.screen {
            Screen::Train => self.train.can_undo(),
            Screen::Data => self.data.can_undo(),
            _ => (false, false),
        };
        offers.extend([
            Offer::unless(AppCommand::Undo, (!undo).then_some("Nothing on this screen can be taken back.")),
            Offer::unless(AppCommand::Redo, (!redo).then_some("Nothing was taken back on this screen.")),
            Offer::now(AppCommand::Glossary),
            Offer::now(AppCommand::Tour(true)),
            Offer::now(AppCommand::Uncover(!self.preferences.uncovered)),
            Offer::now(AppCommand::Larger),
            Offer::now(AppCommand::Smaller),
            Offer::now(AppCommand::UsualSize),
            Offer::now(AppCommand::CopyDiagnostics),
            Offer::now(AppCommand::Quit),
        ]);
        offers.extend(Theme::ALL.into_iter().map(|theme| Offer::now(AppCommand::SetTheme(theme))));
        let busy = (self.jobs.open_count() > 0).then_some(BUSY);
        offers.push(Offer::unless(AppCommand::OpenDemo, busy));
        for root in self.preferences.recent.iter().filter(|root| **root != self.project_root) {
            offers.push(Offer::unless(AppCommand::OpenFolder(root.clone()), busy));
        }
        for job in self.jobs.all().iter().filter(|job| job.is_open()) {
            offers.push(Offer::now(JobCommand::Stop(job.id)));
        }
        let Opening::Open(project) = &self.opening else { return offers };
        offers.push(Offer::now(AppCommand::Reveal(project.root.clone())));
        if self.screen == Screen::Data {
            let blocked = self.data.edit_blocked(project.read_only);
            offers.push(Offer::unless(DataCommand::AddExample, blocked));
            offers.push(Offer::unless(DataCommand::RemoveExample, blocked));
        }
        let reads_only =
            project.read_only.then_some("Another window has this project open; here it can only be read.");
        offers.push(Offer::unless(ExchangeCommand::OpenImport, reads_only));
        offers.push(Offer::unless(ExchangeCommand::OpenBenchmarks, reads_only));
        if self.screen == Screen::Data
            && let Some(set) = self.data.selected_set()
        {
            offers.push(Offer::now(ExchangeCommand::OpenExport(set.to_owned())));
        }
        for set in &project.datasets {
            offers.push(Offer::now(DataCommand::Select(set.id.clone())));
        }
        for model in &project.models {
            let id = &model.entry.id;
            offers.push(Offer::now(ModelsCommand::Focus(id.clone())));
            offers.push(Offer::now(ModelsCommand::FocusBase(id.clone())));
        }
        for evaluation in project.evaluations.iter().take(EVALUATIONS) {
            offers.push(Offer::now(EvaluateCommand::Select(evaluation.id.clone())));
        }
        offers
    }
}
