#!/usr/bin/env python3
"""Makes golden.pvm and golden.txt with PyTorch: a small network of random weights, and values of its output.

The network is exported by the training program, so that folding of normalisation, the graph and the container are
tested against what PyTorch computes from the layers as they are trained.
"""
import pathlib
import sys

import numpy
import torch

here = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(here.parents[2] / "stages/network/train"))
import container  # noqa: E402
from architecture import UNet  # noqa: E402

levels = [
    {"channels": 16, "factor": [1, 1, 1], "encode": [[1, 3, 3]], "decode": [[3, 3, 3]]},
    {"channels": 16, "factor": [1, 2, 2], "encode": [[3, 3, 3]], "decode": [[3, 3, 3]]},
    {"channels": 32, "factor": [2, 2, 2], "encode": [[1, 1, 1]], "decode": []},
]
torch.manual_seed(1)
network = UNet(levels, 3)
with torch.no_grad():
    for name, value in list(network.named_parameters()) + list(network.named_buffers()):
        if "running_mean" in name or name.endswith(".bias"):
            value.normal_(0, 0.2)
        elif "running_var" in name or (name.endswith(".weight") and value.ndim == 1):
            value.uniform_(0.5, 2)
network.eval()
layers, tensors = network.graph()
offsets = [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
header = {"name": "golden", "description": "random weights", "license": "CC0-1.0", "voxel_size_nm": [10, 10, 10],
          "inputs": [{"name": "image", "channels": 1, "mean": 0.0, "deviation": 1.0}],
          "outputs": [{"name": "affinities", "layer": "affinities", "kind": "affinities", "offsets": offsets}],
          "margin": [0, 0, 0], "halo": container.receptive_halo(layers, "affinities", network.multiple()),
          "multiple": network.multiple()}
container.write_model(here / "golden.pvm", header, layers, {k: v.numpy() for k, v in tensors.items()}, store="float32")

shape = (4, 16, 24)
image = (numpy.arange(numpy.prod(shape)) * 7919 % 1009).astype(numpy.float32) / numpy.float32(252.25) - 2
with torch.no_grad():
    result = torch.sigmoid(network(torch.from_numpy(image.reshape((1, 1) + shape)))).numpy().ravel()
picked = numpy.random.default_rng(1).choice(result.size, 256, replace=False)
with open(here / "golden.txt", "w") as file:
    for i in sorted(picked):
        file.write(f"{i} {result[i]:.9f}\n")
