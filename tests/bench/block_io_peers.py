#!/usr/bin/env python3
"""Compressed labels through petavox and through h5py with gzip: the same voxels, in turn, same directory.

Runs block_io_bench for one round, then writes and reads the same 64-bit labels with h5py (chunks of 64^3, gzip 1 and 4, fsync),
ROUNDS times. Prints medians in MB of voxels a CPU second and by wall clock, and petavox / h5py.

Example: block_io_peers.py --bench build/ci/tests/bench/block_io_bench FILE DATASET --dir /tmp/io
"""
import argparse
import os
import pathlib
import statistics
import subprocess
import time

import h5py
import numpy


def h5py_round(path, labels, level):
    megabytes = labels.nbytes / 1e6
    wall, cpu = time.monotonic(), time.process_time()
    with h5py.File(path, "w") as file:
        file.create_dataset("labels", data=labels, chunks=tuple(min(64, n) for n in labels.shape), compression="gzip",
                            compression_opts=level)
        file.flush()
        os.fsync(file.id.get_vfd_handle())
    write = megabytes / (time.monotonic() - wall), megabytes / (time.process_time() - cpu)
    wall, cpu = time.monotonic(), time.process_time()
    with h5py.File(path, "r") as file:
        read_back = file["labels"][...]
    read = megabytes / (time.monotonic() - wall), megabytes / (time.process_time() - cpu)
    assert numpy.array_equal(read_back, labels)
    path.unlink()
    return [*write, *read]


def shard_row(bench, directory, args):
    out = subprocess.run([bench, str(directory), args.file, args.dataset, str(args.side), "1"], check=True,
                         capture_output=True, text=True).stdout
    row = next(line for line in out.splitlines() if line.startswith("shard") and "share" not in line)
    return [float(value) for value in row.split()[1:5]]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bench", required=True)
    parser.add_argument("--dir", type=pathlib.Path, required=True, help="where files are written; made, not removed")
    parser.add_argument("--side", type=int, default=192)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("file")
    parser.add_argument("dataset")
    args = parser.parse_args()
    args.dir.mkdir(parents=True, exist_ok=True)
    with h5py.File(args.file, "r") as file:
        labels = file[args.dataset][:args.side, :args.side, :args.side].astype("u8")
    # Names of a large volume, not small numbers.
    labels = numpy.where(labels == 0, 0, (labels * numpy.uint64(0x9e3779b97f4a7c15)) >> numpy.uint64(16))
    rows = {"petavox": [], "h5py gzip 1": [], "h5py gzip 4": []}
    for _ in range(args.rounds):
        rows["petavox"].append(shard_row(args.bench, args.dir, args))
        for level in (1, 4):
            rows[f"h5py gzip {level}"].append(h5py_round(args.dir / "peer.h5", labels, level))
    print(f"{labels.shape} of {args.dataset}, {args.rounds} rounds, MB/s of 64-bit voxels")
    print(f"{'':<14}{'write':>10}{'by CPU':>10}{'read':>10}{'by CPU':>10}")
    medians = {name: [statistics.median(column) for column in zip(*values)] for name, values in rows.items()}
    for name, values in medians.items():
        print(f"{name:<14}" + "".join(f"{value:>10.0f}" for value in values))
    for level in (1, 4):
        ratios = [a / b for a, b in zip(medians["petavox"], medians[f"h5py gzip {level}"])]
        print(f"{f'/ gzip {level}':<14}" + "".join(f"{ratio:>10.1f}" for ratio in ratios))


if __name__ == "__main__":
    main()
