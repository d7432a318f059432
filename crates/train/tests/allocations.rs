//! A steady step of training takes no buffer from the system: what one step used, the next one uses again.

use std::alloc::{GlobalAlloc, Layout, System};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use filbert_engine::Context;
use filbert_model::{Batch, Encoding, HeadSource, Network, Pooling, Scheme};
use filbert_train::{Input, Settings, Trainer};

/// Allocations of this size and more are buffers of a step; below are the tape's own boxes and lists.
const LARGE: usize = 16 << 10;

static LARGE_ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

struct Counting;

// SAFETY: everything is passed on to the system's allocator.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.size() >= LARGE {
            LARGE_ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        }
        // SAFETY: promised by the caller.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: promised by the caller.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn a_steady_step_allocates_no_buffer() {
    // One after the other: the count is of the whole process.
    for fake in [None, Some(Scheme::Nf4), Some(Scheme::Int8)] {
        steady(fake);
    }
}

fn steady(fake: Option<Scheme>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../model/tests/golden/tiny");
    let head = HeadSource::New { labels: 2, seed: 1 };
    let (mut network, _) = Network::load(&folder, head, Pooling::Pooler).unwrap();
    if let Some(scheme) = fake {
        let (tables, linears) = network.quantizable();
        let plan = tables.into_iter().chain(linears).map(|name| (name, scheme)).collect();
        network.fake_quantize(&plan).unwrap();
    }
    let context = Context::default();
    let rows: Vec<Encoding> = (0..64u32)
        .map(|i| {
            let ids: Vec<u32> = (0..16 + i % 8).map(|j| 5 + (i * 5 + j * 3) % 50).collect();
            Encoding { type_ids: vec![0; ids.len()], ids, truncated: false }
        })
        .collect();
    let labels: Vec<u32> = (0..64).map(|i| i % 2).collect();
    let batch = Batch::new(network.architecture, &rows);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    pool.install(|| {
        let mut trainer = Trainer::new(&mut network, &context, &Settings::default(), 10_000);
        let mut steps = |n| {
            let before = LARGE_ALLOCATIONS.load(Ordering::Relaxed);
            for _ in 0..n {
                trainer.step(Input::Tokens(batch.clone()), &labels, true).unwrap();
            }
            LARGE_ALLOCATIONS.load(Ordering::Relaxed) - before
        };
        assert!(steps(3) > 0, "the first steps make the buffers");
        assert_eq!(steps(10), 0, "allocations of {LARGE} bytes and more in ten steady steps, {fake:?}");
    });
}
