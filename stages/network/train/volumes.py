"""Volumes of raw and labels in HDF5, and patches of them."""
import h5py
import numpy

import augment


def parse_box(text, shape):
    """"z0:z1,y0:y1,x0:x1" (":" for all of an axis) -> slices."""
    parts = text.split(",")
    if len(parts) != 3:
        raise SystemExit(f"'{text}' is not a box (three ranges are needed); write z0:z1,y0:y1,x0:x1, for example 0:160,:,:")
    box = []
    for part, extent in zip(parts, shape):
        begin, _, end = part.partition(":")
        box.append(slice(int(begin or 0), int(end or extent)))
        if not 0 <= box[-1].start < box[-1].stop <= extent:
            raise SystemExit(f"'{text}' is not within the volume of {'x'.join(map(str, shape))} voxels; choose a box inside it")
    return tuple(box)


def read_dataset(where, box=None):
    path, _, name = where.rpartition(":")
    if not path:
        raise SystemExit(f"'{where}' names no dataset; write FILE.h5:/dataset")
    with h5py.File(path, "r") as file:
        data = file[name]
        if data.ndim != 3:
            raise SystemExit(f"{where} has {data.ndim} axes (a volume has three: z, y, x); choose another dataset")
        return data[parse_box(box, data.shape) if box else ...]


class TrainingVolume:
    """One volume in memory: raw standardised to mean 0 and deviation 1, labels with 0 = unknown.

    `objects`: labels tell objects apart and mean nothing else, so they are numbered anew.
    """

    def __init__(self, raw, labels, box, objects=True):
        self.raw = read_dataset(raw, box)
        self.labels = read_dataset(labels, box)
        if self.raw.shape != self.labels.shape:
            raise SystemExit(f"{raw} and {labels} have different shapes; they must be of the same voxels")
        self.mean, self.deviation = float(self.raw.mean()), float(self.raw.std())
        self.raw = ((self.raw - self.mean) / self.deviation).astype(numpy.float32)
        if objects:
            _, dense = numpy.unique(self.labels, return_inverse=True)
            offset = 0 if (self.labels == 0).any() else 1
            self.labels = dense.reshape(self.labels.shape) + offset
        self.labels = self.labels.astype(numpy.int32)

    def patch(self, shape, rng, axes=(0, 1, 2)):
        """A random patch of this shape after `axes` have been brought into that order."""
        raw, labels = self.raw.transpose(axes), self.labels.transpose(axes)
        shape = [min(n, extent) for n, extent in zip(shape, raw.shape)]
        at = tuple(slice(b, b + n) for b, n in
                   ((int(rng.integers(extent - n + 1)), n) for n, extent in zip(shape, raw.shape)))
        return raw[at], labels[at]

    def section_patch(self, shape, rng, thinning):
        """A patch as serial sections would show it: every so many planes of an isotropic volume, cut along any axis.

        A section is seen in projection through its thickness, hence the mean of its planes; its truth is the middle one.
        """
        while True:
            axes = rng.permutation(3)
            step = int(rng.integers(thinning[0], thinning[1] + 1))
            if self.raw.shape[axes[0]] >= step * shape[0] and all(
                    self.raw.shape[a] >= n for a, n in zip(axes[1:], shape[1:])):
                break
            if self.raw.shape[0] < thinning[0] * shape[0] and min(self.raw.shape) < thinning[0] * shape[0]:
                raise SystemExit("The volume is too small for this patch and thinning; choose a smaller --patch")
        raw, labels = self.patch([shape[0] * step] + list(shape[1:]), rng, axes)
        thickness = int(rng.integers(1, step + 1))
        first = (step - thickness) // 2
        planes = [raw[first + k::step][:shape[0]] for k in range(thickness)]
        return numpy.mean(planes, axis=0), labels[first + thickness // 2::step][:shape[0]]


def sample(volume, shape, rng, preset, thinning, changed=True):
    """A patch (raw float32, labels), augmented if `changed`."""
    # Sections with surroundings, so that turning and shrinking find tissue there and no mirror image.
    around = [shape[0]] + [n * 5 // 4 for n in shape[1:]] if changed and preset == "serial" else shape
    if thinning:
        # Cut along any axis: no longer than the shortest one, where the patch itself is not.
        raw, labels = volume.section_patch([max(n, min(m, *volume.raw.shape)) for n, m in zip(shape, around)], rng, thinning)
        spread = float(raw.std())
        raw = (raw - raw.mean()) / max(spread, 1e-3)
    else:
        raw, labels = volume.patch(around, rng)
    if changed:
        return augment.augmented(raw, labels, rng, preset, shape)
    return numpy.ascontiguousarray(raw, numpy.float32), numpy.ascontiguousarray(labels)
