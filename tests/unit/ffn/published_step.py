#!/usr/bin/env python3
"""The published network for FIB-25: both forms of its checkpoint give one model, and one step of it equals float64.

published_step.py NETWORK_STEP CONVERTER DATA EXTENT: evaluates the weights in NumPy, in double precision, from the HDF5
form alone, on a field of EXTENT^3 voxels of real EM, and compares with the program. Exit code 77 if DATA is absent.
"""
import os
import subprocess
import sys
import tempfile

program, converter, data, extent = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
weights_file = os.path.join(data, "ffn_fib25_checkpoint", "ffn_fib25_weights.h5")
if not os.path.exists(weights_file):
    print(f"skipped: {weights_file} is absent")
    sys.exit(77)
try:
    import h5py
    import numpy
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)


def convolved(x, name, weights):
    """x: z, y, x, in. Zero padding; out = sum over taps of x shifted times a matrix."""
    kernel, bias = weights[name + "/weights"][...].astype(float), weights[name + "/biases"][...].astype(float)
    half = [k // 2 for k in kernel.shape[:3]]
    padded = numpy.pad(x, [(h, h) for h in half] + [(0, 0)])
    out = numpy.zeros(x.shape[:3] + (kernel.shape[4],)) + bias
    for dz in range(kernel.shape[0]):
        for dy in range(kernel.shape[1]):
            for dx in range(kernel.shape[2]):
                out += padded[dz:dz + x.shape[0], dy:dy + x.shape[1], dx:dx + x.shape[2]] @ kernel[dz, dy, dx]
    return out


def step(image, logit):
    """What the network adds to the logit."""
    relu = lambda v: numpy.maximum(v, 0)
    with h5py.File(weights_file) as file:
        weights = file["seed_update"]
        x = numpy.stack([image, logit], axis=-1).astype(float)
        n = convolved(relu(convolved(x, "conv0_a", weights)), "conv0_b", weights)
        for module in range(1, 12):
            n = n + convolved(relu(convolved(relu(n), f"conv{module}_a", weights)), f"conv{module}_b", weights)
        return convolved(relu(n), "conv_lom", weights)[..., 0]


with tempfile.TemporaryDirectory() as scratch:
    at = lambda name: os.path.join(scratch, name)
    for form, checkpoint in [("bundle", "model.ckpt-27465036"), ("hdf5", "ffn_fib25_weights.h5")]:
        subprocess.run([sys.executable, "-B", converter, "--checkpoint", os.path.join(data, "ffn_fib25_checkpoint", checkpoint),
                        "--out", at(form + ".pvm")], check=True)
    if open(at("bundle.pvm"), "rb").read() != open(at("hdf5.pvm"), "rb").read():
        sys.exit("the two forms of the checkpoint give different models")
    with h5py.File(os.path.join(data, "fib25_training2", "fib25_training2.h5")) as file:
        half = extent // 2
        box = tuple(slice(c - half, c - half + extent) for c in (100, 120, 130))
        image = ((file["raw"][box].astype(numpy.float32) - 128) / 33).astype(numpy.float32)
    # As in the middle of an object: much is known, the rest is not.
    odds = lambda p: numpy.log(p / (1 - p))
    logit = numpy.full(image.shape, odds(0.05), numpy.float32)
    logit[half // 2:half + 3, half - 2:, :half + 2] = odds(0.95)
    numpy.stack([image, logit]).astype("<f4").tofile(at("input"))
    kernels = subprocess.run([program, at("hdf5.pvm")] + [str(extent)] * 3 + [at("input"), at("output")], check=True,
                             stdout=subprocess.PIPE).stdout.decode()
    found = numpy.fromfile(at("output"), "<f4").reshape(image.shape)
expected = step(image, logit)
difference = numpy.abs(found - expected).max()
print(f"{extent}^3: largest change of logit {numpy.abs(expected).max():.3f}, largest difference {difference:.2e}, "
      f"on average {numpy.abs(found - expected).mean():.2e}")
if not difference <= 1e-4 or "ref" in kernels or numpy.abs(expected).max() < 1:
    sys.exit("the step differs from float64 by more than 1e-4, or is computed by reference code")
