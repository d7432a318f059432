"""Reads any tensor of a quantized.safetensors as float32, with numpy alone; docs/formats.md describes the layout.

    python scripts/read_quantized.py FOLDER/quantized.safetensors [TENSOR]
"""

import json
import sys

import numpy as np

F = np.float32
DTYPES = {"F32": "<f4", "F16": "<f2", "I8": "i1", "U8": "u1"}
NF4 = np.array([-1, -0.6961928, -0.52507305, -0.3949175, -0.28444138, -0.18477343, -0.091050036, 0, 0.0795803,
                0.1609302, 0.2461123, 0.33791524, 0.44070983, 0.562617, 0.72295684, 1], F)
INT4 = np.array([-7, -7, -6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 7], F)


def dynamic_map():
    """The 256 values that the scales of NF4 are stored as."""
    values = [F(0), F(1)]
    for i in range(7):
        count, decade = 2**i + 1, F(f"1e{i - 6}")
        step, at = (F(1) - F(0.1)) / F(count - 1), np.arange(count)
        # float64 holds the product of two float32 exactly, so each edge is rounded once.
        low, high = np.float64(F(0.1)) + np.float64(step) * at, 1 - np.float64(step) * (count - 1 - at)
        edges = np.where(at < count // 2, low, high).astype(F)
        means = decade * ((edges[:-1] + edges[1:]) / F(2))
        values += [*means, *-means]
    return np.sort(np.array(values, F))


def read(path, name):
    with open(path, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        start = file.tell()

        def raw(name):
            begin, end = header[name]["data_offsets"]
            file.seek(start + begin)
            return np.frombuffer(file.read(end - begin), DTYPES[header[name]["dtype"]])

        entry = json.loads(header["__metadata__"].get("filbert.quantized", "{}")).get(name)
        if entry is None:
            return raw(name).astype(F).reshape(header[name]["shape"])
        shape, scales = entry["shape"], raw(f"{name}.scales")
        if entry["scheme"] == "int8":
            return raw(name).reshape(shape).astype(F) * scales[:, None]
        length = shape[0] * shape[1]
        codes = np.stack([raw(name) >> 4, raw(name) & 15], axis=1).reshape(-1)[:length]
        if entry["scheme"] == "int4":
            levels, group, scales = INT4, entry["group"], scales.astype(F)
        else:
            levels, group, offset = NF4, 64, raw(f"{name}.scale_offset")[0]
            block = np.repeat(raw(f"{name}.scale_scales"), 256)[: len(scales)]
            scales = dynamic_map()[scales] * block + offset
        return (levels[codes] * np.repeat(scales, group)[:length]).reshape(shape)


if __name__ == "__main__":
    path, *wanted = sys.argv[1:]
    with open(path, "rb") as file:
        known = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    for name in wanted or [name for name in known if name != "__metadata__"]:
        if name not in known:
            sys.exit(f"{path}: no tensor {name}")
        values = read(path, name)
        print(name, list(values.shape), f"mean {values.mean():.6g}, largest {np.abs(values).max():.6g}")
