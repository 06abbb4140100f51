"""Reads checkpoints of TensorFlow ("V2 bundles") with NumPy alone.

`NAME.index` is a table of LevelDB (github.com/google/leveldb, doc/table_format.md): sorted keys, the names of the tensors, with a
message of protocol buffers each (tensorflow/core/protobuf/tensor_bundle.proto) that says type, shape and place.
`NAME.data-00000-of-0000N` are the values one behind the other. Every checksum is checked.
"""
import struct

import numpy

FOOTER_BYTES = 48
MAGIC = 0xDB4775248B80FB57
FLOAT = 1  # tensorflow/core/framework/types.proto


class BadCheckpoint(Exception):
    pass


def _crc_table():
    table = []
    for n in range(256):
        for _ in range(8):
            n = n >> 1 ^ (0x82F63B78 if n & 1 else 0)
        table.append(n)
    return table


_TABLE = _crc_table()


def masked_crc(data):
    """CRC-32C as LevelDB and TensorFlow store it: rotated, plus a constant."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 255] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def _varint(data, at):
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise BadCheckpoint("a number is cut short")
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at


def _block(data, handle, path):
    """The content of a block of the table; `handle`: (offset, size)."""
    offset, size = handle
    if offset + size + 5 > len(data):
        raise BadCheckpoint(f"{path}: a block reaches beyond the end; the file is cut short")
    content, kind = data[offset:offset + size], data[offset + size]
    if masked_crc(data[offset:offset + size + 1]) != struct.unpack_from("<I", data, offset + size + 1)[0]:
        raise BadCheckpoint(f"{path}: is damaged (a checksum differs)")
    if kind != 0:
        raise BadCheckpoint(f"{path}: a block is compressed (kind {kind}), which TensorFlow does not write")
    return content


def _entries(block):
    """(key, value) in order. Keys share the beginning of the key before."""
    restarts = struct.unpack_from("<I", block, len(block) - 4)[0]
    end, at, key = len(block) - 4 * (restarts + 1), 0, b""
    while at < end:
        shared, at = _varint(block, at)
        unshared, at = _varint(block, at)
        length, at = _varint(block, at)
        if shared > len(key) or at + unshared + length > end:
            raise BadCheckpoint("an entry of the index is malformed")
        key = key[:shared] + block[at:at + unshared]
        at += unshared
        yield key, block[at:at + length]
        at += length


def _message(data):
    """Fields of a protocol buffer: number -> list of values (integers or bytes)."""
    fields, at = {}, 0
    while at < len(data):
        tag, at = _varint(data, at)
        wire = tag & 7
        if wire == 0:
            value, at = _varint(data, at)
        elif wire == 2:
            length, at = _varint(data, at)
            value, at = data[at:at + length], at + length
        elif wire in (1, 5):
            width = 8 if wire == 1 else 4
            value, at = int.from_bytes(data[at:at + width], "little"), at + width
        else:
            raise BadCheckpoint("a message of the index is malformed")
        if at > len(data):
            raise BadCheckpoint("a message of the index is cut short")
        fields.setdefault(tag >> 3, []).append(value)
    return fields


def _first(fields, number, missing=0):
    return fields.get(number, [missing])[0]


def read_bundle(prefix):
    """name -> float32 array; `prefix`: the path without ".index". Tensors of other types (counters) are left out."""
    path = prefix + ".index"
    with open(path, "rb") as file:
        data = file.read()
    if len(data) < FOOTER_BYTES or struct.unpack_from("<Q", data, len(data) - 8)[0] != MAGIC:
        raise BadCheckpoint(f"{path}: is not the index of a checkpoint (the table's magic number is missing)")
    footer = data[-FOOTER_BYTES:]
    at, handle = 0, []
    for _ in range(4):
        value, at = _varint(footer, at)
        handle.append(value)
    records = []
    for _, where in _entries(_block(data, handle[2:], path)):
        offset, at = _varint(where, 0)
        size, _ = _varint(where, at)
        records += _entries(_block(data, (offset, size), path))
    if not records or records[0][0] != b"":
        raise BadCheckpoint(f"{path}: has no header")
    header = _message(records[0][1])
    num_shards = _first(header, 1)
    if _first(header, 2) != 0:
        raise BadCheckpoint(f"{path}: the tensors are big-endian, which this program does not read")
    shards = {}
    tensors = {}
    for key, value in records[1:]:
        name, entry = key.decode(), _message(value)
        if _first(entry, 1) != FLOAT:
            continue
        shape = [_first(_message(dim), 1) for dim in _message(_first(entry, 2, b"")).get(2, [])]
        shard, offset, size = _first(entry, 3), _first(entry, 4), _first(entry, 5)
        if shard not in shards:
            with open(f"{prefix}.data-{shard:05d}-of-{num_shards:05d}", "rb") as file:
                shards[shard] = file.read()
        raw = shards[shard][offset:offset + size]
        if len(raw) != size or size != 4 * int(numpy.prod(shape, dtype=numpy.int64)):
            raise BadCheckpoint(f"{path}: tensor {name} does not have the size of its shape, or its data are cut short")
        if masked_crc(raw) != _first(entry, 6):
            raise BadCheckpoint(f"{path}: tensor {name} is damaged (a checksum differs)")
        tensors[name] = numpy.frombuffer(raw, "<f4").reshape(shape)
    return tensors
