#!/usr/bin/env python3
"""Rounding errors of Winograd's method in three dimensions, for several tiles and points: docs/decisions/0025-winograd.md.

The transforms of F(m, 3) at given points are made by the construction of Toom and Cook in fractions, checked against the
definition, and run in float32 on one layer of 32 random channels (after a relu) and 8 of its results; errors are those against
float64, the results having a standard deviation of about 1. Needs NumPy.
"""
import itertools
from fractions import Fraction

import numpy as np

TAPS = 3


def polynomial(roots):
    """Coefficients of the product of (x - root), constant first."""
    c = [Fraction(1)]
    for root in roots:
        longer = [Fraction(0)] * (len(c) + 1)
        for i, v in enumerate(c):
            longer[i + 1] += v
            longer[i] -= root * v
        c = longer
    return c


def transforms(points):
    """Result, filter and input transforms at the points and infinity: y = A ((G g) * (B d))."""
    m = len(points) + 2 - TAPS
    n = m + TAPS - 1
    others = [[q for q in points if q != p] for p in points]
    at_infinity = lambda size: [Fraction(int(i == size - 1)) for i in range(size)]
    a = [[p**i for p in points] + [Fraction(int(i == m - 1))] for i in range(m)]
    g = [[p**i / np.prod([p - q for q in o]) for i in range(TAPS)] for p, o in zip(points, others)] + [at_infinity(TAPS)]
    b = [polynomial(o) + [Fraction(0)] for o in others] + [polynomial(points)]
    a, g, b = (np.array([[float(v) for v in row] for row in matrix]) for matrix in (a, g, b))
    d, f = np.arange(1.0, n + 1), np.array([2.0, -3.0, 5.0])
    assert np.allclose(a @ ((g @ f) * (b @ d)), [d[i:i + TAPS] @ f for i in range(m)])
    return a, g, b


def apply(matrices, values, first):
    for axis, matrix in enumerate(matrices, first):
        values = np.moveaxis(np.tensordot(matrix.astype(values.dtype), values, (1, axis)), 0, axis)
    return values


def error(points):
    """Root mean square and largest error of a layer, points along z, y and x."""
    random = np.random.default_rng(0)
    a, g, b = zip(*(transforms(p) for p in points))
    sizes = tuple(len(m) for m in a)
    data = np.maximum(random.standard_normal((200, 32, *(s + TAPS - 1 for s in sizes))), 0).astype(np.float32)
    filters = (random.standard_normal((8, 32, TAPS, TAPS, TAPS)) / np.sqrt(27 * 32 / 2)).astype(np.float32)
    expected = sum(np.einsum("tczyx,oc->tozyx", data[:, :, z:z + sizes[0], y:y + sizes[1], x:x + sizes[2]].astype(float),
                             filters[:, :, z, y, x].astype(float))
                   for z, y, x in itertools.product(range(TAPS), repeat=3))
    products = np.einsum("tcpqr,ocpqr->topqr", apply(b, data, 2), apply(g, filters.astype(float), 2).astype(np.float32),
                         dtype=np.float32)
    difference = apply(a, products, 2) - expected
    return np.sqrt((difference**2).mean()), np.abs(difference).max()


def main():
    half, two = Fraction(1, 2), Fraction(2)
    short = [Fraction(v) for v in (0, 1, -1)]
    usual, chosen = short + [two, -two], short + [half, -two]
    for name, points in (("2x2x2", (short,) * 3), ("2x4x4, 0 1 -1 2 -2", (short, usual, usual)),
                         ("2x4x4, 0 1 -1 1/2 -2", (short, chosen, chosen)), ("4x4x4, 0 1 -1 2 -2", (usual,) * 3),
                         ("4x4x4, 0 1 -1 1/2 -2", (chosen,) * 3)):
        print("{:24} {:.1e} root mean square, {:.1e} at most".format(name, *error(points)))


if __name__ == "__main__":
    main()
