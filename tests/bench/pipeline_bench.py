#!/usr/bin/env python3
"""Whole pipelines, measured: each configuration under several settings, interleaved round by round, so that a slow
minute of a shared machine falls on all of them. Prints medians:

  wall_s, cpu_s    of all processes together, mpirun included
  peak_MB          resident memory of the largest process
  read, written    logical bytes of all tasks, MB; to_disk: what is left in the run directory with the packs kept
  Mvox/s/core      voxels of the main input / CPU seconds, raw volume to the last stage
  vs first         wall time of the first setting / wall time
A setting is a word: serial, loopback-N, mpi-N (ranks); `+T` behind it: threads in each rank (mpi-2+3). `name:` before it
and `,key=value` behind it name it and change settings of the configuration.

Examples:
  pipeline_bench.py --petavox build/release/apps/petavox/petavox configs/phantom.yaml
  pipeline_bench.py --petavox P --rounds 5 --settings serial mpi-3 big:serial,blocks.shape=[256,256,256] -- a.yaml b.yaml
"""
import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from mpi_environment import MPI_ENVIRONMENT

COLUMNS = ["wall_s", "cpu_s", "peak_MB", "read_MB", "written_MB", "to_disk_MB", "Mvox/s/core"]


def command_of(setting, petavox, config, out):
    """The command line of a setting, and its name."""
    name, _, rest = setting.rpartition(":")
    words = rest.split(",")
    # A comma inside brackets belongs to the value.
    merged = []
    for word in words:
        if merged and merged[-1].count("[") > merged[-1].count("]"):
            merged[-1] += "," + word
        else:
            merged.append(word)
    executor, _, threads = merged[0].partition("+")
    kind, _, ranks = executor.partition("-")
    run = [petavox, "run", str(config), "--out", str(out), "--no-progress", "--json", "--set", "output.keep=all"]
    if kind == "mpi":
        run = ["mpirun", "-n", ranks, *run]
    elif kind == "loopback":
        run += ["--loopback", ranks]
    elif kind == "serial":
        run += [] if threads else ["--serial"]
    else:
        sys.exit(f"'{kind}' is no executor: serial, loopback-N or mpi-N")
    if threads:
        run += ["--threads", threads]
    for override in merged[1:]:
        run += ["--set", override]
    return name or setting, run


def voxels_of(petavox, config, out):
    plan = json.loads(subprocess.run([petavox, "plan", str(config), "--json", "--out", str(out)], check=True,
                                     capture_output=True, text=True).stdout)
    count = 1
    for interval in plan["inputs"][0]["box"].split(","):
        begin, end = interval.split(":")
        count *= int(end) - int(begin)
    return count


def bytes_below(directory):
    return sum(path.stat().st_size for path in pathlib.Path(directory).rglob("*") if path.is_file())


def measure(run, out, env, voxels):
    shutil.rmtree(out, ignore_errors=True)
    with tempfile.TemporaryFile("w+") as stdout, tempfile.TemporaryFile("w+") as stderr:
        begin = time.monotonic()
        process = subprocess.Popen(run, env=env, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        stdout.seek(0)
        stderr.seek(0)
        if process.returncode != 0:
            sys.exit(f"{' '.join(run)}: exit code {process.returncode}\n{stderr.read()[-2000:]}")
        report = json.loads(stdout.read().splitlines()[-1])
    cpu = usage.ru_utime + usage.ru_stime
    return report["digest"], {
        "wall_s": wall, "cpu_s": cpu, "peak_MB": usage.ru_maxrss * 1024 / 1e6,
        "read_MB": sum(step["bytes_read"] for step in report["steps"]) / 1e6,
        "written_MB": sum(step["bytes_written"] for step in report["steps"]) / 1e6,
        "to_disk_MB": bytes_below(out) / 1e6, "Mvox/s/core": voxels / 1e6 / cpu,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--petavox", required=True)
    parser.add_argument("--settings", nargs="+", default=["serial", "loopback-2", "mpi-1", "mpi-2", "mpi-3", "mpi-4"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", help="also write all figures there")
    parser.add_argument("configs", nargs="+", type=pathlib.Path)
    args = parser.parse_args()
    petavox = str(pathlib.Path(args.petavox).resolve())
    env = dict(os.environ, **MPI_ENVIRONMENT)
    everything = {}
    with tempfile.TemporaryDirectory(prefix="petavox-bench-") as scratch:
        out = pathlib.Path(scratch) / "run"
        for config in args.configs:
            voxels = voxels_of(petavox, config, out)
            figures, digests = {}, set()
            for _ in range(args.rounds):
                for setting in args.settings:
                    name, run = command_of(setting, petavox, config, out)
                    digest, measured = measure(run, out, env, voxels)
                    digests.add(digest)
                    figures.setdefault(name, []).append(measured)
            print(f"{config}: {voxels / 1e6:.1f} million voxels, {args.rounds} rounds, "
                  f"{'one digest' if len(digests) == 1 else 'DIFFERENT DIGESTS'}")
            print(f"{'':<24}" + "".join(f"{c:>13}" for c in COLUMNS) + f"{'vs first':>10}")
            first = None
            for name, rows in figures.items():
                medians = {c: statistics.median(row[c] for row in rows) for c in COLUMNS}
                first = first or medians["wall_s"]
                print(f"{name:<24}" + "".join(f"{medians[c]:>13.2f}" for c in COLUMNS) +
                      f"{first / medians['wall_s']:>10.2f}", flush=True)
            print(flush=True)
            everything[str(config)] = {"voxels": voxels, "settings": figures}
            if len(digests) != 1:
                sys.exit(1)
    if args.json:
        pathlib.Path(args.json).write_text(json.dumps(everything, indent=1))


if __name__ == "__main__":
    main()
