"""What the network learns: affinities between voxels at given offsets or the classes of voxels, and the loss."""
import numpy
import torch
from torch.nn import functional

# Voxel v and v - offset belong to the same object. The first three are the affinities that petavox segments with; the
# long-range ones make the network look at shape (Lee et al. 2017, arXiv:1706.00120).
OFFSETS = {
    "isotropic": [[1, 0, 0], [0, 1, 0], [0, 0, 1], [4, 0, 0], [0, 4, 0], [0, 0, 4], [10, 0, 0], [0, 10, 0], [0, 0, 10]],
    "serial": [[1, 0, 0], [0, 1, 0], [0, 0, 1], [2, 0, 0], [0, 4, 0], [0, 0, 4], [3, 0, 0], [0, 10, 0], [0, 0, 10]],
}


class Affinities:
    """Does voxel v belong to the same object as v - offset? The nearest are segmented with, the others only help to learn."""

    def __init__(self, preset):
        self.offsets = OFFSETS[preset]
        self.num_outputs, self.num_main = len(self.offsets), 3

    def target(self, labels):
        return affinities(labels, self.offsets)

    def output(self):
        return {"name": "affinities", "layer": "result", "kind": "affinities", "offsets": self.offsets}


class Classes:
    """Of which class is a voxel? `text`: "NAME=VALUE+VALUE,NAME=VALUE" says which values of the labels are which class."""

    def __init__(self, text):
        self.names, self.values = [], []
        for k, part in enumerate(text.split(",")):
            name, _, values = part.partition("=")
            try:
                self.values.append([int(v) for v in values.split("+")] if values else [k + 1])
            except ValueError:
                raise SystemExit(f"'{part}' is not a class (its values are whole numbers); write NAME=VALUE or NAME=VALUE+VALUE")
            self.names.append(name.strip())
        every = sorted(v for values in self.values for v in values)
        if "" in self.names or len(set(self.names)) < len(self.names) or len(set(every)) < len(every):
            raise SystemExit(f"'{text}' names a class or a value twice, or not at all (each voxel has one class); change --classes")
        self.num_outputs = self.num_main = len(self.names)

    def target(self, labels):
        """labels (z, y, x) -> target and known, both (classes, z, y, x) uint8. Values of no class are unknown."""
        target = numpy.stack([numpy.isin(labels, values) for values in self.values]).astype(numpy.uint8)
        return target, numpy.broadcast_to(target.any(0), target.shape).astype(numpy.uint8)

    def output(self):
        return {"name": "classes", "layer": "result", "kind": "probabilities", "classes": self.names}


def affinities(labels, offsets):
    """labels (z, y, x), 0 = unknown -> target and known, both (len(offsets), z, y, x) uint8."""
    target = numpy.zeros((len(offsets),) + labels.shape, numpy.uint8)
    known = numpy.zeros_like(target)
    for k, offset in enumerate(offsets):
        here = tuple(slice(o, None) for o in offset)
        there = tuple(slice(None, max(0, n - o)) for o, n in zip(offset, labels.shape))
        a, b = labels[here], labels[there]
        target[k][here] = a == b
        known[k][here] = (a != 0) & (b != 0)
    return target, known


def balanced_loss(logits, target, known, floor=0.05):
    """Cross entropy in which the cut and the joined pairs of each channel weigh the same.

    The rarer class never counts more than 1/floor times: a patch with a handful of cut pairs is not all about them.
    """
    target = target.to(logits.dtype)
    known = known.to(logits.dtype)
    axes = (0, 2, 3, 4)
    total = known.sum(axes, keepdim=True).clamp(min=1)
    joined = ((target * known).sum(axes, keepdim=True) / total).clamp(floor, 1 - floor)
    weight = known * (target * 0.5 / joined + (1 - target) * 0.5 / (1 - joined))
    each = functional.binary_cross_entropy_with_logits(logits, target, weight=weight, reduction="none")
    return each.sum(axes) / total.flatten()


def scores(logits, target, known):
    """Per channel: how often joined pairs are called joined, and cut pairs cut, at probability 0.5."""
    called = logits > 0
    target, known = target.bool(), known.bool()
    right_joined = (called & target & known).sum((0, 2, 3, 4)) / (target & known).sum((0, 2, 3, 4)).clamp(min=1)
    right_cut = (~called & ~target & known).sum((0, 2, 3, 4)) / (~target & known).sum((0, 2, 3, 4)).clamp(min=1)
    return torch.stack([right_joined, right_cut])
