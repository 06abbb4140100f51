"""Squared Euclidean distance to the nearest voxel of another label. The peer has no bound: with the same one as ours the
results agree where it is not reached."""

import numpy

import harness

PACKAGES = ["edt"]
BOUND_NM = 300


def cases(inputs):
    import edt

    for name in inputs.labels():
        names = inputs.load(name, "labels")
        # 32-bit labels for both.
        ids = numpy.unique(names, return_inverse=True)[1].reshape(names.shape).astype(numpy.uint32)
        if names.min() > 0:
            ids += 1
        for size in ((10, 10, 10), (40, 10, 10)):
            unit = 10

            def agree(ours, theirs, unit=unit):
                bound = (BOUND_NM / unit) ** 2
                theirs = numpy.minimum(theirs / unit**2, bound + 1)
                same = numpy.abs(numpy.asarray(ours) - theirs) < 0.5
                return f"{100 * same.mean():.4f} % equal up to the bound"

            yield harness.Case(f"distance {name} {'x'.join(map(str, size))} nm", ids.size / 1e6,
                               ["distance", f"bound={BOUND_NM}", f"z={size[0]}", f"y={size[1]}", f"x={size[2]}",
                                inputs.path(name, "labels")],
                               {"edt": lambda ids=ids, size=size: edt.edtsq(ids, anisotropy=size, parallel=1)},
                               {"edt": agree})
