#!/usr/bin/env python3
"""The invariance matrix: runs pipelines in many ways and checks that all give one digest.

Axes: block shape x ranks x threads of each x schedule x executor (serial, loopback, MPI) x killed-and-resumed x SIMD code paths of the
libraries (glibc tunables), on the phantom, on volumes made of ties (constant affinity, two values, random bytes) and,
where the folder of real data is there, on real EM. `ci` takes a covering subset; `full` takes the product,
thousands of runs: hours, or in parts.

Examples:
  matrix.py --petavox build/release/apps/petavox/petavox --size ci
  matrix.py --petavox build/release/apps/petavox/petavox --size full --part 3/40
"""
import argparse
import itertools
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from mpi_environment import MPI_ENVIRONMENT

# What glibc dispatches by CPU (memory and math functions) and petavox's vector kernels are switched down to the baseline.
NO_AVX = {"PETAVOX_SIMD": "baseline",
          "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-AVX,-AVX512F,-AVX512VL,-AVX512BW,-AVX512DQ,-ERMS,-FMA,-FMA4"}

SEGMENT = """
  watershed: {{threshold_low: {low}, threshold_high: {high}{reads}}}
  region_graph: {{{graph_reads}}}
  size_merge: {{min_size: 20}}
  agglomerate: {{threshold: {threshold}}}
  size_filter: {{min_size: 20, writes: {{labels: filtered}}}}
  relabel: {{dense: true, reads: {{labels: filtered}}, writes: {{labels: numbered}}}}
"""


def segment(low, high, threshold, source=None):
    reads = f", reads: {{affinities: {source}}}" if source else ""
    graph = f"reads: {{affinities: {source}}}" if source else ""
    return SEGMENT.format(low=low, high=high, threshold=threshold, reads=reads, graph_reads=graph)


def pipelines(shared, folder):
    """name -> (config text, shape)"""
    found = {}
    phantom = "input: {phantom: {shape: [40, 72, 80], seed: 5}}\ninputs: {truth: {phantom: labels}}\n"
    found["phantom raw to segments"] = (
        phantom + "stages:\n  normalize: {writes: {image: normalized}}\n  boundary: {reads: {image: normalized}}" + segment(0.1, 0.98, 0.5) +
        "  score: {reads: {labels: segments}}\n", (40, 72, 80))
    found["phantom components"] = (
        phantom + "stages:\n  components: {connectivity: 26, foreground: above, threshold: 120}\n  downsample: {factor: [1, 2, 2], writes: {image: small}}\n", (40, 72, 80))
    # On lattices of its own, which the blocks of all cases cut across.
    found["phantom mutex watershed"] = (
        phantom + "stages:\n  boundary:\n  long_range: {offsets: &pairs [[-1, 0, 0], [0, -1, 0], [0, 0, -1], [-3, 0, 0], [0, -6, 0], [0, 6, -6]]}\n"
        "  mutex_watershed: {offsets: *pairs, strides: [1, 2, 2], subvolume: [24, 40, 33], overlap: [4, 8, 7], min_voxels: 20}\n"
        "  score: {reads: {labels: stitched}}\n", (40, 72, 80))
    for kind, settings in {"constant": (0.1, 0.98, 0.3), "two values": (0.1, 0.98, 0.4), "random": (0.1, 0.98, 0.55)}.items():
        path = folder / f"{kind.replace(' ', '_')}.h5"
        write_ties(path, kind)
        found[f"ties: {kind}"] = (f"input: {{path: {path}, dataset: /affinities}}\nstages:" +
                                  segment(*settings, source="input"), (19, 37, 41))
    fib = pathlib.Path(shared) / "fib25_training2" / "fib25_training2.h5"
    if fib.exists():
        found["fib25 raw to segments"] = (
            f"input: {{path: {fib}, dataset: /raw, voxel_size_nm: [10, 10, 10], box: \"100:164,50:130,60:160\"}}\nstages:\n"
            "  boundary:" + segment(0.1, 0.98, 0.5), (64, 80, 100))
    else:
        print(f"skipped: real data ({fib} is absent)")
    return found


def write_ties(path, kind):
    import h5py
    import numpy
    shape = (3, 19, 37, 41)
    generator = numpy.random.default_rng(7)
    values = {"constant": numpy.full(shape, 128), "two values": generator.choice([60, 200], shape),
              "random": generator.integers(0, 256, shape)}[kind]
    with h5py.File(path, "w") as file:
        file["affinities"] = values.astype("u1")


class Matrix:
    def __init__(self, args):
        self.args = args
        self.petavox = str(pathlib.Path(args.petavox).resolve())
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="petavox-matrix-"))
        self.env = dict(os.environ, **MPI_ENVIRONMENT)
        self.random = random.Random(args.seed)
        self.runs = 0

    def digest(self, config, shape, executor, ranks, threads, schedule, avx, kill):
        out = self.dir / "out"
        shutil.rmtree(out, ignore_errors=True)
        run = [self.petavox, "run", str(config), "--out", str(out), "--no-progress", "--schedule-seed", str(schedule),
               "--set", f"blocks.shape=[{shape[0]},{shape[1]},{shape[2]}]"]
        if executor == "serial":
            run.append("--serial")
        elif executor == "loopback":
            run += ["--loopback", str(ranks), "--threads", str(threads)]
        else:
            run = ["mpirun", "-n", str(ranks), *run, "--threads", str(threads)]
        env = self.env if avx else dict(self.env, **NO_AVX)
        if kill:
            process = subprocess.Popen(run, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL, start_new_session=True)
            time.sleep(self.random.uniform(0.1, 0.8))
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait()
        deadline = time.monotonic() + 30
        while True:
            done = subprocess.run(run, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600)
            # Ranks need a moment to notice that their mpirun was killed.
            if not kill or "another petavox is running" not in done.stderr or time.monotonic() > deadline:
                break
            time.sleep(0.5)
        self.runs += 1
        lines = [line for line in done.stdout.splitlines() if line.startswith("digest ")]
        if done.returncode != 0 or not lines:
            return f"exit {done.returncode}: {done.stderr[-1500:]}"
        return "\n".join(lines)

    def cases(self, shape):
        shapes = [(64, 64, 64), (96, 64, 32), (37, 41, 43), tuple(2 * n for n in shape)]
        ways = [("serial", 1, 1)] + [(e, n, 1) for e in ("loopback", "mpi") for n in (1, 2, 3, 4, 7)]
        ways += [("loopback", 1, 2), ("mpi", 2, 3), ("loopback", 3, 5), ("mpi", 1, 5), ("mpi", 3, 2)]
        everything = list(itertools.product(shapes + [(16, 24, 20)], ways, (0, 1, 2), (True, False), (False, True)))
        if self.args.size == "full":
            part, parts = self.args.part
            random.Random(self.args.seed).shuffle(everything)
            return everything[part - 1::parts]
        # A covering subset: every value of every axis at least once, each with everything else at random.
        picked = []
        axes = [shapes + [(16, 24, 20)], ways, (0, 1, 2), (True, False), (False, True)]
        for i in range(max(len(axis) for axis in axes)):
            picked.append(tuple(axis[(i + self.random.randrange(len(axis))) % len(axis)] if i >= len(axis) else axis[i]
                                for axis in axes))
        return picked

    def go(self):
        wrong = 0
        begin = time.monotonic()
        for name, (text, shape) in pipelines(self.args.shared, self.dir).items():
            config = self.dir / "config.yaml"
            config.write_text("petavox: 1\noutput: {final: {shard_shape: [32, 64, 64], chunk_shape: [16, 32, 32]}}\n" + text)
            expected = self.digest(config, tuple(2 * n for n in shape), "serial", 1, 1, 0, True, False)
            if not expected.startswith("digest"):
                print(f"FAILED {name}: {expected}")
                wrong += 1
                continue
            cases = self.cases(shape)
            before = wrong
            for blocks, (executor, ranks, threads), schedule, avx, kill in cases:
                found = self.digest(config, blocks, executor, ranks, threads, schedule, avx, kill)
                if found != expected:
                    wrong += 1
                    print(f"FAILED {name}: blocks {blocks}, {executor} {ranks} x {threads}, schedule {schedule}, "
                          f"{'AVX' if avx else 'no AVX'}{', killed and resumed' if kill else ''}:\n{found}\nexpected\n{expected}")
            print(f"{name}: {len(cases)} ways, {'one digest' if wrong == before else 'DIFFERENT'}", flush=True)
        shutil.rmtree(self.dir, ignore_errors=True)
        print(f"{self.runs} runs in {time.monotonic() - begin:.0f} s, {wrong} wrong")
        return 1 if wrong else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--petavox", required=True)
    parser.add_argument("--shared", default="", help="folder of real data, if there is one")
    parser.add_argument("--size", choices=["ci", "full"], default="ci")
    parser.add_argument("--part", default="1/1", help="of the full product, split among N calls: K/N; the same --seed gives the same split")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    try:
        args.part = tuple(int(number) for number in args.part.split("/"))
        if len(args.part) != 2 or not 1 <= args.part[0] <= args.part[1]:
            raise ValueError
    except ValueError:
        parser.error("--part is K/N with 1 <= K <= N")
    try:
        import h5py  # noqa: F401
    except ImportError:
        print("skipped: python3-h5py is not installed")
        sys.exit(77)
    sys.exit(Matrix(args).go())


if __name__ == "__main__":
    main()
