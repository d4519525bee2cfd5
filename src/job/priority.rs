//! Work stands back behind the window.

use thread_priority::{ThreadPriority, ThreadPriorityValue, set_current_thread_priority};

/// Out of 100: about nice 11 on Linux. Enough that a window drawn in software on two busy cores answers as if nothing
/// ran; still more than the idle work of the system gets.
const BEHIND_THE_WINDOW: u8 = 21;

/// Lowers the priority of the current thread, where the system allows it: the threads that compute call this.
pub fn stand_back() {
    let Ok(value) = ThreadPriorityValue::try_from(BEHIND_THE_WINDOW) else { return };
    if let Err(e) = set_current_thread_priority(ThreadPriority::Crossplatform(value)) {
        log::warn!("the priority of a computing thread could not be lowered: {e}");
    }
}
