//! The Inspect screen's commands.

use crate::ui::app::{App, InspectCommand, InspectPart, Screen};

impl App {
    pub(super) fn handle_inspect(&mut self, command: InspectCommand) {
        match command {
            InspectCommand::Show(part) => {
                self.inspect.part = part;
                self.screen = Screen::Inspect;
            }
            InspectCommand::Evaluation(id) => {
                self.inspect.kl.select(id);
                self.inspect.part = InspectPart::Kl;
                self.screen = Screen::Inspect;
            }
            InspectCommand::Curves { model, set } => self.inspect.kl.take_line(model, set),
            InspectCommand::Curve { set, prompt } => {
                self.inspect.choice.take_set(set);
                self.inspect.choice.take_prompt(prompt);
                self.inspect.open_answer();
            }
            InspectCommand::Answer => self.inspect.open_answer(),
            InspectCommand::Token(index) => self.inspect.answer.take_token(index),
            InspectCommand::Set(id) => self.inspect.choice.take_set(id),
            InspectCommand::Prompt(id) => {
                self.inspect.choice.take_prompt(id);
                if self.inspect.part == InspectPart::Kl {
                    self.inspect.open_answer();
                }
            }
            InspectCommand::Uncover(on) => self.inspect.open = on,
            InspectCommand::Beside(model) => self.inspect.scrubber.take_beside(model),
            InspectCommand::Judge(judge) => self.inspect.scrubber.take_judge(judge),
            InspectCommand::Depth(depth) => self.inspect.scrubber.take_depth(depth),
            InspectCommand::MeasureDepths => self.inspect.scrubber.measure_all(true),
            InspectCommand::StopMeasuring => self.inspect.scrubber.measure_all(false),
            InspectCommand::Run(id) => {
                self.inspect.dynamics.select(id);
                self.inspect.part = InspectPart::Dynamics;
                self.screen = Screen::Inspect;
            }
            InspectCommand::Measure(measure) => self.inspect.dynamics.take_measure(measure),
            InspectCommand::Point(index) => self.inspect.dynamics.take_point(index),
        }
    }
}
