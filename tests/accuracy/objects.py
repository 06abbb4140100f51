#!/usr/bin/env python3
"""Object by object, how two segmentations of one place agree.

    objects.py OURS.h5:/data THEIRS.h5:/dataset --box 174:234,16:234,16:234 [--begin 158,0,0] [--least 1000] [--truth F.h5:/labels]

Boxes are in voxels of THEIRS (z,y,x, end excluded); OURS begins at --begin of it. Prints, over the box: how much of the
foreground of THEIRS is one of OURS; variation of information (split, merge, bits) over voxels that are foreground in both;
recall and precision, an object of at least --least voxels being found if one of the other's overlaps it with an intersection over
union above a half; with --truth the variation of information of each against it, over its own foreground. Final volumes of petavox
(compressed by Blosc) need the package hdf5plugin.
"""
import argparse

import h5py
import numpy as np

try:
    import hdf5plugin  # noqa: F401  registers the filter
except ImportError:
    pass


def read(text, box):
    path, dataset = text.rsplit(":", 1)
    with h5py.File(path) as f:
        return f[dataset][box].astype(np.int64)


def variation(a, b):
    """H(a | b), H(b | a): what a splits and merges of b."""
    _, pairs = np.unique(np.stack([a, b]), axis=1, return_counts=True)
    entropy = lambda counts: -(counts / counts.sum() * np.log2(counts / counts.sum())).sum()
    of_a, of_b = (entropy(np.unique(v, return_counts=True)[1]) for v in (a, b))
    return entropy(pairs) - of_b, entropy(pairs) - of_a


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ours")
    parser.add_argument("theirs")
    parser.add_argument("--box", required=True)
    parser.add_argument("--begin", default="0,0,0")
    parser.add_argument("--least", type=int, default=1000)
    parser.add_argument("--truth")
    args = parser.parse_args()
    begin = [int(v) for v in args.begin.split(",")]
    ends = [[int(v) for v in axis.split(":")] for axis in args.box.split(",")]
    box = tuple(slice(a, b) for a, b in ends)
    ours = read(args.ours, tuple(slice(a - o, b - o) for (a, b), o in zip(ends, begin)))
    theirs = read(args.theirs, box)
    both = (ours > 0) & (theirs > 0)
    print(f"foreground of theirs that is ours too: {both.sum() / (theirs > 0).sum():.3f}")
    print("variation of information, foreground of both: split {:.3f}, merge {:.3f}".format(*variation(ours[both], theirs[both])))
    sizes = [dict(zip(*np.unique(v[v > 0], return_counts=True))) for v in (ours, theirs)]
    found = [{k: False for k, n in size.items() if n >= args.least} for size in sizes]
    held = {k: 0.0 for k in found[1]}
    pairs, shared = np.unique(np.stack([ours[both], theirs[both]]), axis=1, return_counts=True)
    for (a, b), n in zip(pairs.T, shared):
        if b in held:
            held[b] = max(held[b], n / sizes[1][b])
        if 2 * n > sizes[0][a] + sizes[1][b] - n:
            for side, k in zip(found, (a, b)):
                if k in side:
                    side[k] = True
    for name, side in (("recall, theirs", found[1]), ("precision, ours", found[0])):
        print(f"{name}: {sum(side.values())} of {len(side)} objects of at least {args.least} voxels, {np.mean(list(side.values())):.2f}")
    print(f"of theirs an object of ours holds more than half: {sum(v > 0.5 for v in held.values())}; in the median {np.median(list(held.values())):.3f}")
    if args.truth:
        truth = read(args.truth, box)
        for name, v in (("ours", ours), ("theirs", theirs)):
            at = (truth > 0) & (v > 0)
            print("{} against the truth, own foreground: split {:.3f}, merge {:.3f}".format(name, *variation(v[at], truth[at])))


if __name__ == "__main__":
    main()
