//! SIGINT and SIGTERM: work that can be kept is finished or written to a checkpoint, then the process ends with code 130. What
//! cannot be asked to stop is ended after a while, and a second signal ends it at once.

use std::sync::atomic::{AtomicBool, Ordering};

/// The exit code of a run that a signal ended.
pub(crate) const EXIT_CODE: u8 = 130;

static CAUGHT: AtomicBool = AtomicBool::new(false);

/// True once a signal has come.
pub(crate) fn caught() -> bool {
    CAUGHT.load(Ordering::Relaxed)
}

/// Starts to watch for signals. Where that is not possible, they end the process as they always do.
#[cfg(unix)]
pub(crate) fn watch() {
    use std::time::Duration;

    use signal_hook::consts::{SIGINT, SIGTERM};
    use signal_hook::iterator::Signals;

    /// How long a run may take to come to its end.
    const PATIENCE: Duration = Duration::from_secs(9);

    let Ok(mut signals) = Signals::new([SIGINT, SIGTERM]) else { return };
    std::thread::spawn(move || {
        for _ in signals.forever() {
            if CAUGHT.swap(true, Ordering::Relaxed) {
                std::process::exit(i32::from(EXIT_CODE));
            }
            std::thread::spawn(|| {
                std::thread::sleep(PATIENCE);
                std::process::exit(i32::from(EXIT_CODE));
            });
        }
    });
}

/// Signals end the process as they always do.
#[cfg(not(unix))]
pub(crate) fn watch() {}
