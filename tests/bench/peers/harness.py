"""What the families share: inputs as .npy files, our kernels as processes, and one table a case.

A family is a module in families/ with

    PACKAGES = ["name-on-pypi", …]
    def cases(inputs): yield Case(…)

`Case.peers` maps a name to a function without arguments that does the work once and returns its result, or
(seconds, result) if not all of what it does counts. `Case.compare` maps a name to f(our_result, its_result) -> text.
All run on one thread; times are CPU seconds; rounds go ours, peer, ours, peer …
"""

import contextlib
import dataclasses
import gc
import os
import pathlib
import statistics
import subprocess
import sys
import time

import numpy


@dataclasses.dataclass
class Case:
    name: str
    work: float  # in millions of `unit`
    ours: list  # arguments of peer_kernels after OUT: options and inputs; the kernel's name first
    peers: dict = dataclasses.field(default_factory=dict)
    compare: dict = dataclasses.field(default_factory=dict)
    unit: str = "voxel"
    result_bytes: dict = dataclasses.field(default_factory=dict)  # by name, where it is not the result's size


class Ours:
    """peer_kernels KERNEL, kept alive so that rounds can be interleaved."""

    def __init__(self, program, case, out):
        kernel, *rest = map(str, case.ours)
        self.out = out
        self.process = subprocess.Popen([program, kernel, out, *rest], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True)
        if self.process.stdout.readline().strip() != "ready":
            raise SystemExit(f"peer_kernels {kernel} does not start; see above")

    def once(self):
        print(file=self.process.stdin, flush=True)
        seconds, peak = self.process.stdout.readline().split()
        return float(seconds), int(peak)

    def result(self):
        return numpy.load(self.out, mmap_mode="r")

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def status(key):
    for line in pathlib.Path("/proc/self/status").read_text().splitlines():
        if line.startswith(key):
            return int(line.split()[1]) * 1024
    return 0


@contextlib.contextmanager
def silence():
    """Some peers print from C++."""
    sys.stdout.flush()
    kept, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)


def once(work):
    """CPU seconds, peak resident bytes and the result of a peer."""
    gc.collect()
    pathlib.Path("/proc/self/clear_refs").write_text("5")
    resident = status("VmRSS")
    with silence():
        begin = time.process_time()
        result = work()
        seconds = time.process_time() - begin
    if isinstance(result, tuple) and isinstance(result[0], float):
        seconds, result = result
    return seconds, max(0, status("VmHWM") - resident), result


class Inputs:
    """Arrays by name; made once and kept in a folder. Real volumes only where `data` has them."""

    REAL = {
        "fib25": ("fib25_training2/fib25_training2.h5", "labels", "raw"),
        "pinky40": ("pinky40_segmentation/pinky40_crop_192x512x512.h5", "labels", None),
        "snemi3d": ("snemi3d_labels_only/snemi3d_ds_train.h5", "labels", None),
    }

    def __init__(self, program, folder, data, edges):
        self.program, self.folder, self.data = program, folder, data
        self.phantoms = [f"phantom{edge}" for edge in edges]
        self.em_like = [f"em_like{edge}" for edge in edges]  # affinities alone: tests/bench/em_like.hpp
        self.real = [name for name in self.REAL if (data / self.REAL[name][0]).exists()]

    def _ours(self, path, kernel, *arguments):
        ours = Ours(self.program, Case("", 0, [kernel, *arguments]), path)
        ours.once()
        ours.close()

    def _real(self, path, name, which):
        file, labels, raw = self.REAL[name]
        dataset = labels if which == "labels" else raw
        # The distribution's Python has h5py; the environment of the peers need not.
        subprocess.run(["/usr/bin/python3", "-c",
                        "import sys,h5py,numpy as n;a=h5py.File(sys.argv[1])[sys.argv[2]][...];"
                        "n.save(sys.argv[3],a.astype(n.uint64) if a.dtype!=n.uint8 else a)",
                        str(self.data / file), dataset, str(path)], check=True)

    def path(self, name, which):
        """`which`: labels (uint64), raw (uint8), affinities (uint8, 3 channels) or fragments (uint32, of watershed)."""
        path = self.folder / f"{name}_{which}.npy"
        if not path.exists():
            print(f"making {path.name}", flush=True)
            if which == "fragments":
                self._ours(path, "watershed", self.path(name, "affinities"))
            elif name.startswith("em_like"):
                self._ours(path, "em_like_affinities", f"edge={name.removeprefix('em_like')}")
            elif which == "affinities":
                self._ours(path, "boundary", self.path(name, "raw"))
            elif name.startswith("phantom"):
                self._ours(path, f"phantom_{which}", f"edge={name.removeprefix('phantom')}")
            else:
                self._real(path, name, which)
        return path

    def load(self, name, which):
        return numpy.load(self.path(name, which))

    def labels(self):
        return self.phantoms + self.real

    def affinities(self):
        return self.phantoms + [name for name in self.real if self.REAL[name][2]]


def same_partition(ours, theirs):
    """Whether two label volumes part the voxels alike: their labels map one to one."""
    ours, theirs = numpy.asarray(ours).ravel(), numpy.asarray(theirs).ravel()
    forth = numpy.zeros(int(ours.max()) + 1, theirs.dtype)
    forth[ours] = theirs
    back = numpy.zeros(int(theirs.max()) + 1, ours.dtype)
    back[theirs] = ours
    same = bool((forth[ours] == theirs).all() and (back[theirs] == ours).all())
    return f"{'same' if same else 'DIFFERENT'} partition ({numpy.count_nonzero(forth)} objects)"


def agreement(ours, theirs):
    """Share of pairs of neighbours on x on which two label volumes agree whether they are one object."""
    def joined(a):
        a = numpy.asarray(a)
        return (a[..., 1:] == a[..., :-1]) & (a[..., 1:] != 0)
    share = float((joined(ours) == joined(theirs)).mean())
    counts = f"{len(numpy.unique(ours)):,} and {len(numpy.unique(theirs)):,} labels"
    return f"agree on {100 * share:.2f} % of neighbours ({counts})"


def measure(program, case, rounds, folder):
    """Prints the rows of a case; returns them."""
    ours = Ours(program, case, folder / "result.npy")
    times = {"petavox": []} | {name: [] for name in case.peers}
    peaks, sizes, verdicts = {}, {}, {}
    for round in range(rounds):
        seconds, peak = ours.once()
        times["petavox"].append(seconds)
        peaks["petavox"] = peak
        if round == 0:
            sizes["petavox"] = ours.result().nbytes
        for name, work in case.peers.items():
            seconds, peak, result = once(work)
            times[name].append(seconds)
            if round == 0:
                peaks[name], sizes[name] = peak, getattr(result, "nbytes", 0)
                if name in case.compare:
                    verdicts[name] = case.compare[name](ours.result(), result)
            del result
    ours.close()
    rows = []
    for name in times:
        ratios = sorted(t / o for t, o in zip(times[name], times["petavox"]))
        median = statistics.median(times[name])
        size = case.result_bytes.get(name, sizes[name])
        extra = max(0, peaks[name] - size) / case.work / 1e6
        rows.append((case.name, name, case.work / median, statistics.median(ratios), ratios[0], ratios[-1], extra))
        print(f"| {case.name} | {name} | {case.work / median:.1f} | "
              + (f"{rows[-1][3]:.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})" if name != "petavox" else "")
              + f" | {extra:.2f} | {verdicts.get(name, '')} |", flush=True)
    return rows


def one_thread():
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS"):
        os.environ[variable] = "1"
