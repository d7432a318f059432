//! The product of packed tiles with AMX: `tdpbf16ps` multiplies a 16 x 32 tile in row form by a 32 x 16 tile in pair
//! form and adds to 16 x 16 sums in f32, `tdpbusd` a 16 x 64 tile of unsigned bytes by a 64 x 16 tile of signed ones to sums in
//! 32-bit integers. Rust's intrinsics for them are unstable, so the instructions stand in assembly; the assembler knows them
//! on every x86-64 target.

use std::ops::Range;

#[cfg(not(target_arch = "x86_64"))]
use super::packed::TileJob;

#[cfg(not(target_arch = "x86_64"))]
pub(super) unsafe fn block(_: TileJob, _: Range<usize>, _: Range<usize>) {
    unreachable!("no value of `Bf16` exists on this processor")
}

#[cfg(not(target_arch = "x86_64"))]
pub(super) unsafe fn multiply_adds(_: u64) -> f64 {
    unreachable!("no value of `Bf16` exists on this processor")
}

#[cfg(target_arch = "x86_64")]
pub(super) use x86::{block, block_int8, multiply_adds, multiply_adds_int8};
#[cfg(target_arch = "x86_64")]
pub(crate) use x86::{is_available, is_available_int8};

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::asm;
    use std::arch::x86_64::__cpuid_count;
    use std::mem::MaybeUninit;
    use std::sync::OnceLock;

    use super::Range;
    use crate::product::packed::{LINES, SIDE, TileJob};
    use crate::product::store;

    /// True where the processor has AMX with bfloat16 and the system lets this process use it.
    pub(crate) fn is_available() -> bool {
        static AVAILABLE: OnceLock<bool> = OnceLock::new();
        *AVAILABLE.get_or_init(|| has(AMX_BF16) && is_permitted())
    }

    /// The same with int8.
    pub(crate) fn is_available_int8() -> bool {
        static AVAILABLE: OnceLock<bool> = OnceLock::new();
        *AVAILABLE.get_or_init(|| has(AMX_INT8) && is_permitted())
    }

    /// CPUID leaf 7, register EDX (Intel's manual, volume 2A).
    const AMX_BF16: u32 = 1 << 22;
    const AMX_TILE: u32 = 1 << 24;
    const AMX_INT8: u32 = 1 << 25;

    fn has(instructions: u32) -> bool {
        let highest = __cpuid_count(0, 0).eax;
        highest >= 7 && {
            let edx = __cpuid_count(7, 0).edx;
            edx & instructions != 0 && edx & AMX_TILE != 0
        }
    }

    /// Linux saves tile registers only for processes that asked for it.
    #[cfg(target_os = "linux")]
    fn is_permitted() -> bool {
        /// The system call `arch_prctl`, its request for an extended feature, and the number of the tile data.
        const ARCH_PRCTL: u64 = 158;
        const ARCH_REQ_XCOMP_PERM: u64 = 0x1023;
        const XFEATURE_XTILEDATA: u64 = 18;
        let result: i64;
        // SAFETY: this call takes two numbers, touches no memory of ours and changes nothing but the permission.
        unsafe {
            asm!(
                "syscall",
                inlateout("rax") ARCH_PRCTL => result,
                in("rdi") ARCH_REQ_XCOMP_PERM,
                in("rsi") XFEATURE_XTILEDATA,
                lateout("rcx") _,
                lateout("r11") _,
                options(nostack),
            );
        }
        result == 0
    }

    #[cfg(not(target_os = "linux"))]
    fn is_permitted() -> bool {
        false
    }

    /// The configuration of the tile registers: palette 1, eight tiles of 16 rows of 64 bytes.
    #[repr(C, align(64))]
    struct Configuration {
        palette: u8,
        start_row: u8,
        reserved: [u8; 14],
        bytes: [u16; 16],
        rows: [u8; 16],
    }

    static CONFIGURATION: Configuration = Configuration {
        palette: 1,
        start_row: 0,
        reserved: [0; 14],
        bytes: [64, 64, 64, 64, 64, 64, 64, 64, 0, 0, 0, 0, 0, 0, 0, 0],
        rows: [16, 16, 16, 16, 16, 16, 16, 16, 0, 0, 0, 0, 0, 0, 0, 0],
    };

    /// Multiplies a block of rows by columns that start at a strip, in blocks of two by two tiles.
    ///
    /// # Safety
    /// AMX must be available, the ranges must lie within the job's sides, and the caller's task alone writes these
    /// rows and columns of c.
    pub(in crate::product) unsafe fn block(job: TileJob, rows: Range<usize>, columns: Range<usize>) {
        // SAFETY: promised by the caller.
        unsafe { blocks(job, rows, columns, sums) };
    }

    /// The same in int8; c holds 32-bit integers.
    ///
    /// # Safety
    /// As for [`block`], with AMX's int8 available.
    pub(in crate::product) unsafe fn block_int8(job: TileJob, rows: Range<usize>, columns: Range<usize>) {
        // SAFETY: promised by the caller.
        unsafe { blocks(job, rows, columns, sums_int8) };
    }

    /// # Safety
    /// As for [`block`], for the instruction that `sums` uses.
    #[inline(always)]
    unsafe fn blocks(
        job: TileJob,
        rows: Range<usize>,
        columns: Range<usize>,
        sums: unsafe fn(TileJob, Range<usize>, Range<usize>),
    ) {
        // SAFETY: AMX is available, and the configuration is one that the processor accepts.
        unsafe { asm!("ldtilecfg [{}]", in(reg) &raw const CONFIGURATION, options(nostack, readonly)) };
        for row in rows.clone().step_by(2 * SIDE) {
            for column in columns.clone().step_by(2 * SIDE) {
                let rows = row..(row + 2 * SIDE).min(rows.end);
                let columns = column..(column + 2 * SIDE).min(columns.end);
                // SAFETY: promised by the caller.
                unsafe { sums(job, rows, columns) };
            }
        }
        // SAFETY: no tile register is in use any more.
        unsafe { asm!("tilerelease", options(nostack, nomem)) };
    }

    /// Elements of a row of the buffer for blocks that are not whole.
    const STRIDE: usize = 2 * SIDE;

    /// A function that forms the sums of two by two tiles with an instruction.
    macro_rules! tile_sums {
        ($name:ident, $instruction:literal) => {
            /// # Safety
            /// As for [`block`]; the tile registers must be configured.
            unsafe fn $name(job: TileJob, rows: Range<usize>, columns: Range<usize>) {
                let whole = rows.len() == 2 * SIDE && columns.len() == 2 * SIDE;
                // Where there is no second strip the first is taken twice, and what that gives is left out.
                let (tall, wide) = (usize::from(rows.len() > SIDE), usize::from(columns.len() > SIDE));
                let (row, column) = (rows.start / SIDE, columns.start / SIDE);
                let mut values = MaybeUninit::<[f32; 2 * SIDE * STRIDE]>::uninit();
                let (to, stride) = if whole {
                    let to = job.c.at(rows.start * job.n + columns.start);
                    // The sums will be stored here after the loop below; until then the lines can arrive.
                    for r in 0..2 * SIDE {
                        let line = to.wrapping_add(r * job.n).cast::<i8>();
                        // SAFETY: a prefetch of any address is sound.
                        unsafe {
                            asm!("prefetchw [{0}]", "prefetchw [{0} + 64]", in(reg) line, options(nostack, readonly));
                        }
                    }
                    (to, job.n * size_of::<f32>())
                } else {
                    if job.adds {
                        let values = values.write([0.0; 2 * SIDE * STRIDE]);
                        // SAFETY: the caller's task alone uses these elements.
                        unsafe { store::load(job.c, job.n, rows.clone(), columns.clone(), values, STRIDE) };
                    }
                    (values.as_mut_ptr().cast::<f32>(), STRIDE * size_of::<f32>())
                };
                let second = to.wrapping_byte_add(SIDE * stride);
                // SAFETY: `to` covers 32 rows of 128 bytes at this stride, in `values` or in the part of c that the caller promised
                // to this task alone; in `values` they were filled above if they are read. Each left and right pointer covers the
                // piece's tiles of 1,024 bytes.
                unsafe {
                    if job.adds {
                        asm!(
                            "tileloadd tmm0, [{c} + {stride}*1]",
                            "tileloadd tmm1, [{c} + {stride}*1 + 64]",
                            "tileloadd tmm2, [{d} + {stride}*1]",
                            "tileloadd tmm3, [{d} + {stride}*1 + 64]",
                            stride = in(reg) stride,
                            c = in(reg) to,
                            d = in(reg) second,
                            options(nostack, readonly),
                        );
                    } else {
                        asm!(
                            "tilezero tmm0",
                            "tilezero tmm1",
                            "tilezero tmm2",
                            "tilezero tmm3",
                            options(nostack, nomem)
                        );
                    }
                    asm!(
                        "2:",
                        "tileloadd tmm4, [{a0} + {line}*1]",
                        "tileloadd tmm6, [{b0} + {line}*1]",
                        concat!($instruction, " tmm0, tmm4, tmm6"),
                        "tileloadd tmm7, [{b1} + {line}*1]",
                        concat!($instruction, " tmm1, tmm4, tmm7"),
                        "tileloadd tmm5, [{a1} + {line}*1]",
                        concat!($instruction, " tmm2, tmm5, tmm6"),
                        concat!($instruction, " tmm3, tmm5, tmm7"),
                        "add {a0}, 1024",
                        "add {a1}, 1024",
                        "add {b0}, 1024",
                        "add {b1}, 1024",
                        "dec {depth}",
                        "jnz 2b",
                        "tilestored [{c} + {stride}*1], tmm0",
                        "tilestored [{c} + {stride}*1 + 64], tmm1",
                        "tilestored [{d} + {stride}*1], tmm2",
                        "tilestored [{d} + {stride}*1 + 64], tmm3",
                        a0 = inout(reg) job.a.at(row, job.line) => _,
                        a1 = inout(reg) job.a.at(row + tall, job.line) => _,
                        b0 = inout(reg) job.b.at(column, job.line) => _,
                        b1 = inout(reg) job.b.at(column + wide, job.line) => _,
                        depth = inout(reg) job.tiles => _,
                        line = in(reg) 64usize,
                        stride = in(reg) stride,
                        c = in(reg) to,
                        d = in(reg) second,
                        options(nostack),
                    );
                    if !whole {
                        // All 32 rows of 32 sums were stored.
                        store::store(job.c, job.n, rows, columns, &values.assume_init(), STRIDE);
                    }
                }
            }
        };
    }

    tile_sums!(sums, "tdpbf16ps");
    tile_sums!(sums_int8, "tdpbusd");

    /// A function that multiplies tiles on registers alone and returns the number of operations.
    macro_rules! tile_rate {
        ($name:ident, $instruction:literal, $depth:literal) => {
            /// Products of tiles on registers alone; returns the number of operations.
            ///
            /// # Safety
            /// AMX must be available.
            pub(in crate::product) unsafe fn $name(rounds: u64) -> f64 {
                /// A product of tiles: 16 x 16 sums of this many multiply-adds each.
                const OPERATIONS: usize = 2 * 16 * 16 * $depth;
                if rounds == 0 {
                    return 0.0;
                }
                // SAFETY: AMX is available, the configuration is one that the processor accepts, and no memory is touched.
                unsafe {
                    asm!("ldtilecfg [{}]", in(reg) &raw const CONFIGURATION, options(nostack, readonly));
                    asm!(
                        "tilezero tmm0",
                        "tilezero tmm1",
                        "tilezero tmm2",
                        "tilezero tmm3",
                        "tilezero tmm4",
                        "tilezero tmm5",
                        "tilezero tmm6",
                        "tilezero tmm7",
                        "2:",
                        concat!($instruction, " tmm0, tmm4, tmm6"),
                        concat!($instruction, " tmm1, tmm4, tmm7"),
                        concat!($instruction, " tmm2, tmm5, tmm6"),
                        concat!($instruction, " tmm3, tmm5, tmm7"),
                        "dec {rounds}",
                        "jnz 2b",
                        "tilerelease",
                        rounds = inout(reg) rounds => _,
                        options(nostack, nomem),
                    );
                }
                (4 * OPERATIONS) as f64 * rounds as f64
            }
        };
    }

    tile_rate!(multiply_adds, "tdpbf16ps", 32);
    tile_rate!(multiply_adds_int8, "tdpbusd", 64);

    const _: () = assert!(LINES == 16, "a tile register holds 16 rows");
}
