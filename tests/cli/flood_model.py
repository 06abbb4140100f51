#!/usr/bin/env python3
"""flood_model.py OUT.pvm [FIELD_OF_VIEW]: a flood-filling network made by hand, for tests.

Three voxels on through what is brighter than 100, on the six-neighbourhood, from where the object is; brighter voxels are moved
to first. The same as flood_model() in tests/unit/network/model_builder.hpp.
"""
import os
import sys

import numpy

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "stages", "network", "train"))
import container

STEPS = 3
field = int(sys.argv[2]) if len(sys.argv) > 2 else 9
layers, tensors = [], {}


def conv(name, source, weights, bias, relu):
    weights, bias = numpy.asarray(weights, numpy.float32), numpy.asarray(bias, numpy.float32)
    tensors[name + ".w"], tensors[name + ".b"] = weights, bias
    layers.append({"name": name, "op": "conv", "inputs": [source], "channels": len(bias), "kernel": list(weights.shape[2:]),
                   "relu": relu, "weight": name + ".w", "bias": name + ".b"})


# Channels: x, max(0, x - 1), darkness, brightness.
first = numpy.zeros((4, 2, 1, 1, 1))
first[[0, 1], 1] = 1
first[2, 0], first[3, 0] = -16, 1
conv("s0", "image", first, [0, -1, 0, 0], True)
for i in range(STEPS):
    weights = numpy.zeros((4, 4, 3, 3, 3))
    for tap in [(1, 1, 1), (0, 1, 1), (2, 1, 1), (1, 0, 1), (1, 2, 1), (1, 1, 0), (1, 1, 2)]:
        weights[(slice(0, 2), 0) + tap], weights[(slice(0, 2), 1) + tap] = 1, -1
    weights[0:2, 2, 1, 1, 1] = -16
    weights[2, 2, 1, 1, 1] = weights[3, 3, 1, 1, 1] = 1
    conv(f"s{i + 1}", f"s{i}", weights, [0, -1, 0, 0], True)
conv("change", f"s{STEPS}", numpy.reshape([12.0, -12, 0, 1], (1, 4, 1, 1, 1)), [-4], False)
container.write_model(sys.argv[1], {
    "name": "flood", "license": "CC0-1.0", "description": "made by hand", "voxel_size_nm": [10, 10, 10],
    "inputs": [{"name": "image", "channels": 2, "mean": 100, "deviation": 50}],
    "outputs": [{"name": "object", "layer": "change", "kind": "object", "field_of_view": [field] * 3, "deltas": [2, 2, 2],
                 "initial": 0.95, "pad": 0.05, "move_threshold": 0.9, "segment_threshold": 0.6}],
    "margin": [0, 0, 0], "halo": container.receptive_halo(layers, "change", [1, 1, 1]), "multiple": [1, 1, 1],
}, layers, tensors, store="float32")
