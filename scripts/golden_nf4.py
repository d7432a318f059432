"""Writes crates/kernels/tests/golden/nf4.txt: NF4 with double-quantized scales as bitsandbytes encodes and decodes it.

    pip install torch bitsandbytes numpy        # made with torch 2.15.0, bitsandbytes 0.50.2, numpy 2.4.6
    python scripts/golden_nf4.py

Elements are not stored: `elements` and the function of the same name in crates/kernels/tests/quant_nf4.rs compute the same bits.

The scales' codes come from bitsandbytes' reference code, reached by its dispatch key. Its fast path on the CPU looks them up in
a table of 65,536 places, which misses the nearest value now and then; the script prints how often. The mean of the scales is
PyTorch's sum in f32, whose order depends on the processor: seeds are taken for which it is the rounded exact mean.
"""
import pathlib

import bitsandbytes.functional as B
import numpy as np
import torch

OUT = pathlib.Path(__file__).resolve().parent.parent / "crates/kernels/tests/golden/nf4.txt"
REFERENCE = torch._C.DispatchKeySet(torch._C.DispatchKey.CompositeExplicitAutograd)
f32 = np.float32

assert torch.backends.cpu.get_cpu_capability() != "DEFAULT", "linspace rounds otherwise without AVX2"


def values(n, seed):
    """Numbers in [-1, 1): the generator of crates/kernels/tests/common."""
    state, out = (seed * 0x9E3779B97F4A7C15) % 2**64 | 1, []
    for _ in range(n):
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        out.append((state >> 40) / 2**23 - 1)
    return np.array(out, f32)


def elements(kind, n, seed):
    x = values(n, seed) * values(n, seed + 1)
    if kind == "zeros":
        x[:] = 0
    elif kind == "outlier":
        x[n // 2] = 1e4
    elif kind == "denormal":
        x = (x * f32(2.0**-126)) * f32(2.0**-4)
    elif kind == "negative zero":
        x[:70] = -0.0
        x[70::3] = -0.0
    elif kind == "wide":
        x *= np.array([f32(2.0 ** (i // 64 % 40 - 20)) for i in range(n)], f32)
    elif kind == "bounds":
        levels = B.get_4bit_type("nf4", device="cpu").numpy()
        bounds = (levels[1:] + levels[:-1]) / f32(2)
        near = [bounds, np.nextafter(bounds, f32(-2)), np.nextafter(bounds, f32(2)), [f32(1)]]
        near = np.concatenate(near).astype(f32)
        x[: len(near)] = near
    return x


def encode(x):
    codes, state = B.quantize_4bit(torch.tensor(x), quant_type="nf4", compress_statistics=True)
    _, plain = B.quantize_4bit(torch.tensor(x), quant_type="nf4", compress_statistics=False)
    reference = torch.ops.bitsandbytes.quantize_blockwise.default.redispatch
    fast = state.absmax
    state.absmax, state.state2.absmax = reference(REFERENCE, plain.absmax - state.offset, state.state2.code, 256)
    print(f"  {int((fast != state.absmax).sum())} of {len(fast)} scale codes differ on the fast path")
    exact = f32(plain.absmax.double().mean())
    return codes.flatten().numpy(), state, exact == f32(state.offset)


def fnv(data):
    state = 0xCBF29CE484222325
    for byte in data:
        state = (state ^ byte) * 0x100000001B3 % 2**64
    return f"{state:016x}"


CASES = [("plain", n) for n in (1, 2, 63, 64, 65, 127, 1000, 16384, 16593)] + [
    ("zeros", 64), ("zeros", 201), ("outlier", 700), ("denormal", 130), ("negative zero", 200), ("bounds", 64),
    ("bounds", 63), ("wide", 64 * 300),
]
lines = ["map " + B.create_dynamic_map().numpy().astype("<f4").tobytes().hex()]
for kind, n in CASES:
    print(kind, n)
    for seed in range(1, 100):
        x = elements(kind, n, seed)
        codes, state, is_exact = encode(x)
        if is_exact:
            break
    else:
        raise SystemExit("no seed with an exact mean")
    decoded = B.dequantize_4bit(torch.tensor(codes), state).flatten().numpy()
    lines += [
        f"case {n} {seed} {kind}",
        "codes " + codes.tobytes().hex(),
        "scale_codes " + state.absmax.numpy().tobytes().hex(),
        "offset " + np.array([state.offset], "<f4").tobytes().hex(),
        "scale_scales " + state.state2.absmax.numpy().astype("<f4").tobytes().hex(),
        "decoded " + fnv(decoded.astype("<f4").tobytes()),
    ]
OUT.parent.mkdir(exist_ok=True)
OUT.write_text("\n".join(lines) + "\n")
