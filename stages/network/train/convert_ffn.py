#!/usr/bin/env python3
"""Makes a model for the stage `ffn` of a checkpoint of google/ffn (model convstack_3d.ConvStack3DFFNModel).

    convert_ffn.py --checkpoint model.ckpt-27465036 --out ffn_fib25.pvm
    convert_ffn.py --checkpoint ffn_fib25_weights.h5 --out ffn_fib25.pvm

The checkpoint is TensorFlow's (its path without ".index"; TensorFlow is not needed) or an HDF5 file with the same tensors. The
network: image and logit of the object -> conv0_a, relu, conv0_b; then modules n += conv_b(relu(conv_a(relu(n)))); relu; a
convolution of one voxel (Januszewski et al. 2018, Nature Methods 15:605). Weights are stored z, y, x, in, out there and out, in, z,
y, x here. The other values are those that the network was trained with; the defaults are those of FIB-25. The weights keep
their own license.
"""
import argparse
import sys

import numpy

import container
import tensorflow_bundle

PREFIX = "seed_update/"


def read_weights(path):
    if path.endswith((".h5", ".hdf5")):
        import h5py
        tensors = {}
        with h5py.File(path, "r") as file:
            file.visititems(lambda name, item: tensors.update({name: item[...]}) if isinstance(item, h5py.Dataset) else None)
    else:
        tensors = tensorflow_bundle.read_bundle(path.removesuffix(".index"))
    return {name[len(PREFIX):]: value for name, value in tensors.items()
            if name.startswith(PREFIX) and name.rsplit("/", 1)[-1] in ("weights", "biases")}


def graph(weights):
    """(layers, tensors, number of channels of the input)"""
    layers, tensors, used = [], {}, set()

    def add(name, op, inputs, **values):
        layers.append({"name": name, "op": op, "inputs": inputs, **values})
        return name

    def conv(name, source, relu):
        used.update([name + "/weights", name + "/biases"])
        try:
            weight, bias = weights[name + "/weights"], weights[name + "/biases"]
        except KeyError as missing:
            sys.exit(f"tensor {PREFIX}{missing.args[0]} is missing (the checkpoint is no FFN convolution stack); choose another")
        if weight.ndim != 5 or weight.shape[4:] != bias.shape:
            sys.exit(f"tensor {PREFIX}{name} does not have the axes z, y, x, in, out (it is no 3D convolution); choose another")
        tensors[name + ".weight"] = weight.transpose(4, 3, 0, 1, 2)
        tensors[name + ".bias"] = bias
        return add(name, "conv", [source], channels=int(weight.shape[4]), kernel=[int(k) for k in weight.shape[:3]],
                   relu=relu, weight=name + ".weight", bias=name + ".bias")

    at = conv("conv0_b", conv("conv0_a", "image", True), False)
    module = 1
    while f"conv{module}_a/weights" in weights:
        inner = conv(f"conv{module}_a", add(f"relu{module}", "relu", [at]), True)
        at = add(f"sum{module}", "add", [at, conv(f"conv{module}_b", inner, False)])
        module += 1
    conv("conv_lom", add("relu", "relu", [at]), False)
    if set(weights) != used:
        sys.exit(f"tensors are left over: {', '.join(sorted(set(weights) - used))} (the network is another one)")
    return layers, tensors, int(weights["conv0_a/weights"].shape[3])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--name", default="ffn")
    parser.add_argument("--license", default="Apache-2.0")
    parser.add_argument("--description", default="flood-filling network, converted from a checkpoint of google/ffn")
    triple = lambda text: [int(v) for v in text.split(",")]
    parser.add_argument("--field-of-view", type=triple, default=[33, 33, 33], metavar="Z,Y,X")
    parser.add_argument("--deltas", type=triple, default=[8, 8, 8], metavar="Z,Y,X")
    parser.add_argument("--voxel-size", type=lambda text: [float(v) for v in text.split(",")], default=[10, 10, 10],
                        metavar="Z,Y,X", help="nm")
    for name, value in [("mean", 128), ("deviation", 33), ("initial", 0.95), ("pad", 0.05), ("move-threshold", 0.9),
                        ("segment-threshold", 0.6)]:
        parser.add_argument("--" + name, type=float, default=value)
    arguments = parser.parse_args()
    try:
        layers, tensors, channels = graph(read_weights(arguments.checkpoint))
    except (OSError, tensorflow_bundle.BadCheckpoint) as error:
        sys.exit(str(error))
    header = {
        "name": arguments.name, "description": arguments.description, "license": arguments.license,
        "voxel_size_nm": arguments.voxel_size,
        "inputs": [{"name": "image", "channels": channels, "mean": arguments.mean, "deviation": arguments.deviation}],
        "outputs": [{"name": "object", "layer": "conv_lom", "kind": "object", "field_of_view": arguments.field_of_view,
                     "deltas": arguments.deltas, "initial": arguments.initial, "pad": arguments.pad,
                     "move_threshold": arguments.move_threshold, "segment_threshold": arguments.segment_threshold}],
        "margin": [0, 0, 0], "halo": container.receptive_halo(layers, "conv_lom", [1, 1, 1]), "multiple": [1, 1, 1],
    }
    container.write_model(arguments.out, header, layers, tensors, store="float32")
    count = sum(numpy.prod(t.shape) for t in tensors.values())
    print(f"{arguments.out}: {len(layers)} layers, {int(count)} parameters")


if __name__ == "__main__":
    main()
