"""Writes HDF5 files as other programs do, for test_hdf5_volume and test_hostile_files.

make_files.py good DIR    files of all kinds, and DIR/list.txt: file, dataset, dtype, channels, separated by blanks
make_files.py hostile DIR files that must be refused
make_files.py check FILE DATASET DTYPE C Z Y X [tables]   checks that the dataset holds the pattern (exit code 0)
Exit code 77: h5py is not installed.
"""
import os
import zlib
import sys

try:
    import h5py
    import numpy as np
except ImportError as error:
    print(error)
    sys.exit(77)

SHAPE = (23, 31, 37)
CHUNK = (8, 16, 10)


def pattern(channels, shape):
    c = np.arange(channels).reshape(-1, 1, 1, 1)
    z, y, x = (np.arange(n) for n in shape)
    z, y, x = z.reshape(-1, 1, 1), y.reshape(-1, 1), x
    return (z * 7 + y * 13 + x * 31 + c * 101 + z * y % 17 * x) % 251


def good(directory):
    listing = []
    values = pattern(1, SHAPE)[0]

    def add(name, data, dtype=None, path="volumes/raw", channels=1, file_options=None, **options):
        with h5py.File(os.path.join(directory, name), "w", **(file_options or {})) as f:
            f.create_dataset(path, data=data, **options)
        listing.append((name, "/" + path, dtype or str(data.dtype), channels))

    for dtype in ("u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f4"):
        data = values.astype(dtype)
        add(f"plain_{dtype}.h5", data)
        add(f"big_{dtype}.h5", values.astype(">" + dtype), str(data.dtype), chunks=CHUNK, compression="gzip")
        add(f"gzip_{dtype}.h5", data, chunks=CHUNK, compression="gzip", compression_opts=1)
        add(f"shuffled_{dtype}.h5", data, chunks=CHUNK, compression="gzip", compression_opts=9, shuffle=True)
    add("float64.h5", values.astype("f8"), "float32", chunks=CHUNK, compression="gzip")
    add("float64_plain.h5", values.astype("f8"), "float32")
    add("float16.h5", values.astype("f2"), "float32", chunks=CHUNK)
    u2 = values.astype("u2")
    add("chunked.h5", u2, chunks=CHUNK)
    add("fletcher.h5", u2, chunks=CHUNK, fletcher32=True)
    add("all_filters.h5", u2, chunks=CHUNK, compression="gzip", shuffle=True, fletcher32=True)
    add("scaleoffset.h5", u2, chunks=CHUNK, scaleoffset=0)
    add("growing.h5", u2, chunks=CHUNK, compression="gzip", maxshape=(None, None, None))
    add("growing_one.h5", u2, chunks=CHUNK, compression="gzip", maxshape=(None, 31, 37),
        file_options={"libver": "latest"})
    add("latest.h5", u2, chunks=CHUNK, compression="gzip", shuffle=True, file_options={"libver": "latest"})
    add("latest_unlimited.h5", u2, chunks=CHUNK, maxshape=(None, None, 37), file_options={"libver": "latest"})
    add("one_chunk.h5", u2, chunks=SHAPE, compression="gzip", file_options={"libver": "latest"})
    add("user_block.h5", u2, chunks=CHUNK, compression="gzip", file_options={"userblock_size": 512})
    add("root.h5", u2, path="x")
    add("channels.h5", pattern(3, SHAPE).astype("u1"), channels=3, chunks=(1,) + CHUNK, compression="gzip")
    add("channels_together.h5", pattern(5, SHAPE).astype("u2"), channels=5, chunks=(2,) + CHUNK, compression="gzip")
    add("channels_plain.h5", pattern(2, SHAPE).astype("f4"), channels=2)
    add("one_channel.h5", pattern(1, SHAPE).astype("u1"), channels=1, chunks=(1,) + CHUNK)

    with h5py.File(os.path.join(directory, "soft.h5"), "w") as f:
        f.create_dataset("a/data", data=u2, chunks=CHUNK)
        f["b"] = h5py.SoftLink("/a/data")
        f["c"] = h5py.SoftLink("/a")
        f["d"] = f["a/data"]
    listing += [("soft.h5", "/b", "uint16", 1), ("soft.h5", "/c/data", "uint16", 1), ("soft.h5", "/d", "uint16", 1)]

    # A virtual dataset over boxes of two files and of its own, as h5py makes them.
    os.makedirs(os.path.join(directory, "parts"))
    layout = h5py.VirtualLayout(shape=SHAPE, dtype="u2")
    for i, (first, last) in enumerate(((0, 9), (9, 20))):
        name = f"parts/{i}.h5"
        with h5py.File(os.path.join(directory, name), "w") as f:
            f.create_dataset("v", data=u2[first:last], chunks=(4, 16, 16), compression="gzip")
        layout[first:last] = h5py.VirtualSource(name, "v", shape=(last - first,) + SHAPE[1:])
    with h5py.File(os.path.join(directory, "virtual.h5"), "w", libver="latest") as f:
        f.create_dataset("own", data=u2[18:23])
        layout[20:23] = h5py.VirtualSource(".", "own", shape=(5,) + SHAPE[1:])[2:5]
        f.create_virtual_dataset("all", layout)
    listing.append(("virtual.h5", "/all", "uint16", 1))

    # Sparse: voxels that were never written read as the fill value.
    with h5py.File(os.path.join(directory, "sparse.h5"), "w") as f:
        f.create_dataset("never", shape=SHAPE, dtype="u2", chunks=CHUNK, compression="gzip", fillvalue=7)
        partly = f.create_dataset("partly", shape=SHAPE, dtype="i4", chunks=CHUNK, fillvalue=-5)
        partly[0:8, 0:16, 0:10] = values[0:8, 0:16, 0:10]
        f.create_dataset("contiguous", shape=SHAPE, dtype="u1", fillvalue=9)

    with h5py.File(os.path.join(directory, "bool.h5"), "w") as f:
        f.create_dataset("mask", data=values % 2 == 1, chunks=CHUNK, compression="gzip")
        f.create_dataset("plain", data=values % 2 == 1)

    with h5py.File(os.path.join(directory, "attributes.h5"), "w") as f:
        d = f.create_dataset("cremi", data=u2)
        d.attrs["resolution"] = np.array([40.0, 4.0, 4.0])
        d.attrs["offset"] = np.array([1480.0, 3644.0, 3644.0])
        d = f.create_dataset("ilastik", data=u2)
        d.attrs["element_size_um"] = np.array([0.04, 0.004, 0.005], dtype="f4")
        d = f.create_dataset("integers", data=u2)
        d.attrs["resolution"] = np.array([8, 8, 9])
        d = f.create_dataset("nonsense", data=u2)
        d.attrs["resolution"] = np.array([0.0, -1.0, np.nan])
        d = f.create_dataset("short", data=u2)
        d.attrs["resolution"] = "4 nm"
        d.attrs["offset"] = np.arange(70000.0)[:2]

    try:
        import tables
        for compressor in ("blosclz", "lz4", "lz4hc", "zlib", "zstd"):
            for shuffle in ("none", "byte", "bit"):
                name = f"blosc_{compressor}_{shuffle}.h5"
                filters = tables.Filters(complevel=5, complib="blosc:" + compressor, shuffle=shuffle == "byte",
                                         bitshuffle=shuffle == "bit")
                with tables.open_file(os.path.join(directory, name), "w") as f:
                    f.create_carray("/", "labels", obj=values.astype("u4"), chunkshape=CHUNK, filters=filters)
                listing.append((name, "/labels", "uint32", 1))
    except ImportError as error:
        print(error)

    with open(os.path.join(directory, "list.txt"), "w") as f:
        for entry in listing:
            print(*entry, file=f)


def hostile(directory):
    values = pattern(1, SHAPE)[0].astype("u1")

    def path(name):
        return os.path.join(directory, name)

    with h5py.File(path("secret.h5"), "w") as f:
        f["data"] = values
    with h5py.File(path("external_link.h5"), "w") as f:
        f["data"] = h5py.ExternalLink(path("secret.h5"), "/data")
        f["group"] = h5py.ExternalLink("secret.h5", "/")
        f["soft"] = h5py.SoftLink("/group/data")
        f["loop"] = h5py.SoftLink("/loop")
        f["dangling"] = h5py.SoftLink("/nowhere")
        f["honest"] = values
    with open(path("raw.bin"), "wb") as f:
        f.write(values.tobytes())
    with h5py.File(path("external_storage.h5"), "w") as f:
        f.create_dataset("data", shape=SHAPE, dtype="u1", external=[(path("raw.bin"), 0, values.size)])

    os.makedirs(path("inside"))
    os.symlink("../secret.h5", path("inside/link.h5"))
    os.mkfifo(path("inside/pipe.h5"))
    os.mkfifo(path("pipe.h5"))
    with h5py.File(path("inside/other_shape.h5"), "w") as f:
        f["data"] = values[:5]
    with h5py.File(path("inside/linked.h5"), "w") as f:
        f["data"] = h5py.ExternalLink("../secret.h5", "/data")
    sources = {"absolute": path("secret.h5"), "up": "../secret.h5", "symlink": "link.h5", "fifo": "pipe.h5",
               "missing": "nothing.h5", "other_shape": "other_shape.h5", "linked": "linked.h5"}
    for name, source in sources.items():
        layout = h5py.VirtualLayout(shape=SHAPE, dtype="u1")
        layout[:] = h5py.VirtualSource(source, "data", shape=SHAPE)
        with h5py.File(path(f"inside/virtual_{name}.h5"), "w", libver="latest") as f:
            f.create_virtual_dataset("data", layout)
    layout = h5py.VirtualLayout(shape=SHAPE, dtype="u1")
    layout[:10] = h5py.VirtualSource(".", "own", shape=(10,) + SHAPE[1:])
    with h5py.File(path("inside/virtual_hole.h5"), "w", libver="latest") as f:
        f["own"] = values[:10]
        f.create_virtual_dataset("data", layout)
    layout = h5py.VirtualLayout(shape=SHAPE, dtype="u1")
    layout[:] = h5py.VirtualSource(".", "data", shape=SHAPE)
    with h5py.File(path("inside/virtual_self.h5"), "w", libver="latest") as f:
        f.create_virtual_dataset("data", layout)
    layout = h5py.VirtualLayout(shape=SHAPE, dtype="u1")
    layout[::2] = h5py.VirtualSource(".", "own", shape=(12,) + SHAPE[1:])
    with h5py.File(path("inside/virtual_strided.h5"), "w", libver="latest") as f:
        f["own"] = values[:12]
        f.create_virtual_dataset("data", layout)
    # Sources of growing size: the library would open them to learn the shape.
    layout = h5py.VirtualLayout(shape=SHAPE, maxshape=(None,) + SHAPE[1:], dtype="u1")
    unlimited = h5py.h5s.UNLIMITED
    with h5py.File(path("inside/virtual_growing.h5"), "w", libver="latest") as f:
        create = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        space = h5py.h5s.create_simple(SHAPE, (unlimited,) + SHAPE[1:])
        space.select_hyperslab((0, 0, 0), (1, 1, 1), (1, 1, 1), (unlimited,) + SHAPE[1:])
        source = h5py.h5s.create_simple(SHAPE, (unlimited,) + SHAPE[1:])
        source.select_hyperslab((0, 0, 0), (1, 1, 1), (1, 1, 1), (unlimited,) + SHAPE[1:])
        create.set_virtual(space, b"pipe.h5", b"data", source)
        h5py.h5d.create(f.id, b"data", h5py.h5t.STD_U8LE, h5py.h5s.create_simple(SHAPE, (unlimited,) + SHAPE[1:]),
                        dcpl=create)

    with h5py.File(path("shapes.h5"), "w") as f:
        f["scalar"] = 5
        f["flat"] = np.zeros((4, 5), "u1")
        f["five"] = np.zeros((1, 1, 2, 2, 2), "u1")
        f["empty"] = np.zeros((4, 0, 5), "u1")
        f.create_dataset("huge", shape=(2**40, 2**20, 2**20), dtype="u1", chunks=(8, 8, 8))
        f.create_dataset("large", shape=(2**20, 2**20, 2**20), dtype="u1", chunks=(8, 8, 8), fillvalue=3)
        f.create_dataset("chunk", shape=(2**12, 2**12, 2**12), dtype="u1", chunks=(2**10, 2**11, 2**10))
        f.create_dataset("channels", shape=(2**17, 8, 8, 8), dtype="u1", chunks=(1, 8, 8, 8))
    with h5py.File(path("types.h5"), "w") as f:
        f["complex"] = np.zeros((2, 2, 2), "c8")
        f["records"] = np.zeros((2, 2, 2), [("a", "u1"), ("b", "f4")])
        f["text"] = np.zeros((2, 2, 2), "S5")
        f.create_dataset("ragged", shape=(2, 2, 2), dtype=h5py.vlen_dtype("u1"))
        f["long_double"] = np.zeros((2, 2, 2), np.longdouble)
        f.create_dataset("lzf", data=values, chunks=CHUNK, compression="lzf")
        f.create_group("volumes")
        f["volumes/raw"] = values
        f["volumes/labels"] = values.astype("u8")
    # Chunks that hold less than they should, of a type that the library converts.
    with h5py.File(path("short_chunks.h5"), "w") as f:
        for name, sums in (("data", False), ("sums", True)):
            d = f.create_dataset(name, shape=(6, 20, 20), dtype=">u2", chunks=(3, 20, 20), compression="gzip", fletcher32=sums)
            d[:] = 1
            for z in (0, 3):
                d.id.write_direct_chunk((z, 0, 0), zlib.compress(bytes(8)), filter_mask=2 if sums else 0)
    # Attributes of petavox that contradict the dataset.
    sound = {"petavox_format": [1], "petavox_fingerprint": np.array([1, 2], "u8"),
             "petavox_domain": [0, 0, 0, 23, 31, 37], "petavox_shard_shape": [24, 32, 40],
             "petavox_chunk_shape": [8, 16, 10], "petavox_shard": [0]}
    forged = {"newer": {"petavox_format": [2]}, "text_format": {"petavox_format": "one"},
              "no_codec": {}, "bad_codec": {"petavox_codec": np.bytes_("zstd one none")},
              "no_shards": {"petavox_shard_shape": [0, 0, 0]}, "far": {"petavox_domain": [-2**62, 0, 0, 2**62, 1, 1]},
              "other_place": {"petavox_domain": [0, 0, 0, 100, 100, 100]}, "no_such_shard": {"petavox_shard": [1]},
              "no_table": {}}
    with h5py.File(path("forged.h5"), "w") as f:
        for name, changes in forged.items():
            d = f.create_dataset(name, data=values, chunks=CHUNK)
            codec = {} if name == "no_codec" else {"petavox_codec": np.bytes_("none 0 none")}
            for key, value in {**sound, **codec, **changes}.items():
                d.attrs[key] = value

    with h5py.File(path("small.h5"), "w") as f:
        f.create_dataset("data", data=values[:6, :7, :8], chunks=(3, 4, 8), compression="gzip")
    with h5py.File(path("small_latest.h5"), "w", libver="latest") as f:
        f.create_dataset("data", data=values[:6, :7, :8], chunks=(3, 4, 8), compression="gzip")


def check(file, dataset, dtype, *shape):
    with h5py.File(file, "r") as f:
        data = f[dataset]
        c, z, y, x = (int(n) for n in shape[:4])
        expected = pattern(c, (z, y, x)).astype(dtype)
        if c == 1:
            expected = expected[0]
        assert data.shape == expected.shape, (data.shape, expected.shape)
        assert data.dtype == expected.dtype, (data.dtype, expected.dtype)
        found = data[...]
        assert (found == expected).all(), f"{(found != expected).sum()} of {found.size} voxels differ"
        axes = data.attrs["axes"]
        assert (axes.decode() if isinstance(axes, bytes) else axes) == ("zyx" if c == 1 else "czyx"), axes
        assert list(data.attrs["voxel_size_nm"]) == [40, 4, 4], data.attrs["voxel_size_nm"]
        assert list(data.attrs["resolution"]) == [40, 4, 4]
        assert len(data.attrs["offset"]) == 3


if __name__ == "__main__":
    command, arguments = sys.argv[1], sys.argv[2:]
    if arguments[-1] == "tables":
        arguments.pop()
        os.environ["HDF5_PLUGIN_PATH"] = "/nonexistent"
        try:
            import tables  # noqa: F401  registers blosc
        except ImportError as error:
            print(error)
            sys.exit(77)
    {"good": good, "hostile": hostile, "check": check}[command](*arguments)
