#!/usr/bin/env python3
"""How far the simulator is from real runs.

    simulator_check.py --petavox P --plugin libdrawn_sleep.so [--ranks 1,2,4,8] [--rounds 3] [CONFIG ...]

Without CONFIG: blocks that sleep for drawn durations (log-normal, mean 50 ms, sigma 0.5), which many ranks on few cores
can do at once. With CONFIGs: real work, calibrated here with as many processes at once as there are ranks; use as many as there
are idle cores. Each is calibrated, planned (`plan --costs`, which runs the simulator on the plan) and run, `--rounds` times
in turn; the medians are compared.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from mpi_environment import MPI_ENVIRONMENT

SLEEPING = """\
petavox: 1
input: {phantom: {shape: [64, 128, 128], seed: 3}}
blocks: {shape: [16, 16, 16]}
output: {dir: run}
stages:
  drawn_sleep: {mean_ms: 50, log_sigma: 0.5}
"""


def last_object(command, directory):
    done = subprocess.run(command, cwd=directory, env=dict(os.environ, **MPI_ENVIRONMENT), stdin=subprocess.DEVNULL,
                          capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1]) if "--json" in command else None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--petavox", required=True, type=pathlib.Path)
    parser.add_argument("--plugin", type=pathlib.Path)
    parser.add_argument("--ranks", default="1,2,4,8")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sample", default="4,4,4")
    parser.add_argument("configs", nargs="*", type=pathlib.Path)
    options = parser.parse_args()
    petavox = str(options.petavox.resolve())
    ranks = [int(r) for r in options.ranks.split(",")]
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        configs = [config.resolve() for config in options.configs]
        plugin = []
        if not configs:
            (directory / "sleeping.yaml").write_text(SLEEPING)
            configs = [directory / "sleeping.yaml"]
            plugin = ["--plugin", str(options.plugin.resolve())]
        print(f"{'configuration':<24} {'ranks':>5} {'planned_s':>10} {'actual_s':>10} {'error':>8}")
        for config in configs:
            planned, actual = {r: [] for r in ranks}, {r: [] for r in ranks}
            for round_ in range(options.rounds):
                for r in ranks:
                    at_once = r if options.configs else 1
                    last_object([petavox, "calibrate", str(config), *plugin, "--sample", options.sample, "--at-once", str(at_once),
                                 "--out", "costs.json"], directory)
                    plan = last_object([petavox, "plan", str(config), *plugin, "--ranks", str(r), "--cores", str(r),
                                        "--costs", "costs.json", "--json"], directory)
                    planned[r].append(plan["seconds"])
                    # One rank is a program started alone, which commits sparingly: that is what `plan --ranks 1` plans.
                    launcher = ["mpirun", "-n", str(r)] if r > 1 else []
                    run = last_object([*launcher, petavox, "run", str(config), *plugin, "--no-progress",
                                       "--out", f"run-{r}-{round_}", "--json"], directory)
                    actual[r].append(run["wall_s"])
            for r in ranks:
                p, a = statistics.median(planned[r]), statistics.median(actual[r])
                print(f"{config.name:<24} {r:>5} {p:>10.2f} {a:>10.2f} {100 * (p / a - 1):>+7.1f} %", flush=True)


main()
