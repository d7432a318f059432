//! Where a step's time goes, by operation.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A part of a step of training.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// From inputs to the loss.
    Forward,
    /// From the loss to the gradients.
    Backward,
    /// From the gradients to new weights.
    Update,
}

impl Phase {
    /// The name as it is printed.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::Backward => "backward",
            Self::Update => "update",
        }
    }
}

/// What one operation took.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spent {
    /// When in the step.
    pub phase: Phase,
    /// The operation.
    pub operation: &'static str,
    /// How often it ran.
    pub calls: u64,
    /// The time of all calls together.
    pub time: Duration,
}

/// Calls and time by phase and operation; clones share them.
#[derive(Clone, Debug, Default)]
pub struct Profile(Arc<Mutex<BTreeMap<Key, (u64, Duration)>>>);

type Key = (Phase, &'static str);

impl Profile {
    /// Everything so far, by phase, the longest first.
    pub fn spent(&self) -> Vec<Spent> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut spent: Vec<Spent> = all
            .iter()
            .map(|(&(phase, operation), &(calls, time))| Spent { phase, operation, calls, time })
            .collect();
        spent.sort_by_key(|s| (s.phase, std::cmp::Reverse(s.time)));
        spent
    }

    /// Forgets everything.
    pub fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn add(&self, phase: Phase, operation: &'static str, time: Duration) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = all.entry((phase, operation)).or_default();
        entry.0 += 1;
        entry.1 += time;
    }
}

/// Adds the time until it is dropped to a profile.
pub(crate) struct Timer<'a> {
    profile: &'a Profile,
    phase: Phase,
    operation: &'static str,
    start: Instant,
}

impl<'a> Timer<'a> {
    /// Starts, where there is a profile.
    pub(crate) fn start(profile: Option<&'a Profile>, phase: Phase, operation: &'static str) -> Option<Self> {
        profile.map(|profile| Self { profile, phase, operation, start: Instant::now() })
    }
}

impl Drop for Timer<'_> {
    fn drop(&mut self) {
        self.profile.add(self.phase, self.operation, self.start.elapsed());
    }
}
