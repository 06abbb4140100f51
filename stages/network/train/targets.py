"""What the network learns: affinities between voxels at given offsets, and the loss."""
import numpy
import torch
from torch.nn import functional

# Voxel v and v - offset belong to the same object. The first three are the affinities that petavox segments with; the
# long-range ones make the network look at shape (Lee et al. 2017, arXiv:1706.00120).
OFFSETS = {
    "isotropic": [[1, 0, 0], [0, 1, 0], [0, 0, 1], [4, 0, 0], [0, 4, 0], [0, 0, 4], [10, 0, 0], [0, 10, 0], [0, 0, 10]],
    "serial": [[1, 0, 0], [0, 1, 0], [0, 0, 1], [2, 0, 0], [0, 4, 0], [0, 0, 4], [3, 0, 0], [0, 10, 0], [0, 0, 10]],
}


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
