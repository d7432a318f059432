use filbert_kernels::*;
use std::time::Instant;
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let rows: usize = a[2].parse().unwrap();
    let inputs: usize = a[3].parse().unwrap();
    let outputs: usize = a[4].parse().unwrap();
    let p = if a[1] == "amx" { Precision::Bf16(Bf16::available().pop().unwrap()) } else { Precision::F32 };
    let isa = Isa::detect();
    let off: usize = a.get(6).map_or(0, |s| s.parse().unwrap());
    let mk = |n: usize| {
        let v: &'static mut [f32] = Box::leak(vec![0.5f32; n + 64].into_boxed_slice());
        let o = (64 - (v.as_ptr() as usize % 64)) / 4;
        &mut v[o + off..o + off + n]
    };
    let (x, w) = (mk(rows * inputs), mk(outputs * inputs));
    let y = mk(rows * outputs);
    let dw = mk(outputs * inputs);
    let dx = mk(rows * inputs);
    let out = mk(rows * outputs);
    let (x, w, y) = (&*x, &*w, &*y);
    together(|| {
        let t = Instant::now();
        let mut n = 0;
        while t.elapsed().as_secs_f64() < 4.0 {
            n += 1;
            match &a[5][..] {
                "w" => linear_backward(
                    isa,
                    p,
                    &y,
                    (rows, inputs, outputs),
                    LinearGradients {
                        weight: Some((Target { to: &mut *dw, adds: false }, &x)),
                        ..Default::default()
                    },
                ),
                "i" => linear_backward(
                    isa,
                    p,
                    &y,
                    (rows, inputs, outputs),
                    LinearGradients {
                        input: Some((Target { to: &mut *dx, adds: false }, &w)),
                        ..Default::default()
                    },
                ),
                _ => linear_forward(
                    isa,
                    p,
                    &x,
                    Weight::Plain(&w),
                    &mut *out,
                    (rows, inputs, outputs),
                    Epilogue::default(),
                ),
            }
        }
        println!(
            "{} {:.0} GFLOP/s",
            a[5],
            2.0 * (rows * inputs * outputs * n) as f64 / t.elapsed().as_secs_f64() / 1e9
        );
    });
}
