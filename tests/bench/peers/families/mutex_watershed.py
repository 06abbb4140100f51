"""Mutex watershed with 3 + 9 offsets. The peer gets weights in float64 whose last bits say our order of equal ones, so
the partitions must be the same. Up to 192 voxels a side: it holds every edge."""

import numpy

import harness

PACKAGES = ["mwatershed"]
OFFSETS = [(-1, 0, 0), (0, -1, 0), (0, 0, -1), (-6, 0, 0), (0, -6, 0), (0, 0, -6), (-6, -6, 0), (-6, 0, -6), (0, -6, -6),
           (-12, 0, 0), (0, -12, 0), (0, 0, -12)]


def signed(path, stride):
    """Attractive edges above 0, repulsive below; by magnitude in the order (weight, channel, raster)."""
    affinities = numpy.load(path).astype(numpy.float64)
    order = numpy.arange(affinities.size, dtype=numpy.float64).reshape(affinities.shape)
    affinities[3:] = 255 - affinities[3:]
    affinities += 1 - (order + 1) / (affinities.size + 2)
    affinities /= 256
    affinities[3:] *= -1
    return affinities


def cases(inputs):
    offsets = "/".join(",".join(map(str, offset)) for offset in OFFSETS)
    for name in inputs.affinities():
        base = inputs.path(name, "affinities")
        voxels = numpy.load(base, mmap_mode="r")[0].size
        path = inputs.folder / f"{name}_long_range.npy"
        if not path.exists():
            inputs._ours(path, "long_range", f"offsets={offsets}", base)
        for stride in (2, 1):
            peers = {}
            if voxels <= 192**3:
                import mwatershed

                strides = [[1, 1, 1]] * 3 + [[stride] * 3] * 9
                values = signed(path, stride)
                peers["mwatershed"] = lambda v=values, s=strides: mwatershed.agglom(v, [list(o) for o in OFFSETS], strides=s)
            yield harness.Case(f"mutex_watershed {name}, 3 + 9 offsets, stride {stride}", voxels / 1e6,
                               ["mutex_watershed", f"offsets={offsets}", f"stride={stride}", base], peers,
                               {"mwatershed": harness.same_partition})
