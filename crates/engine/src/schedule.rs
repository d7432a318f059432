//! Learning-rate schedules: a linear warm-up from zero, then a decay to zero.

/// How the rate falls after the warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Decay {
    /// In a straight line.
    #[default]
    Linear,
    /// Along half a cosine (Loshchilov and Hutter 2017, without restarts).
    Cosine,
    /// Not at all.
    Constant,
}

/// The learning rate as a function of the step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Schedule {
    /// The rate at the end of the warm-up.
    pub peak: f32,
    /// Steps of warm-up.
    pub warmup: u64,
    /// All steps, the warm-up included.
    pub total: u64,
    /// What follows the warm-up.
    pub decay: Decay,
}

impl Schedule {
    /// The rate of update `step`, counted from 0.
    pub fn rate(&self, step: u64) -> f32 {
        let peak = f64::from(self.peak);
        if step < self.warmup {
            return (peak * step as f64 / self.warmup as f64) as f32;
        }
        let left =
            self.total.saturating_sub(step) as f64 / self.total.saturating_sub(self.warmup).max(1) as f64;
        let left = left.min(1.0);
        let factor = match self.decay {
            Decay::Linear => left,
            Decay::Cosine => 0.5 * (1.0 + (std::f64::consts::PI * (1.0 - left)).cos()),
            Decay::Constant => 1.0,
        };
        (peak * factor) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::{Decay, Schedule};

    #[test]
    fn rates_follow_their_shapes() {
        struct Case(Decay, u64, u64, f32);
        let cases = [
            Case(Decay::Linear, 0, 0, 1.0),
            Case(Decay::Linear, 0, 50, 0.5),
            Case(Decay::Linear, 0, 100, 0.0),
            Case(Decay::Linear, 0, 101, 0.0),
            Case(Decay::Linear, 10, 0, 0.0),
            Case(Decay::Linear, 10, 5, 0.5),
            Case(Decay::Linear, 10, 10, 1.0),
            Case(Decay::Linear, 10, 55, 0.5),
            Case(Decay::Cosine, 0, 50, 0.5),
            Case(Decay::Cosine, 0, 25, 0.853_553_4),
            Case(Decay::Constant, 10, 99, 1.0),
            Case(Decay::Linear, 100, 100, 0.0),
        ];
        for Case(decay, warmup, step, wanted) in cases {
            let rate = Schedule { peak: 1.0, warmup, total: 100, decay }.rate(step);
            assert!(
                (rate - wanted).abs() < 1e-6,
                "{decay:?}, warm-up {warmup}, step {step}: {rate}, not {wanted}"
            );
        }
    }
}
