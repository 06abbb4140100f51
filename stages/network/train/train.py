#!/usr/bin/env python3
"""Trains a network for affinities or for classes of voxels, and exports it for the stage `network` of petavox.

Example (isotropic; learns from the first 160 planes, validates on the next 30):
  train.py --train em.h5:/raw em.h5:/labels 0:160,:,: --validate em.h5:/raw em.h5:/labels 160:190,:,: \\
      --preset isotropic --voxel-size 10,10,10 --minutes 60 --license CC-BY-4.0 --out runs/my_model

Example (classes; the labels hold 1 for membranes, 2 and 3 for two kinds of what is inside, 0 where nobody knows):
  train.py --classes membrane=1,inside=2+3 --train em.h5:/raw em.h5:/types 0:160,:,: \\
      --validate em.h5:/raw em.h5:/types 160:190,:,: --minutes 30 --out runs/my_types

Run the same command again to go on where it was stopped. Writes checkpoint.pt, curve.csv and model.pvm into --out.
"""
import argparse
import csv
import math
import os
import sys
import time

import numpy
import torch

import container
import targets
import volumes
from architecture import ARCHITECTURES, UNet

PATCHES = {"isotropic": [64, 64, 64], "serial": [12, 128, 128]}


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", nargs=3, action="append", required=True, metavar=("RAW", "LABELS", "BOX"),
                        help="FILE:/dataset of the images, of the labels (0 = unknown), and the box to learn from; may be repeated")
    parser.add_argument("--validate", nargs=3, action="append", required=True, metavar=("RAW", "LABELS", "BOX"),
                        help="the same for validation; never learned from")
    parser.add_argument("--out", required=True, help="directory for checkpoint, curve and model")
    parser.add_argument("--preset", choices=sorted(ARCHITECTURES), default="isotropic")
    parser.add_argument("--classes", metavar="NAME=VALUE+VALUE,…",
                        help="learn classes instead of affinities: their names, and the values of LABELS that mean them")
    parser.add_argument("--voxel-size", default="10,10,10", help="nm (z,y,x) of what the network will see, for the model's metadata")
    parser.add_argument("--thinning", help="A,B: make serial sections of isotropic volumes, every A-th to B-th plane")
    parser.add_argument("--patch", help="z,y,x voxels of a patch")
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--minutes", type=float, default=60, help="time to train by the clock, in all (over resumed runs)")
    parser.add_argument("--steps", type=int, help="train so many steps instead, in all: on a busy machine the clock says little")
    parser.add_argument("--rate", type=float, default=3e-3, help="largest learning rate; falls with a cosine over the time")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--start", help="checkpoint.pt or .pvm model of another training whose weights to begin with")
    parser.add_argument("--precision", choices=["float32", "bfloat16"], default="float32",
                        help="of the layers while training; bfloat16 is several times faster on a processor that has it (AVX-512 BF16, AMX)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--every", type=float, default=3, help="minutes between validations and checkpoints")
    parser.add_argument("--name", default="", help="name of the model; default: that of --out")
    parser.add_argument("--license", default="unknown", help="license of the model, which follows from that of its data")
    parser.add_argument("--description", default="")
    arguments = parser.parse_args()
    arguments.voxel_size = [float(v) for v in arguments.voxel_size.split(",")]
    arguments.thinning = [int(v) for v in arguments.thinning.split(",")] if arguments.thinning else None
    arguments.patch = [int(v) for v in arguments.patch.split(",")] if arguments.patch else PATCHES[arguments.preset]
    arguments.task = targets.Classes(arguments.classes) if arguments.classes else targets.Affinities(arguments.preset)
    arguments.name = arguments.name or os.path.basename(os.path.normpath(arguments.out))
    return arguments


def new_network(arguments):
    return UNet(ARCHITECTURES[arguments.preset], arguments.task.num_outputs)


def read_volumes(arguments, where):
    return [volumes.TrainingVolume(*w, objects=arguments.classes is None) for w in where]


def split(arguments, channels):
    """The channels (last axis) that are used later, and those that only help to learn."""
    return channels[..., :arguments.task.num_main], channels[..., arguments.task.num_main:]


class Averaged:
    """Exponential average of everything the network holds: what is validated and exported. Steadier than the last step."""

    def __init__(self, network, keep=0.99):
        self.keep, self.state, self.steps = keep, {k: v.clone() for k, v in network.state_dict().items()}, 0

    def follow(self, network):
        self.steps += 1
        keep = min(self.keep, self.steps / (self.steps + 9))
        for name, value in network.state_dict().items():
            if value.dtype.is_floating_point:
                self.state[name].mul_(keep).add_(value, alpha=1 - keep)
            else:
                self.state[name].copy_(value)


def batch_of(volume_list, arguments, rng, changed=True):
    weights = numpy.array([v.raw.size for v in volume_list], float)
    raws, wanted, known = [], [], []
    for _ in range(arguments.batch):
        volume = volume_list[rng.choice(len(volume_list), p=weights / weights.sum())]
        raw, labels = volumes.sample(volume, arguments.patch, rng, arguments.preset, arguments.thinning, changed)
        target, mask = arguments.task.target(labels)
        raws.append(raw)
        wanted.append(target)
        known.append(mask)
    return (torch.from_numpy(numpy.stack(raws))[:, None], torch.from_numpy(numpy.stack(wanted)),
            torch.from_numpy(numpy.stack(known)))


def validate(network, batches):
    network.eval()
    losses, rates = [], []
    with torch.no_grad():
        for raw, wanted, known in batches:
            logits = network(raw)
            losses.append(targets.balanced_loss(logits, wanted, known))
            rates.append(targets.scores(logits, wanted, known))
    return torch.stack(losses).mean(0), torch.stack(rates).mean(0)


def validation_batches(arguments, volume_list):
    """The same patches every time. Isotropic boxes may be flatter than a patch: they are taken as they are."""
    rng = numpy.random.default_rng(12345)
    smaller = argparse.Namespace(**vars(arguments))
    smaller.batch = 1
    multiple = new_network(arguments).multiple()
    extents = [min(p, *(v.raw.shape[a] for v in volume_list)) for a, p in enumerate(arguments.patch)]
    smaller.patch = [max(m, e // m * m) for e, m in zip(extents, multiple)]
    return [batch_of(volume_list, smaller, rng, changed=False) for _ in range(6)]


def margin_of(arguments, multiple):
    """Voxels by which a window should reach beyond what is kept of it: what patches taught the network to look at."""
    return [-(-(p // 3) // m) * m for p, m in zip(arguments.patch, multiple)]


def export(arguments, averaged, training, path):
    network = new_network(arguments)
    network.load_state_dict(averaged.state)
    network.eval()
    layers, tensors = network.graph()
    header = {
        "name": arguments.name, "description": arguments.description, "license": arguments.license,
        "voxel_size_nm": arguments.voxel_size,
        "inputs": [{"name": "image", "channels": 1,
                    "mean": round(float(numpy.mean([v.mean for v in training])), 4),
                    "deviation": round(float(numpy.mean([v.deviation for v in training])), 4)}],
        "outputs": [arguments.task.output()],
        "margin": margin_of(arguments, network.multiple()),
        "halo": container.receptive_halo(layers, arguments.task.output()["layer"], network.multiple()),
        "multiple": network.multiple(),
    }
    container.write_model(path + ".tmp", header, layers, {k: v.numpy() for k, v in tensors.items()})
    os.replace(path + ".tmp", path)


def main():
    arguments = parse_arguments()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)
    os.makedirs(arguments.out, exist_ok=True)
    training = read_volumes(arguments, arguments.train)
    check = validation_batches(arguments, read_volumes(arguments, arguments.validate))
    network = new_network(arguments)
    # The fast kernels of both precisions want their own order of axes in memory.
    layout = torch.channels_last_3d if arguments.precision == "bfloat16" else torch.contiguous_format
    network = network.to(memory_format=layout)
    optimizer = torch.optim.AdamW(network.parameters(), lr=arguments.rate, weight_decay=1e-4)
    step, spent = 0, 0.0
    checkpoint = os.path.join(arguments.out, "checkpoint.pt")
    if arguments.start and not os.path.exists(checkpoint):
        start(network, arguments, training)
    averaged = Averaged(network)
    curve = os.path.join(arguments.out, "curve.csv")
    if os.path.exists(checkpoint):
        saved = torch.load(checkpoint)
        network.load_state_dict(saved["network"])
        optimizer.load_state_dict(saved["optimizer"])
        averaged.state, averaged.steps = saved["averaged"], saved["step"]
        step, spent = saved["step"], saved["spent"]
        print(f"goes on after {step} steps and {spent / 60:.1f} minutes", flush=True)
    elif os.path.exists(curve):
        os.remove(curve)
    print(f"{sum(p.numel() for p in network.parameters())} parameters", flush=True)

    rng = numpy.random.default_rng([arguments.seed, step])
    recent, since, last = [], time.monotonic(), spent
    begun = since - spent
    while True:
        spent = time.monotonic() - begun
        progress = step / arguments.steps if arguments.steps else spent / (60 * arguments.minutes)
        if spent - last >= 60 * arguments.every or progress >= 1:
            report(arguments, network, optimizer, averaged, check, training, step, spent, recent)
            recent, last = [], spent
        if progress >= 1:
            break
        rate = arguments.rate * min(1, (step + 1) / 40) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * progress)))
        for group in optimizer.param_groups:
            group["lr"] = rate
        network.train()
        raw, wanted, known = batch_of(training, arguments, rng)
        with torch.autocast("cpu", torch.bfloat16, enabled=arguments.precision == "bfloat16"):
            logits = network(raw.to(memory_format=layout))
        each = targets.balanced_loss(logits.float(), wanted, known)
        main, auxiliary = split(arguments, each)
        loss = main.mean() + (0.5 * auxiliary.mean() if len(auxiliary) else 0)
        if not torch.isfinite(loss):
            sys.exit("The loss is not finite (training diverged); run again with a smaller --rate")
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimizer.step()
        averaged.follow(network)
        recent.append(loss.item())
        step += 1


def start(network, arguments, training):
    """Begins with the weights of another training: a checkpoint, or a model as the stage loads it.

    What a model gives out may be something else (affinities, classes): the last layer then begins anew.
    """
    try:
        if not arguments.start.endswith(".pvm"):
            network.load_state_dict(torch.load(arguments.start)["averaged"])
            return
        header, tensors = container.read_model(arguments.start)
        if any(header["outputs"][0].get(key) != arguments.task.output().get(key) for key in ("offsets", "classes")):
            tensors["head.weight"], tensors["head.bias"] = network.head.weight.detach().numpy(), network.head.bias.detach().numpy()
        rng = numpy.random.default_rng([arguments.seed, 2])
        network.load_tensors(tensors, (batch_of(training, arguments, rng)[0] for _ in range(16)))
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        sys.exit(f"Cannot begin with {arguments.start} ({error}); give a model whose layers are those of --preset {arguments.preset}")


def report(arguments, network, optimizer, averaged, check, training, step, spent, recent):
    """Validates the averaged network, adds a row to the curve, writes the checkpoint and the model."""
    judged = new_network(arguments)
    judged.load_state_dict(averaged.state)
    losses, rates = validate(judged, check)
    path = os.path.join(arguments.out, "curve.csv")
    new = not os.path.exists(path)
    main, auxiliary = split(arguments, losses)
    right = split(arguments, rates)[0].mean(1)
    row = [step, round(spent, 1), round(time.process_time(), 1), round(float(numpy.mean(recent)) if recent else math.nan, 4),
           round(float(main.mean()), 4), round(float(auxiliary.mean()), 4) if len(auxiliary) else "", round(float(right[0]), 4),
           round(float(right[1]), 4)]
    with open(path, "a", newline="") as file:
        writer = csv.writer(file)
        if new:
            writer.writerow(["step", "seconds", "cpu_seconds", "training_loss", "validation_loss", "validation_loss_long_range",
                             "positive_right", "negative_right"])
        writer.writerow(row)
    print(" ".join(map(str, row)), flush=True)
    state = {"network": network.state_dict(), "optimizer": optimizer.state_dict(), "averaged": averaged.state,
             "step": step, "spent": spent}
    torch.save(state, os.path.join(arguments.out, "checkpoint.pt.tmp"))
    os.replace(os.path.join(arguments.out, "checkpoint.pt.tmp"), os.path.join(arguments.out, "checkpoint.pt"))
    export(arguments, averaged, training, os.path.join(arguments.out, "model.pvm"))


if __name__ == "__main__":
    main()
