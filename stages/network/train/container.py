"""Writes models as petavox reads them: docs/formats.md, "Model". The same checks as the reader's are not repeated here."""
import json
import struct
import zlib

import numpy

MAGIC = b"PVXMODEL"
VERSION = 1
ALIGNMENT = 64
DTYPES = {"float16": "<f2", "float32": "<f4", "uint8": "u1"}


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


def read_model(path):
    """(header, tensors) of a container: the metadata with its layers, and name -> float32 array. Raises ValueError."""
    with open(path, "rb") as file:
        content = file.read()
    start = len(MAGIC) + struct.calcsize("<IIQII")
    if len(content) < start or not content.startswith(MAGIC):
        raise ValueError(f"{path} is not a model of petavox (it does not begin with {MAGIC.decode()}); give a .pvm file")
    version, text_size, blob_size, text_sum, blob_sum = struct.unpack("<IIQII", content[len(MAGIC):start])
    if version != VERSION:
        raise ValueError(f"{path} is a model of version {version} (this program knows {VERSION}); export it again")
    text, blob = content[start:start + text_size], content[start + text_size:]
    if len(text) != text_size or len(blob) != blob_size or zlib.crc32(text) != text_sum or zlib.crc32(blob) != blob_sum:
        raise ValueError(f"{path} is damaged (its length or checksum is wrong); copy it again")
    header = json.loads(text)
    tensors = {}
    for name, entry in header["tensors"].items():
        if entry["dtype"] not in ("float16", "float32"):
            raise ValueError(f"{path} holds a program, not layers (there are no weights to go on from); give another model")
        data = numpy.frombuffer(blob, DTYPES[entry["dtype"]], int(numpy.prod(entry["shape"])), entry["offset"])
        tensors[name] = data.astype(numpy.float32).reshape(entry["shape"])
    return header, tensors


def write_model(path, header, layers, tensors, store="float16"):
    """Writes the container. `header`: the metadata; `tensors`: name -> array, float32 (biases stay float32) or uint8 (a program)."""
    blob, entries = bytearray(), {}
    for name, tensor in tensors.items():
        dtype = "uint8" if tensor.dtype == numpy.uint8 else "float32" if tensor.ndim == 1 else store
        data = numpy.ascontiguousarray(tensor, dtype=DTYPES[dtype])
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
