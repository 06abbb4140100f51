#!/usr/bin/env python3
"""Makes a model for the stage `network` of a TorchScript program: the file that torch.jit.save writes.

    wrap_torchscript.py --script my_unet.pt --offsets "1,0,0 0,1,0 0,0,1" --mean 128 --deviation 33 --voxel-size 10,10,10 \\
        --reach 44,44,44 --multiple 8,8,8 --license CC-BY-4.0 --out my_unet.pvm
    wrap_torchscript.py --script types.pt --classes membrane,cytoplasm --mean 128 --deviation 33 --voxel-size 40,4,4 \\
        --reach 2,30,30 --multiple 1,4,4 --license proprietary --out types.pvm

forward(x) takes float32 of shape (1, channels, z, y, x), (voxel - mean) / deviation, and returns probabilities of shape (1, one for
each offset or class, z, y, x), of the same size: zero padding, any size that is a multiple of --multiple. With PyTorch at hand
the program is run here: its result is looked at, that nothing beyond --reach has a part in it is tried, and the memory that a voxel of a
window takes is measured; without, give --bytes-per-voxel. petavox runs such models if it was built with
-DPETAVOX_WITH_TORCH=ON. A program is not data: use only one whose origin you trust.
"""
import argparse
import os
import resource
import sys

import numpy

import container

TRIAL_VOXELS = 96**3


def triple(text):
    return [int(v) for v in text.split(",")]


def run(module, image):
    import torch
    torch.set_num_threads(1)
    with torch.inference_mode(), torch.jit.optimized_execution(False):
        return module(torch.from_numpy(image)[None]).numpy()[0]


def measure(path, channels_in, window):
    """Bytes that a voxel of a window takes while the program runs: what the largest memory of a process grows by."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        import torch
        module = torch.jit.load(path, map_location="cpu").eval()
        run(module, numpy.zeros([channels_in] + [1 * m for m in [w // 4 for w in window]], numpy.float32))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        run(module, numpy.ones([channels_in] + window, numpy.float32))
        grown = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
        os.write(write, f"{max(grown, 0) / numpy.prod(window):.1f}".encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as answer:
        text = answer.read()
    os.waitpid(child, 0)
    if not text:
        sys.exit(f"the program failed on a window of {window} (see above); correct it, or give --bytes-per-voxel")
    return float(text)


def look(path, channels_in, channels, reach, multiple):
    """Exits if what the program gives is not what the container will state."""
    import torch
    module = torch.jit.load(path, map_location="cpu").eval()
    # The middle period, and on either side more than it may see.
    beyond = [-(-r // m) * m + m for r, m in zip(reach, multiple)]
    size = [2 * b + m for b, m in zip(beyond, multiple)]
    random = numpy.random.default_rng(1)
    image = random.standard_normal([channels_in] + size).astype(numpy.float32)
    middle = (slice(None),) + tuple(slice(b, b + m) for b, m in zip(beyond, multiple))
    seen = (slice(None),) + tuple(slice(b - r, b + m + r) for b, m, r in zip(beyond, multiple, reach))
    other = random.standard_normal(image.shape).astype(numpy.float32)
    other[seen] = image[seen]
    first, second = run(module, image), run(module, other)
    if list(first.shape) != [channels] + size:
        sys.exit(f"the program gives {list(first.shape)} for {list(image.shape)} (it must be {[channels] + size}); use zero padding, and as "
                 "many channels as offsets or classes")
    if not numpy.isfinite(first).all():
        sys.exit("the program gives values that are not finite (nothing can be made of them); correct it")
    difference = float(abs(first[middle] - second[middle]).max())
    if difference > 1e-4:
        sys.exit(f"voxels further away than --reach change the result by {difference:.3g} (windows would have seams that petavox knows nothing "
                 "of); give the whole receptive field, and --multiple as the product of the strides")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--script", required=True, help="file of torch.jit.save")
    parser.add_argument("--out", required=True)
    kind = parser.add_mutually_exclusive_group(required=True)
    kind.add_argument("--offsets", help="affinities: z,y,x of each channel, with spaces between; the first three 1,0,0 0,1,0 0,0,1")
    kind.add_argument("--classes", help="probabilities: the name of each channel")
    parser.add_argument("--channels", type=int, default=1, help="of the image")
    parser.add_argument("--mean", type=float, required=True)
    parser.add_argument("--deviation", type=float, required=True)
    parser.add_argument("--voxel-size", type=lambda text: [float(v) for v in text.split(",")], required=True, metavar="Z,Y,X", help="nm")
    parser.add_argument("--reach", type=triple, required=True, metavar="Z,Y,X", help="receptive field on either side, voxels")
    parser.add_argument("--multiple", type=triple, default=[1, 1, 1], metavar="Z,Y,X", help="windows are multiples of this")
    parser.add_argument("--margin", type=triple, metavar="Z,Y,X", help="recommended overlap of windows; default: --reach")
    parser.add_argument("--bytes-per-voxel", type=float, help="memory at work per voxel of a window; default: measured")
    parser.add_argument("--name", default="torchscript")
    parser.add_argument("--license", required=True)
    parser.add_argument("--description", default="TorchScript program")
    arguments = parser.parse_args()
    if arguments.offsets:
        output = {"name": "affinities", "kind": "affinities", "offsets": [triple(item) for item in arguments.offsets.split()]}
        channels = len(output["offsets"])
    else:
        output = {"name": "probabilities", "kind": "probabilities", "classes": arguments.classes.split(",")}
        channels = len(output["classes"])
    try:
        with open(arguments.script, "rb") as file:
            program = numpy.frombuffer(file.read(), numpy.uint8)
    except OSError as error:
        sys.exit(str(error))
    bytes_per_voxel = arguments.bytes_per_voxel
    try:
        look(arguments.script, arguments.channels, channels, arguments.reach, arguments.multiple)
        if bytes_per_voxel is None:
            edge = TRIAL_VOXELS ** (1 / 3)
            window = [max(4, round(edge / (4 * m)) * 4) * m for m in arguments.multiple]
            bytes_per_voxel = measure(arguments.script, arguments.channels, window)
    except ImportError:
        if bytes_per_voxel is None:
            sys.exit("PyTorch is not installed (the program cannot be run to measure its memory); install it, or give --bytes-per-voxel")
        print("PyTorch is not installed: the program was not run", file=sys.stderr)
    except RuntimeError as error:
        sys.exit(f"the program cannot be run: {str(error).strip().splitlines()[-1]}")
    layer = {"name": "program", "op": "torchscript", "inputs": ["image"], "channels": channels, "reach": arguments.reach,
             "multiple": arguments.multiple, "bytes_per_voxel": bytes_per_voxel, "program": "program"}
    header = {
        "name": arguments.name, "description": arguments.description, "license": arguments.license, "voxel_size_nm": arguments.voxel_size,
        "inputs": [{"name": "image", "channels": arguments.channels, "mean": arguments.mean, "deviation": arguments.deviation}],
        "outputs": [dict(output, layer="program")],
        "margin": arguments.margin or arguments.reach, "halo": arguments.reach, "multiple": arguments.multiple,
    }
    container.write_model(arguments.out, header, [layer], {"program": program})
    print(f"{arguments.out}: {len(program)} bytes of program, {channels} channels, {bytes_per_voxel:.0f} bytes a voxel of a window")


if __name__ == "__main__":
    main()
