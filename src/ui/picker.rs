//! How a file or folder is chosen: the system's dialog in the window, something else in tests.

use std::path::PathBuf;

/// What takes the choice; `None` if nothing was chosen.
pub type Picked = Box<dyn FnOnce(Option<PathBuf>) + Send>;

/// What is to be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PickKind {
    /// A folder that is there.
    Folder,
    /// A file that is there.
    File,
    /// A file that may not be there yet, with a proposed name.
    NewFile(&'static str),
}

/// Anything that lets somebody choose a file or folder.
pub trait FilePicker: Send {
    /// Starts choosing and returns at once; `done` is called with the choice, perhaps on another thread.
    fn pick(&self, title: &'static str, kind: PickKind, done: Picked);
}

/// The system's own dialog. Without a desktop portal it ends at once with no choice, which is why every place that
/// uses it has a text field for the path as well.
pub struct SystemPicker;

impl FilePicker for SystemPicker {
    fn pick(&self, title: &'static str, kind: PickKind, done: Picked) {
        let started = std::thread::Builder::new().name("file dialog".into()).spawn(move || {
            let dialog = rfd::AsyncFileDialog::new().set_title(title);
            let chosen = match kind {
                PickKind::Folder => block_on(dialog.pick_folder()),
                PickKind::File => block_on(dialog.pick_file()),
                PickKind::NewFile(name) => block_on(dialog.set_file_name(name).save_file()),
            };
            done(chosen.map(|handle| handle.path().to_owned()));
        });
        if let Err(e) = started {
            log::warn!("the file dialog could not be opened: {e}");
        }
    }
}

/// Waits for one future on this thread, which has nothing else to do.
fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(std::thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: std::sync::Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = std::task::Waker::from(std::sync::Arc::new(Unpark(std::thread::current())));
    let mut context = std::task::Context::from_waker(&waker);
    let mut future = std::pin::pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            std::task::Poll::Ready(output) => return output,
            std::task::Poll::Pending => std::thread::park(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_for_a_future_survives_being_woken_late() {
        let (send, receive) = crossbeam_channel::bounded::<std::task::Waker>(1);
        let helper = std::thread::Builder::new()
            .name("waker".into())
            .spawn(move || receive.recv().unwrap().wake())
            .unwrap();
        let mut asked = false;
        let answer = block_on(std::future::poll_fn(move |context| {
            if asked {
                return std::task::Poll::Ready(7);
            }
            asked = true;
            send.send(context.waker().clone()).unwrap();
            std::task::Poll::Pending
        }));
        helper.join().unwrap();
        assert_eq!(answer, 7);
    }
}
