#!/usr/bin/env python3
"""Draws simulated scaling curves.

    petavox simulate ... --json > A.json
    plot_scaling.py OUT.png LABEL=A.json[,B.json …] [LABEL=C.json …]

Left: efficiency over ranks; right: the share of the time that the busiest master was busy. The runs of several files of
one label make one curve. Needs python3-matplotlib.
"""

import json
import sys

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402


def main(arguments):
    if len(arguments) < 2:
        sys.exit(__doc__)
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10, 4), sharex=True)
    lowest = 90
    for argument in arguments[1:]:
        label, _, paths = argument.partition("=")
        runs = []
        for path in paths.split(","):
            with open(path) as stream:
                runs += json.load(stream)["runs"]
        runs.sort(key=lambda run: run["ranks"])
        ranks = [run["ranks"] for run in runs]
        efficiency = [100 * run["efficiency"] for run in runs]
        lowest = min(lowest, *efficiency)
        left.plot(ranks, efficiency, marker="o", label=label)
        right.plot(ranks, [100 * run["master_load"] for run in runs], marker="o", label=label)
    left.set(xscale="log", xlabel="ranks", ylabel="efficiency, %", ylim=(lowest - 1, 100.5),
             title="work / workers' time (simulated)")
    right.set(xscale="log", xlabel="ranks", ylabel="busy, %", ylim=(0, 102), title="busiest master (simulated)")
    for axes in (left, right):
        axes.grid(alpha=0.3)
    left.legend()
    figure.tight_layout()
    figure.savefig(arguments[0], dpi=90)


main(sys.argv[1:])
