//! A team: the threads of a pool, standing by on a processor each while one computation of many short passes runs.
//!
//! A step of training has hundreds of passes of 20 to 500 microseconds. Waking a thread of the pool for each costs as much
//! as the pass (measured, see LOG.md), so within [`together`] the other threads wait awake for the next pass. They come
//! from the current rayon pool and go back to it at the end; where the pool is busy, whoever is there does the work.

use std::cell::{Cell, UnsafeCell};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use rayon::prelude::*;

/// Turns of a waiting thread before it lets others have the processor between looks.
const SPINS: u32 = 4_000;

thread_local! {
    /// The team that this thread leads and that waits for work; null for none.
    static LEADS: Cell<*const Team> = const { Cell::new(ptr::null()) };
}

/// A pass: a function of a task's number, without its type and lifetime.
#[derive(Clone, Copy)]
struct Job {
    function: *const (),
    call: unsafe fn(*const (), usize),
    tasks: usize,
}

/// What the members of a team share.
struct Team {
    /// The number of the current pass in the upper half; below, whether it may be joined and how many helpers are in it.
    state: AtomicU64,
    job: UnsafeCell<Job>,
    /// The next task of the pass.
    next: Padded<AtomicUsize>,
    over: AtomicBool,
    panicked: AtomicBool,
}

/// Kept off the cache lines of its neighbours.
#[repr(align(128))]
struct Padded<T>(T);

// SAFETY: `job` is written by the leader alone, and only while no helper is in a pass; see `Team::run`.
unsafe impl Sync for Team {}

const PASS: u64 = 1 << 32;
const OPEN: u64 = 1 << 31;
/// The helpers in a pass.
const HELPERS: u64 = OPEN - 1;

impl Team {
    fn new() -> Self {
        const fn nothing(_: *const (), _: usize) {}
        Self {
            state: AtomicU64::new(0),
            job: UnsafeCell::new(Job { function: ptr::null(), call: nothing, tasks: 0 }),
            next: Padded(AtomicUsize::new(0)),
            over: AtomicBool::new(false),
            panicked: AtomicBool::new(false),
        }
    }

    /// Leads a pass: returns when all its tasks are done.
    fn run<F: Fn(usize) + Sync>(&self, tasks: usize, f: &F) {
        /// # Safety
        /// `function` must point to a living `F`.
        unsafe fn call<F: Fn(usize)>(function: *const (), task: usize) {
            // SAFETY: promised by the caller.
            unsafe { (*function.cast::<F>())(task) }
        }
        /// Ends the pass, also when a task panics: nobody may use `f` after it.
        struct End<'a>(&'a Team);
        impl Drop for End<'_> {
            fn drop(&mut self) {
                self.0.state.fetch_and(!OPEN, Ordering::Relaxed);
                wait(|| self.0.state.load(Ordering::Acquire) & HELPERS == 0);
            }
        }

        let pass = self.state.load(Ordering::Relaxed) & !(PASS - 1);
        // SAFETY: the last pass is closed and its helpers have left it; until the next line no one can join.
        unsafe { *self.job.get() = Job { function: ptr::from_ref(f).cast(), call: call::<F>, tasks } };
        self.next.0.store(0, Ordering::Relaxed);
        self.state.store(pass.wrapping_add(PASS) | OPEN, Ordering::Release);
        let end = End(self);
        loop {
            let task = self.next.0.fetch_add(1, Ordering::Relaxed);
            if task >= tasks {
                break;
            }
            f(task);
        }
        drop(end);
        assert!(!self.panicked.load(Ordering::Relaxed), "a task of another thread panicked");
    }

    /// Helps in pass after pass until the team's work is over.
    fn help(&self) {
        let mut last = 0;
        loop {
            let mut state = 0;
            wait(|| {
                state = self.state.load(Ordering::Relaxed);
                (state & OPEN != 0 && state & !(PASS - 1) != last) || self.over.load(Ordering::Relaxed)
            });
            if self.over.load(Ordering::Relaxed) {
                return;
            }
            // Joining fails where the pass was closed meanwhile; after it, the leader waits for this thread.
            if self.state.compare_exchange(state, state + 1, Ordering::Acquire, Ordering::Relaxed).is_err() {
                continue;
            }
            last = state & !(PASS - 1);
            // SAFETY: this thread is in the pass, so the job was written before and stays until it leaves.
            let job = unsafe { *self.job.get() };
            let work = || {
                loop {
                    let task = self.next.0.fetch_add(1, Ordering::Relaxed);
                    if task >= job.tasks {
                        break;
                    }
                    // SAFETY: the leader keeps the function alive until all helpers have left.
                    unsafe { (job.call)(job.function, task) };
                }
            };
            if catch_unwind(AssertUnwindSafe(work)).is_err() {
                self.panicked.store(true, Ordering::Relaxed);
            }
            self.state.fetch_sub(1, Ordering::Release);
        }
    }
}

/// Waits awake, first at full attention, then giving way to others between looks.
fn wait(mut until: impl FnMut() -> bool) {
    let mut spins = 0;
    while !until() {
        if spins < SPINS {
            spins += 1;
            std::hint::spin_loop();
        } else {
            std::thread::yield_now();
        }
    }
}

/// Runs `f` with the threads of the current rayon pool standing by for its passes: for computations of milliseconds, such
/// as a step of training or a batch of inference. Results are the same without; a call within a call changes nothing.
pub fn together<R: Send>(f: impl FnOnce() -> R + Send) -> R {
    if rayon::current_num_threads() == 1 || !LEADS.get().is_null() {
        return f();
    }
    let team = Team::new();
    rayon::scope(|scope| {
        for _ in 1..rayon::current_num_threads() {
            scope.spawn(|_| team.help());
        }
        let before = LEADS.replace(&raw const team);
        let result = catch_unwind(AssertUnwindSafe(f));
        LEADS.set(before);
        team.over.store(true, Ordering::Relaxed);
        result.unwrap_or_else(|panic| resume_unwind(panic))
    })
}

/// Calls `f` with 0 to `tasks` - 1, over this thread's team or, without one, the current rayon pool.
pub(crate) fn tasks(tasks: usize, f: impl Fn(usize) + Sync + Send) {
    struct Restore(*const Team);
    impl Drop for Restore {
        fn drop(&mut self) {
            LEADS.set(self.0);
        }
    }
    if tasks <= 1 {
        (0..tasks).for_each(f);
        return;
    }
    // While it leads a pass a thread has no team, so that a pass within a pass goes another way.
    let team = LEADS.replace(ptr::null());
    if team.is_null() {
        (0..tasks).into_par_iter().for_each(f);
        return;
    }
    let _restore = Restore(team);
    // SAFETY: `together` sets the pointer while its team lives, and takes it back before that ends.
    unsafe { &*team }.run(tasks, &f);
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::{tasks, together};

    fn pool(threads: usize) -> rayon::ThreadPool {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap()
    }

    #[test]
    fn every_task_runs_once_pass_after_pass() {
        for threads in [1, 2, 3, 7] {
            let counts: Vec<AtomicU64> = (0..100).map(|_| AtomicU64::new(0)).collect();
            pool(threads).install(|| {
                together(|| {
                    for pass in 0..2_000 {
                        let n = pass % 100;
                        tasks(n, |i| {
                            counts[i].fetch_add(1, Ordering::Relaxed);
                        });
                    }
                });
            });
            for (i, count) in counts.iter().enumerate() {
                assert_eq!(
                    count.load(Ordering::Relaxed),
                    20 * (99 - i as u64),
                    "task {i}, {threads} threads"
                );
            }
        }
    }

    #[test]
    fn a_pass_within_a_pass_and_a_team_within_a_team() {
        let sum = AtomicU64::new(0);
        pool(3).install(|| {
            together(|| {
                together(|| {
                    tasks(8, |_| {
                        tasks(8, |j| {
                            sum.fetch_add(j as u64, Ordering::Relaxed);
                        });
                    });
                });
            });
        });
        assert_eq!(sum.into_inner(), 8 * 28);
    }

    #[test]
    fn a_panic_in_a_task_reaches_the_leader_and_ends_the_team() {
        for bad in [0, 63] {
            let result = std::panic::catch_unwind(|| {
                pool(2).install(|| together(|| tasks(64, |i| assert!(i != bad, "task {i}"))));
            });
            assert!(result.is_err(), "task {bad}");
        }
    }

    #[test]
    fn two_teams_on_one_pool() {
        let pool = pool(2);
        let count = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    pool.install(|| {
                        together(|| {
                            (0..100).for_each(|_| {
                                tasks(5, |_| {
                                    count.fetch_add(1, Ordering::Relaxed);
                                });
                            });
                        });
                    });
                });
            }
        });
        assert_eq!(count.into_inner(), 2_000);
    }
}
