"""Ids to names by a table, and names to ids, against fastremap and NumPy."""

import numpy

from harness import Case, same_partition

PACKAGES = ["fastremap"]


def cases(inputs):
    try:
        import fastremap
    except ImportError:
        fastremap = None
    for name in inputs.labels():
        path = inputs.path(name, "labels")
        labels = inputs.load(name, "labels")
        names, ids = numpy.unique(labels, return_inverse=True)
        ids = ids.reshape(labels.shape).astype(numpy.uint32)
        ids64 = ids.astype(numpy.uint64)
        equal = lambda ours, theirs: "same values" if numpy.array_equal(ours, theirs) else "DIFFERENT"
        peers = {"numpy take": lambda: numpy.take(names, ids)}
        if fastremap:
            table = {i: int(value) for i, value in enumerate(names)}
            peers["fastremap remap"] = lambda: fastremap.remap(ids64, table)
        yield Case(f"ids to names u32 to u64, {name}", labels.size / 1e6, ["expand", path], peers,
                   {peer: equal for peer in peers})
        if fastremap:
            yield Case(f"names to ids u64 to u32, {name}", labels.size / 1e6, ["compact", path],
                       {"fastremap renumber": lambda: fastremap.renumber(labels)[0]},
                       {"fastremap renumber": same_partition})
