"""Writes models as petavox reads them: docs/formats.md, "Model". The same checks as the reader's are not repeated here."""
import json
import struct
import zlib

import numpy

MAGIC = b"PVXMODEL"
VERSION = 1
ALIGNMENT = 64


def receptive_halo(layers, output, multiple):
    """Voxels beyond a period of the output, on either side of each axis, that it depends on (the larger side)."""
    by_name = {layer["name"]: layer for layer in layers}
    halo = []
    for axis in range(3):
        # Interval of each layer's own voxels that a period of the output needs, from the output back to the image.
        needs = {output: (0, multiple[axis])}
        for layer in reversed(layers):
            if layer["name"] not in needs:
                continue
            low, high = needs[layer["name"]]
            if layer["op"] == "conv":
                low, high = low - layer["kernel"][axis] // 2, high + layer["kernel"][axis] // 2
            elif layer["op"] == "max_pool":
                low, high = low * layer["factor"][axis], high * layer["factor"][axis]
            elif layer["op"] == "upsample":
                low, high = low // layer["factor"][axis], -(-high // layer["factor"][axis])
            for source in layer["inputs"]:
                old = needs.get(source, (low, high))
                needs[source] = (min(old[0], low), max(old[1], high))
        roots = [needs[name] for name in needs if name not in by_name]
        halo.append(max(max(-low, high - multiple[axis]) for low, high in roots))
    return halo


def write_model(path, header, layers, tensors, store="float16"):
    """Writes the container. `header`: the metadata; `tensors`: name -> array, float32 (biases stay float32)."""
    blob, entries = bytearray(), {}
    for name, tensor in tensors.items():
        dtype = "float32" if tensor.ndim == 1 else store
        data = numpy.ascontiguousarray(tensor, dtype="<f2" if dtype == "float16" else "<f4")
        if not numpy.isfinite(data).all():
            raise ValueError(f"{name} has values that are not finite (training diverged, or {dtype} is too narrow)")
        blob += b"\0" * (-len(blob) % ALIGNMENT)
        entries[name] = {"dtype": dtype, "shape": list(tensor.shape), "offset": len(blob)}
        blob += data.tobytes()
    document = dict(header, layers=layers, tensors=entries)
    text = json.dumps(document, indent=1).encode()
    text += b" " * (-(len(text) + 32) % ALIGNMENT)
    with open(path, "wb") as file:
        file.write(MAGIC + struct.pack("<IIQII", VERSION, len(text), len(blob), zlib.crc32(text), zlib.crc32(blob)))
        file.write(text)
        file.write(blob)
