//! What several tests need.
#![allow(dead_code, unreachable_pub)] // each test file uses some of it

/// Reproducible values in [-1, 1).
pub fn values(n: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    (0..n).map(|_| next()).collect()
}

pub fn farthest(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    let difference = |(a, b): (&f32, &f32)| {
        if a.is_nan() || b.is_nan() { f32::INFINITY } else { (a - b).abs() }
    };
    a.iter().zip(b).map(difference).fold(0.0, f32::max)
}

/// Runs `f` on pools of 1, 2 and 4 threads, with and without a team, and insists on equal bits.
pub fn on_pools(what: &str, f: impl Fn() -> Vec<f32> + Sync + Send) -> Vec<f32> {
    let run = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(&f);
    let one = run(1);
    for threads in [2, 4] {
        let bits = |v: &[f32]| v.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        assert!(bits(&run(threads)) == bits(&one), "{what}: other bits on {threads} threads");
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let team = pool.install(|| filbert_kernels::together(&f));
        assert!(bits(&team) == bits(&one), "{what}: other bits in a team of {threads}");
    }
    one
}

/// The failures of all cases in one message.
pub fn report(failures: &[String]) {
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
