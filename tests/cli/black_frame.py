#!/usr/bin/env python3
"""Turns twelve sections of isbi2012 by 12 degrees within a larger frame of zeros, cut off raggedly on one side: /raw and /labels.

Usage: black_frame.py SECTIONS.h5 OUT.h5
"""
import math
import sys

import h5py
import numpy

FRAME, SECTIONS, ANGLE = 640, 12, math.radians(12)


def main():
    with h5py.File(sys.argv[1]) as file:
        raw, labels = file["raw"][:SECTIONS], file["labels_cc"][:SECTIONS]
    height, width = raw.shape[1:]
    y, x = numpy.mgrid[:FRAME, :FRAME] - (FRAME - 1) / 2
    # The nearest pixel: grey values stay what they are.
    from_y = numpy.rint(math.cos(ANGLE) * y - math.sin(ANGLE) * x + (height - 1) / 2).astype(int)
    from_x = numpy.rint(math.sin(ANGLE) * y + math.cos(ANGLE) * x + (width - 1) / 2).astype(int)
    inside = (from_y >= 0) & (from_y < height) & (from_x >= 0) & (from_x < width)
    rng = numpy.random.default_rng(0)
    out = {"raw": numpy.zeros((SECTIONS, FRAME, FRAME), numpy.uint8), "labels": numpy.zeros((SECTIONS, FRAME, FRAME), labels.dtype)}
    for z in range(SECTIONS):
        shown = inside.copy()
        shown[:, :64 + rng.integers(30)] = False
        out["raw"][z][shown] = numpy.maximum(raw[z], 1)[from_y[shown], from_x[shown]]
        out["labels"][z][shown] = labels[z][from_y[shown], from_x[shown]]
    with h5py.File(sys.argv[2], "w") as file:
        for name, values in out.items():
            file[name] = values


if __name__ == "__main__":
    main()
