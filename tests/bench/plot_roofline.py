#!/usr/bin/env python3
"""Draws the kernels under the roof that the memory of the machine is.

    kernel_bench DIR --benchmark_out=KERNELS.json --benchmark_out_format=json
    plot_roofline.py KERNELS.json OUT.png [VOLUME]

One point a kernel: across, the bytes that it must move for each voxel; up, voxels a second. The lines are what memcpy and
a plain sum reached in the same process. Needs python3-matplotlib.
"""

import json
import sys

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402


def main(arguments):
    if len(arguments) not in (2, 3):
        print(__doc__, file=sys.stderr)
        return 2
    with open(arguments[0]) as file:
        measured = json.load(file)
    volume = arguments[2] if len(arguments) == 3 else "phantom256"
    context = measured["context"]
    # memcpy moves each byte twice.
    roofs = {"memcpy": 2 * float(context["memcpy_bytes_per_s"]), "sum": float(context["read_bytes_per_s"])}
    figure, axes = pyplot.subplots(figsize=(8, 5.5))
    across = [0.8, 16]
    for (name, rate), style in zip(roofs.items(), ("-", "--")):
        axes.plot(across, [rate / bytes / 1e6 for bytes in across], style, color="0.4",
                  label=f"{name}, {rate / 1e9:.1f} GB/s moved")
    placed = []
    for run in measured["benchmarks"]:
        name = run["name"].split("/min_time")[0]
        if volume not in name:
            continue
        label = name.replace("/" + volume, "").replace("/", " ")
        axes.plot(run["bytes"], run["Mvoxel"], "o", color="tab:blue")
        # Names of points that nearly coincide stand above one another.
        crowd = sum(run["bytes"] == b and 0.85 < run["Mvoxel"] / rate < 1.18 for b, rate in placed)
        placed.append((run["bytes"], run["Mvoxel"]))
        axes.annotate(label, (run["bytes"], run["Mvoxel"]), xytext=(5, 4 + 10 * crowd), textcoords="offset points", fontsize=8)
    axes.set(xscale="log", yscale="log", xlabel="bytes that must be read and written, a voxel",
             ylabel="million voxels a CPU second",
             title=f"Kernels on {volume}, one thread, {context['vector_path']}")
    axes.set_xticks([1, 2, 4, 8, 12, 16], ["1", "2", "4", "8", "12", "16"])
    axes.grid(True, which="both", alpha=0.25)
    axes.legend(loc="upper right")
    figure.tight_layout()
    figure.savefig(arguments[1], dpi=110)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
