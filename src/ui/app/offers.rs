//! The actions of the palette.

use super::{
    App, AppCommand, Ask, BUSY, DataCommand, EvaluateCommand, ExchangeCommand, InspectCommand, InspectPart,
    JobCommand, JudgingCommand, JudgingPart, ModelsCommand, ModelsPage, Offer, Opening, READ_ONLY, Screen,
    Theme,
};
use crate::ui::screens::EvaluateTab;
use crate::ui::terms::Term;

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
            Screen::Evaluate => self.evaluate.can_undo(),
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
        offers.extend(EvaluateTab::ALL.map(|tab| Offer::now(EvaluateCommand::Tab(tab))));
        offers.extend(Theme::ALL.into_iter().map(|theme| Offer::now(AppCommand::SetTheme(theme))));
        offers.extend(Term::ALL.iter().map(|term| Offer::now(AppCommand::Explain(*term))));
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
            offers.push(Offer::unless(DataCommand::SelectListed, self.data.edit_blocked(false)));
            offers.push(Offer::unless(DataCommand::NextProblem, self.data.edit_blocked(false)));
            offers.push(Offer::unless(DataCommand::ShowProblems(true), self.data.edit_blocked(false)));
            offers.push(Offer::unless(
                DataCommand::Deduplicate,
                blocked.or_else(|| self.data.duplicates_blocked()),
            ));
            let busy = self.jobs.open_count() > 0;
            for ask in [Ask::New, Ask::Copy, Ask::Rename, Ask::Split, Ask::Delete] {
                let blocked = self.data.ask_blocked(ask, project.read_only, busy);
                offers.push(Offer::unless(DataCommand::Ask(ask), blocked));
            }
        }
        offers.extend(self.train.offers(project));
        offers.extend(InspectPart::ALL.into_iter().map(|part| Offer::now(InspectCommand::Show(part))));
        if self.screen == Screen::Inspect {
            offers.extend(self.inspect.offers(project));
        }
        let reads_only = project.read_only.then_some(READ_ONLY);
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
        offers.extend(ModelsPage::ALL.into_iter().map(|page| Offer::now(ModelsCommand::Page(page))));
        let blocked = project.read_only.then_some(READ_ONLY);
        offers.push(Offer::unless(ModelsCommand::AddDemoPair, blocked));
        if self.models.is_working() {
            offers.push(Offer::now(ModelsCommand::StopWork));
        }
        if self.models.removed.is_some() {
            offers.push(Offer::unless(ModelsCommand::PutBack, blocked));
        }
        if self.models.chat.is_writing() {
            offers.push(Offer::now(ModelsCommand::StopAnswer));
        }
        let (can_clear, can_restore) = self.models.chat.can_clear();
        offers.push(Offer::unless(
            ModelsCommand::ClearChat,
            (!can_clear).then_some("Nothing has been said in the chat yet."),
        ));
        if can_restore {
            offers.push(Offer::now(ModelsCommand::RestoreChat));
        }
        for model in &project.models {
            let id = &model.entry.id;
            offers.push(Offer::now(ModelsCommand::Chat(id.clone())));
            offers.push(Offer::now(ModelsCommand::TrainFrom(id.clone())));
            offers.push(Offer::now(ModelsCommand::Export(id.clone())));
            for change in [ModelsCommand::Edit(id.clone()), ModelsCommand::Remove(id.clone())] {
                let blocked = project.read_only.then_some(READ_ONLY);
                offers.push(Offer::unless(change, blocked));
            }
            offers.push(Offer::now(ModelsCommand::Focus(id.clone())));
            offers.push(Offer::now(ModelsCommand::FocusBase(id.clone())));
        }
        let blocked = self.evaluate.blocked(project, &self.focus);
        let blocked = (!blocked.is_empty()).then(|| blocked.join("\n"));
        offers.push(Offer::unless(EvaluateCommand::Start, blocked));
        if self.screen == Screen::Evaluate {
            offers.extend(self.evaluate.offers(project));
        }
        let nothing = project.evaluations.iter().all(|e| e.summary.is_none());
        let nothing = nothing.then_some("There are no answers yet. Run an evaluation first.");
        for part in JudgingPart::ALL {
            offers.push(Offer::unless(JudgingCommand::Show(part), nothing));
        }
        for evaluation in project.evaluations.iter().take(EVALUATIONS) {
            offers.push(Offer::now(EvaluateCommand::Select(evaluation.id.clone())));
        }
        offers
    }
}
