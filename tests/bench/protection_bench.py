#!/usr/bin/env python3
"""What protection costs (row R19): petavox, and petavox without checksums and syncs, in turn on the same input.

    protection_bench.py --build build/ci [--pairs 9] [--ranks 0] [--shape 128,384,384] [--blocks 64,128,128] [--dir DIR]

A phantom from HDF5 (made once), `boundary` to `agglomerate`; --ranks 0 is the serial executor. Prints medians of the
ratios of elapsed time (as the run itself reports it, and of the whole process) and of CPU time, with their quartiles.
--without syncs or checksums leaves out one of the two in the second program. The last line is one JSON object.
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

CONFIG = """\
petavox: 1
input: {{path: {input}, dataset: /raw}}
blocks: {{shape: [{blocks}]}}
output: {{dir: run}}
stages:
  boundary:
  watershed: {{threshold_low: 0.01, threshold_high: 0.9}}
  region_graph:
  agglomerate: {{threshold: 0.55, small_voxels: 2000, small_threshold: 0.4}}
"""


def run_once(program, ranks, config, out, env):
    shutil.rmtree(out, ignore_errors=True)
    os.sync()
    command = [str(program), "run", str(config), "--out", str(out), "--no-progress", "--json"]
    command = ["mpirun", "-n", str(ranks), *command] if ranks else [*command, "--serial"]
    with tempfile.TemporaryFile("w+") as stdout:
        begin = time.monotonic()
        process = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        whole = time.monotonic() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            raise SystemExit(f"{' '.join(command)}: exit code {process.returncode}")
        stdout.seek(0)
        report = json.loads(stdout.read().splitlines()[-1])
    return {"whole_s": whole, "run_s": report["wall_s"], "cpu_s": usage.ru_utime + usage.ru_stime}, report["digest"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True, type=pathlib.Path)
    parser.add_argument("--pairs", type=int, default=9)
    parser.add_argument("--ranks", type=int, default=0)
    parser.add_argument("--shape", default="128,384,384")
    parser.add_argument("--blocks", default="64,128,128")
    parser.add_argument("--without", choices=["syncs", "checksums"])
    parser.add_argument("--dir", type=pathlib.Path, help="for input and results; a temporary one if none is given")
    options = parser.parse_args()
    build = options.build.resolve()
    petavox = build / "apps/petavox/petavox"
    programs = {"protected": petavox, "unprotected": build / "tests/bench/petavox_unprotected"}
    with tempfile.TemporaryDirectory(prefix="protection-", dir=options.dir) as name:
        here = pathlib.Path(name)
        subprocess.run([petavox, "phantom", "--shape", options.shape, "--seed", "1", "--out", here / "input"], check=True,
                       capture_output=True)
        source = next(path for path in (here / "input").glob("*.h5"))
        config = here / "run.yaml"
        config.write_text(CONFIG.format(input=source, blocks=options.blocks))
        env = dict(os.environ, **MPI_ENVIRONMENT)
        if options.without:
            env["UNPROTECTED"] = options.without
        ratios = {}
        figures = {program: [] for program in programs}
        digests = set()
        for pair in range(options.pairs):
            order = list(programs) if pair % 2 == 0 else list(programs)[::-1]
            both = {}
            for program in order:
                both[program], digest = run_once(programs[program], options.ranks, config, here / "run", env)
                digests.add(digest)
                figures[program].append(both[program])
            for key in both["protected"]:
                ratios.setdefault(key, []).append(both["protected"][key] / both["unprotected"][key])
        if len(digests) != 1:
            raise SystemExit(f"different digests: {digests}")
        result = {"ranks": options.ranks, "shape": options.shape, "blocks": options.blocks, "pairs": options.pairs}
        for key, values in ratios.items():
            low, middle, high = statistics.quantiles(values, n=4) if len(values) > 1 else values * 3
            medians = [statistics.median(run[key] for run in figures[program]) for program in programs]
            print(f"{key:<8} {medians[0]:8.2f} against {medians[1]:8.2f}: {100 * (middle - 1):+6.1f} %"
                  f"   (quartiles {100 * (low - 1):+.1f} to {100 * (high - 1):+.1f})", flush=True)
            result[key] = {"medians": medians, "ratio": middle, "quartiles": [low, high]}
        print(json.dumps(result))


if __name__ == "__main__":
    main()
