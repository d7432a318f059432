//! The product of packed tiles with AMX: `tdpbf16ps` multiplies a 16 x 32 tile in row form by a 32 x 16 tile in pair
//! form and adds to 16 x 16 sums in f32. Rust's intrinsics for it are unstable, so the instructions stand in assembly;
//! the assembler knows them on every x86-64 target.

use std::ops::Range;

use super::Job;

#[cfg(not(target_arch = "x86_64"))]
pub(super) unsafe fn block(_: Job, _: Range<usize>, _: Range<usize>) {
    unreachable!("no value of `Bf16` exists on this processor")
}

#[cfg(target_arch = "x86_64")]
pub(super) use x86::{block, is_available};

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::asm;
    use std::arch::x86_64::__cpuid_count;
    use std::mem::MaybeUninit;
    use std::sync::OnceLock;

    use super::{Job, Range};
    use crate::bf16::pack::{LINES, SIDE};

    /// True where the processor has AMX with bfloat16 and the system lets this process use it.
    pub(in crate::bf16) fn is_available() -> bool {
        static AVAILABLE: OnceLock<bool> = OnceLock::new();
        *AVAILABLE.get_or_init(|| has_instructions() && is_permitted())
    }

    fn has_instructions() -> bool {
        /// CPUID leaf 7, register EDX (Intel's manual, volume 2A).
        const AMX_BF16: u32 = 1 << 22;
        const AMX_TILE: u32 = 1 << 24;
        let highest = __cpuid_count(0, 0).eax;
        highest >= 7 && {
            let edx = __cpuid_count(7, 0).edx;
            edx & AMX_BF16 != 0 && edx & AMX_TILE != 0
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

    /// Multiplies rows and columns of tiles, two by two.
    ///
    /// # Safety
    /// AMX must be available, the ranges must lie within the job's tiles, and the caller's task alone writes these
    /// rows and columns of c.
    pub(in crate::bf16) unsafe fn block(job: Job, rows: Range<usize>, columns: Range<usize>) {
        // SAFETY: AMX is available, and the configuration is one that the processor accepts.
        unsafe { asm!("ldtilecfg [{}]", in(reg) &raw const CONFIGURATION, options(nostack, readonly)) };
        for column in columns.clone().step_by(2) {
            for row in rows.clone().step_by(2) {
                let (tall, wide) = (row + 1 < rows.end, column + 1 < columns.end);
                // SAFETY: promised by the caller. Where there is no second tile the first is taken twice, and what
                // that gives is not stored.
                unsafe { sums(job, (row, row + usize::from(tall)), (column, column + usize::from(wide))) };
            }
        }
        // SAFETY: no tile register is in use any more.
        unsafe { asm!("tilerelease", options(nostack, nomem)) };
    }

    /// Bytes between the rows of the sums below.
    const STRIDE: usize = 2 * SIDE * 4;

    /// # Safety
    /// As for [`block`]; the tile registers must be configured.
    unsafe fn sums(job: Job, rows: (usize, usize), columns: (usize, usize)) {
        let (row, column) = (rows.0 * SIDE, columns.0 * SIDE);
        let whole =
            row + 2 * SIDE <= job.m && column + 2 * SIDE <= job.n && rows.1 > rows.0 && columns.1 > columns.0;
        let direct = whole && !job.accumulate;
        let mut values = MaybeUninit::<[f32; 2 * SIDE * 2 * SIDE]>::uninit();
        // A whole block goes straight to c, others to `values` first.
        let (to, stride) = if direct {
            (job.c.at(row * job.n + column), job.n * 4)
        } else {
            (values.as_mut_ptr().cast::<f32>(), STRIDE)
        };
        // SAFETY: each left and right pointer covers `depth` tiles of 1,024 bytes; `to` covers 32 rows of 128 bytes at
        // this stride, in `values` or in the part of c that the caller promised to this task alone.
        unsafe {
            asm!(
                "tilezero tmm0",
                "tilezero tmm1",
                "tilezero tmm2",
                "tilezero tmm3",
                "2:",
                "tileloadd tmm4, [{a0} + {line}*1]",
                "tileloadd tmm6, [{b0} + {line}*1]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tileloadd tmm7, [{b1} + {line}*1]",
                "tdpbf16ps tmm1, tmm4, tmm7",
                "tileloadd tmm5, [{a1} + {line}*1]",
                "tdpbf16ps tmm2, tmm5, tmm6",
                "tdpbf16ps tmm3, tmm5, tmm7",
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
                a0 = inout(reg) job.a.at(rows.0) => _,
                a1 = inout(reg) job.a.at(rows.1) => _,
                b0 = inout(reg) job.b.at(columns.0) => _,
                b1 = inout(reg) job.b.at(columns.1) => _,
                depth = inout(reg) job.a.depth => _,
                line = in(reg) 64usize,
                stride = in(reg) stride,
                c = in(reg) to,
                d = in(reg) to.wrapping_byte_add(SIDE * stride),
                options(nostack),
            );
            if direct {
                return;
            }
            // All 32 rows of 32 sums were stored.
            let values = values.assume_init();
            let tiles = 1 + usize::from(rows.1 > rows.0);
            if columns.1 > columns.0 {
                job.store(&values[..tiles * SIDE * 2 * SIDE], 2 * SIDE, row, column);
            } else {
                let mut narrow = [0.0f32; 2 * SIDE * SIDE];
                for (to, from) in narrow.chunks_exact_mut(SIDE).zip(values.chunks_exact(2 * SIDE)) {
                    to.copy_from_slice(&from[..SIDE]);
                }
                job.store(&narrow[..tiles * SIDE * SIDE], SIDE, row, column);
            }
        }
    }

    const _: () = assert!(LINES == 16, "a tile register holds 16 rows");
}
