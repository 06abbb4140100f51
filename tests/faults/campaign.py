#!/usr/bin/env python3
"""The fault campaign: runs petavox, disturbs it, and checks that the result is that of an undisturbed run.

Every trial ends in one of two ways: the digest of a fault-free serial run, or a non-zero exit that names the cause.
Nothing else is a pass. Each row is reproducible from its seed, as far as the timing of processes can be.

Examples:
  campaign.py --petavox build/release/apps/petavox/petavox --row R1 --size ci --seed 1
  campaign.py --petavox … --plugin …/libpetavox_fault_plugin.so --row R11 --size nightly --seed 7
"""
import argparse
import hashlib
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time

from system_calls import SystemCallRows

SIZES = {  # trials per row
    "ci": {"R1": 50, "R2": 40, "R4": 60, "R5": 5, "R6": 40, "R7": 6, "R8": 4, "R9": 6, "R10": 10, "R11": 1, "R13": 40, "R14": 1, "R16": 4},
    "nightly": {"R1": 2000, "R2": 10**9, "R4": 10**9, "R5": 50, "R6": 2000, "R7": 100, "R8": 100, "R9": 200, "R10": 100, "R11": 10, "R13": 10000, "R14": 10, "R16": 100},
    "release": {"R1": 10000, "R2": 10**9, "R4": 10**9, "R5": 500, "R6": 100000, "R7": 1000, "R8": 5000, "R9": 1000, "R10": 1000, "R11": 100, "R13": 10000, "R14": 100, "R16": 1000},
}

MPI_ENV = {
    "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "OMPI_MCA_rmaps_base_oversubscribe": "1",
    "OMPI_MCA_hwloc_base_binding_policy": "none", "OMPI_MCA_mpi_yield_when_idle": "1",
}

CONFIG = """petavox: 1
input: {phantom: {shape: [48, 64, 64], seed: 3}}
blocks: {shape: [16, 16, 16]}
output: {dir: out, keep: all, final: {shard_shape: [32, 32, 32], chunk_shape: [16, 16, 16]}}
run: {lease_s: 600, snapshot_tasks: 16}
stages:
  affinities: {kind: membrane, high_values: join}
  watershed: {threshold_low: 0.2, threshold_high: 0.95}
  region_graph: {}
  agglomerate: {threshold: 0.55}
"""

FINAL_CONFIG = CONFIG.replace("keep: all, ", "")  # intermediates are deleted while the run goes on

STOP_CONFIG = """petavox: 1
input: {phantom: {shape: [48, 64, 64], seed: 3}}
blocks: {shape: [16, 16, 16]}
output: {dir: out, final: {shard_shape: [32, 32, 32], chunk_shape: [16, 16, 16]}}
run: {snapshot_tasks: 16}
stages:
  fault: {fault: none, sleep_ms: 60}
"""

SLOW_CONFIG = """petavox: 1
input: {phantom: {shape: [48, 64, 64], seed: 3}}
blocks: {shape: [16, 16, 16]}
output: {dir: out, final: {shard_shape: [32, 32, 32], chunk_shape: [16, 16, 16]}}
run: {lease_s: 2}
stages:
  fault: {fault: none, sleep_ms: 100}
"""

FAULT_CONFIG = """petavox: 1
input: {phantom: {shape: [48, 64, 64], seed: 3}}
blocks: {shape: [24, 32, 32]}
output: {dir: out, final: {shard_shape: [24, 32, 32], chunk_shape: [8, 32, 32]}}
run: {lease_s: 3}
stages:
  fault: {fault: FAULT, at: [30, 40, 40]}
"""


ISOLATED_CONFIG = FAULT_CONFIG.replace("lease_s: 3", "lease_s: 4, isolation: process").replace(
    "fault: {", "fault: {outside: OUTSIDE, ")
NUMBERS_CONFIG = ISOLATED_CONFIG.replace("outside: OUTSIDE, ", "stage: fault_numbers, ")

# What a fault of a plugin is called when the plugin has a process of its own.
ISOLATED_FAULTS = {
    "segv": "was ended by SIGSEGV", "abort": "was ended by SIGABRT", "exit0": "ended by itself with exit code 0",
    "loop": "did not answer within 3 s and was killed", "huge_alloc": "out of memory in the plugin's process",
    "out_of_range": "was ended by SIG", "writes_outside": "wrote outside 0 times", "fork_bomb": "forked 0 times",
    "flood": "said all of it", "nan": "holds NaN at 30,40,40",
    "replaced": "was replaced by an array of another shape",
}


IN_FLIGHT = 2 * 64  # for each worker: what it is given ahead, times a batch of short tasks


class Failure(Exception):
    pass


class Campaign(SystemCallRows):
    def __init__(self, args):
        self.args = args
        self.petavox = str(pathlib.Path(args.petavox).resolve())
        self.plugin = str(pathlib.Path(args.plugin).resolve()) if args.plugin else None
        self.interposer = str(pathlib.Path(args.interposer).resolve()) if args.interposer else None
        self.random = random.Random(f"{args.seed} {args.row}")
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="petavox-faults-"))
        self.env = dict(os.environ, **MPI_ENV)
        self.counts = {}

    # ------------------------------------------------------------ processes

    def command(self, config, out, ranks, extra=()):
        run = [self.petavox, "run", str(config), "--out", str(out), "--no-progress", *extra]
        if "fault:" in pathlib.Path(config).read_text():
            run += ["--plugin", self.plugin]
        if ranks > 1:
            return ["mpirun", "-n", str(ranks), *run]
        return [*run, "--serial"]

    def start(self, config, out, ranks=1, extra=()):
        return subprocess.Popen(self.command(config, out, ranks, extra), env=self.env, cwd=self.dir,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                start_new_session=True)

    def finish(self, process, seconds=120):
        try:
            out, err = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.kill_group(process)
            out, err = process.communicate()
            raise Failure(f"the run hung for {seconds} s\n{err[-2000:]}")
        return process.returncode, out, err

    def run(self, config, out, ranks=1, extra=(), seconds=120):
        return self.finish(self.start(config, out, ranks, extra), seconds)

    @staticmethod
    def kill_group(process):
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass

    @staticmethod
    def signal_rank(pid, number):
        """False if the rank ended between being found and being signalled: nothing was done to it."""
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return False
        return True

    @staticmethod
    def ranks_of(process):
        """Process ids of the petavox ranks that mpirun (or the shell) started, by rank."""
        found = {}
        for entry in pathlib.Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                status = (entry / "stat").read_text()
                parent = int(status.rsplit(")", 1)[1].split()[1])
                if parent != process.pid or "petavox" not in (entry / "comm").read_text():
                    continue
                environment = (entry / "environ").read_bytes().split(b"\0")
            except (OSError, ValueError):
                continue
            for variable in environment:
                if variable.startswith(b"OMPI_COMM_WORLD_RANK="):
                    found[int(variable.split(b"=")[1])] = int(entry.name)
        return found

    def need_plugin(self):
        if self.plugin is None:
            self.skip("this row needs --plugin")

    def skip(self, why):
        shutil.rmtree(self.dir, ignore_errors=True)
        print("skipped:", why)
        sys.exit(77)

    # ------------------------------------------------------------ checks

    @staticmethod
    def digest(text):
        lines = [line for line in text.splitlines() if line.startswith("digest ")]
        return lines[-1].split()[1] if lines else None

    def reference(self, config):
        out = self.dir / "reference"
        begin = time.monotonic()
        code, stdout, stderr = self.run(config, out)
        if code != 0:
            raise Failure(f"the undisturbed run failed with {code}:\n{stderr}")
        shutil.rmtree(out)
        return self.digest(stdout), time.monotonic() - begin

    def expect(self, condition, text):
        if not condition:
            raise Failure(text)

    def count(self, name, by=1):
        self.counts[name] = self.counts.get(name, 0) + by

    def complete(self, config, out, expected, ranks=1, seconds=120):
        """Runs until done, undisturbed; the digest must be the expected one."""
        code, stdout, stderr = self.run(config, out, ranks, seconds=seconds)
        self.expect(code == 0, f"the resumed run ended with {code}:\n{stderr[-3000:]}")
        self.expect(self.digest(stdout) == expected,
                    f"the digest is {self.digest(stdout)}, expected {expected}:\n{stderr[-3000:]}")

    def config(self, text=CONFIG, name="config.yaml"):
        path = self.dir / name
        path.write_text(text)
        return path

    # ------------------------------------------------------------ rows

    def r1(self, trials):
        """SIGKILL of any rank at a random time, again and again, until the run is done."""
        configs = [self.config(), self.config(FINAL_CONFIG, "final.yaml")]
        references = [self.reference(config)[0] for config in configs]
        kills = 0
        runs = 0
        figures = {"noticed": [], "restarted": [], "lost": []}  # R20
        while kills < trials:
            config, expected = configs[runs % 2], references[runs % 2]
            out = self.dir / f"r1-{runs}"
            runs += 1
            ranks = self.random.randint(2, 5)
            for launch in range(60):
                begun = time.monotonic()
                process = self.start(config, out, ranks)
                deadline = time.monotonic() + self.random.uniform(0.4, 3.0)
                restarting = launch > 0
                while time.monotonic() < deadline and process.poll() is None:
                    time.sleep(0.02)
                    if restarting and self.generation(out) > launch and self.records(out, self.generation(out)) > 0:
                        figures["restarted"].append(time.monotonic() - begun)
                        restarting = False
                killed_at = None
                targets = self.ranks_of(process)
                if process.poll() is None and targets and kills < trials and launch < 8:
                    rank = self.random.choice(sorted(targets))
                    if self.signal_rank(targets[rank], signal.SIGKILL):
                        killed_at = time.monotonic()
                        kills += 1
                        self.count("kills of the master" if rank == 0 else "kills of a worker")
                code, stdout, stderr = self.finish(process)
                if killed_at is not None and code != 0:
                    figures["noticed"].append(time.monotonic() - killed_at)
                    if config == configs[0]:  # which keeps all that was written
                        figures["lost"].append(self.finished_in_vain(out))
                        self.expect(figures["lost"][-1] <= ranks * IN_FLIGHT,
                                    f"{figures['lost'][-1]} finished tasks were lost, more than were in flight")
                if code == 0:
                    self.expect(self.digest(stdout) == expected, f"the digest is {self.digest(stdout)}, expected {expected}")
                    self.count("completed runs")
                    break
            else:
                raise Failure(f"not done after 60 launches: {stderr[-2000:]}")
            self.expect(config != configs[0] or self.done_twice(out) == 0, "a finished task was run again")
            shutil.rmtree(out)
        self.recovery(figures)

    def recovery(self, figures):
        """R20: how long a death and a new start took, and what was done for nothing. The bounds only find what hangs."""
        self.expect(max(figures["noticed"], default=0) < 60, "a death was not noticed for a minute")
        self.expect(max(figures["restarted"], default=0) < 60, "a new launch did no work for a minute")
        for name, unit in (("noticed", "s"), ("restarted", "s"), ("lost", "tasks")):
            values = sorted(figures[name])
            if values:
                self.counts[f"{name}, median and largest, {unit}"] = [round(values[len(values) // 2], 2), round(values[-1], 2)]

    @staticmethod
    def generation(out):
        return max((int(path.name) for path in (out / "journal").glob("[0-9]*") if path.name.isdigit()), default=0)

    def finished_in_vain(self, out):
        """Results that the last launch stored and did not record."""
        number = self.generation(out)
        stored = sum(path.read_bytes().count(b"PVXBNDL1") for path in (out / "packs").glob("*")
                     if path.name.split(".")[0].isdigit() and int(path.name.split(".")[0]) == number)
        return stored - self.records(out, number)

    def done_twice(self, out):
        """Tasks with two records of being done and none of being found damaged."""
        done, again = set(), set()
        for _, kind, payload in self.frames(out):
            task = payload[:16]
            if kind == 2:
                if task in done:
                    again.add(task)
                done.add(task)
            elif kind == 6:
                done.discard(task)
        return len(again)

    def r5(self, trials):
        """A disk that is full: a tmpfs of a few hundred kilobytes, enlarged before the resume."""
        if os.geteuid() != 0:
            print("skipped: mounting a small file system needs root")
            sys.exit(77)
        config = self.config()
        expected, _ = self.reference(config)
        for trial in range(trials):
            out = self.dir / f"r5-{trial}"
            out.mkdir()
            size = self.random.randint(120, 1500)
            mount = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}k", "tmpfs", str(out)],
                                   capture_output=True, text=True)
            if mount.returncode != 0:
                print("skipped: cannot mount a tmpfs:", mount.stderr.strip())
                sys.exit(77)
            try:
                code, stdout, stderr = self.run(config, out / "run", self.random.choice([1, 1, 3]))
                if code == 0:
                    self.expect(self.digest(stdout) == expected, "another digest on a disk that sufficed")
                    self.count("disks that sufficed")
                else:
                    self.expect(code == 3, f"exit code {code}, expected 3:\n{stderr[-2000:]}")
                    self.expect("space" in stderr, f"the cause is not named:\n{stderr[-2000:]}")
                    self.count("full disks")
                    subprocess.run(["mount", "-o", "remount,size=64m", str(out)], check=True)
                    self.complete(config, out / "run", expected)
            finally:
                subprocess.run(["umount", str(out)], check=True)

    def interrupted(self, config, out, expected):
        """A run that was killed at a random moment before its end; False if it was too quick."""
        process = self.start(config, out, 1)
        time.sleep(self.random.uniform(0.3, 1.2))
        self.kill_group(process)
        self.finish(process)
        return not (out / "COMPLETE").exists()

    @staticmethod
    def damage(path, rng):
        size = path.stat().st_size
        if size == 0:
            return None
        kind = rng.choice(["flip a bit", "zero a page", "truncate"])
        with open(path, "r+b") as file:
            if kind == "flip a bit":
                at = rng.randrange(size)
                file.seek(at)
                byte = file.read(1)[0]
                file.seek(at)
                file.write(bytes([byte ^ (1 << rng.randrange(8))]))
            elif kind == "zero a page":
                at = rng.randrange(size) // 4096 * 4096
                file.seek(at)
                file.write(bytes(min(4096, size - at)))
            else:
                file.truncate(rng.randrange(size) // 512 * 512)
        return kind

    def r6(self, trials):
        """Damage to intermediates (repaired on resume) and to final volumes (refused when read)."""
        config = self.config()
        expected, _ = self.reference(config)
        done = 0
        while done < trials:
            out = self.dir / "r6"
            if self.interrupted(config, out, expected):
                files = [path for part in ("packs", "journal", "snapshots") for path in sorted((out / part).glob("[0-9]*"))]
                for path in self.random.sample(files, min(len(files), 2)):
                    if (kind := self.damage(path, self.random)) is not None:
                        self.count(f"{kind}: {path.parent.name}")
                        done += 1
                self.complete(config, out, expected)
            else:
                self.complete(config, out, expected)
            shard = self.random.choice(sorted((out / "volumes").glob("segments.shards/*.h5")))
            before = shard.read_bytes()
            kind = self.damage(shard, self.random)
            changed = shard.read_bytes() != before
            done += 1
            code, stdout, stderr = self.finish(subprocess.Popen(
                [self.petavox, "score", "--labels", f"{out}:segments", "--truth", f"{out}:segments"], env=self.env,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
            if code == 0:
                # Bytes of the file that no reader uses (HDF5 keeps gaps): the voxels must still be the right ones.
                self.expect("adapted_rand_error" in stdout, stdout)
                self.count("damage outside the data of a shard" if changed else "damage that changed nothing")
            else:
                self.expect(code == 3, f"a damaged shard ({kind}) ended with {code}:\n{stderr[-2000:]}")
                self.count(f"{kind}: shard, refused")
            shutil.rmtree(out)

    def r7(self, trials):
        """Files that vanish between two launches: packs, indexes, journals, running slots."""
        config = self.config()
        expected, _ = self.reference(config)
        for trial in range(trials):
            out = self.dir / f"r7-{trial}"
            self.interrupted(config, out, expected)
            what = ["packs", "index", "journal", "running", "snapshots", "volumes"][trial % 6]
            for path in (out / what).rglob("*"):
                if path.is_file():
                    path.unlink()
            (out / "COMPLETE").unlink(missing_ok=True)
            self.count(f"deleted {what}")
            self.complete(config, out, expected)
            shutil.rmtree(out)

    def r8(self, trials):
        """A worker that hangs (SIGSTOP), and comes back after its lease (a zombie), or never."""
        self.need_plugin()
        config = self.config(SLOW_CONFIG)
        expected, _ = self.reference(config)
        for trial in range(trials):
            out = self.dir / f"r8-{trial}"
            process = self.start(config, out, 4)
            # A rank that is stopped before it has joined would stop the launcher.
            deadline = time.monotonic() + 60
            while process.poll() is None and len(list(out.glob("running/*"))) < 4 and time.monotonic() < deadline:
                time.sleep(0.02)
            time.sleep(self.random.uniform(0.2, 0.8))
            targets = {rank: pid for rank, pid in self.ranks_of(process).items() if rank != 0}
            stopped = None
            if process.poll() is None and targets:
                rank = self.random.choice(sorted(targets))
                if self.signal_rank(targets[rank], signal.SIGSTOP):
                    stopped = targets[rank]
                    self.count("stopped workers")
            zombie = trial % 2 == 0
            deadline = time.monotonic() + 60
            awake_at = time.monotonic() + 4
            while process.poll() is None and time.monotonic() < deadline and not (out / "COMPLETE").exists():
                if stopped and zombie and time.monotonic() > awake_at:
                    if self.signal_rank(stopped, signal.SIGCONT):
                        self.count("zombies")
                    stopped = None
                time.sleep(0.05)
            self.expect((out / "COMPLETE").exists(), "a stopped worker stopped the run")
            time.sleep(1)
            self.kill_group(process)
            if stopped:
                self.signal_rank(stopped, signal.SIGKILL)
            self.finish(process)
            self.complete(config, out, expected)
            shutil.rmtree(out)

    def r9(self, trials):
        """Two masters on one directory: never a wrong result, and at least one says why it leaves or both agree."""
        config = self.config()
        expected, _ = self.reference(config)
        for trial in range(trials):
            out = self.dir / f"r9-{trial}"
            first = self.start(config, out)
            time.sleep(self.random.choice([0, 0, 0.01, 0.1, 0.5]))
            second = self.start(config, out)
            codes = []
            for process in (first, second):
                code, stdout, stderr = self.finish(process)
                self.expect(code in (0, 3), f"a master of two ended with {code}:\n{stderr[-2000:]}")
                if code == 0:
                    self.expect(self.digest(stdout) == expected, "two masters, another digest")
                else:
                    self.expect("another" in stderr, f"the cause is not named:\n{stderr[-2000:]}")
                codes.append(code)
            self.expect(0 in codes, f"neither master finished: {codes}")
            self.count("one left" if 3 in codes else "both finished (one after the other)")
            self.complete(config, out, expected)
            shutil.rmtree(out)

    def r10(self, trials):
        """Chains of clean stops: SIGTERM, SIGINT or SIGUSR1 while blocks are being worked on, then resume; progress in
        every slice."""
        self.need_plugin()
        config = self.config(STOP_CONFIG)
        expected, _ = self.reference(config)
        latencies = []
        for trial in range(trials):
            out = self.dir / f"r10-{trial}"
            finished = 0
            for _ in range(60):
                process = self.start(config, out, 1, ["--json"])
                # The journal of this launch has records: work is under way.
                begun = time.monotonic()
                while process.poll() is None and time.monotonic() - begun < 30 and self.records(out) <= finished:
                    time.sleep(0.02)
                time.sleep(self.random.uniform(0, 0.6))
                begin = time.monotonic()
                if process.poll() is None:
                    process.send_signal(self.random.choice([signal.SIGTERM, signal.SIGINT, signal.SIGUSR1]))
                code, stdout, stderr = self.finish(process)
                if code == 0:
                    break
                self.expect(code == 75, f"a stopped run ended with {code}:\n{stderr[-2000:]}")
                latencies.append(time.monotonic() - begin)
                self.expect(latencies[-1] < 20, "a clean stop took longer than 20 s")
                self.count("clean stops")
                now = self.records(out)
                self.expect(now > finished, "a slice without progress")
                finished = now
            self.expect(code == 0, "a chain of stops made no progress")
            self.expect(json.loads(stdout)["digest"] == expected, "another digest after clean stops")
            self.count("chains")
            shutil.rmtree(out)
        self.expect(len(latencies) >= trials, "hardly any stop came during work")
        self.counts["slowest stop, s"] = round(max(latencies), 2)

    @staticmethod
    def frames(out):
        """(generation, kind, payload) of the records in the journals."""
        for path in sorted((path for path in (out / "journal").glob("[0-9]*") if path.name.isdigit()),
                           key=lambda path: int(path.name)):
            data = path.read_bytes()
            at = 8
            while at + 16 <= len(data):
                head = int.from_bytes(data[at:at + 4], "little")
                end = at + 16 + ((head & 0xffffff) + 7) // 8 * 8
                if end > len(data):
                    break  # a torn tail
                yield int(path.name), head >> 24, data[at + 16:end]
                at = end

    def records(self, out, generation=None):
        """Finished tasks on record."""
        return sum(kind == 2 and generation in (None, number) for number, kind, _ in self.frames(out))

    def r11_isolated(self):
        """With isolation the first launch completes: no rank dies, the block is set aside, nothing else is touched."""
        outside = self.dir / "outside"
        outside.mkdir()
        (outside / "victim").write_text("precious")
        for fault, cause in ISOLATED_FAULTS.items():
            text = NUMBERS_CONFIG if fault in ("nan", "replaced") else ISOLATED_CONFIG
            config = self.config(text.replace("FAULT", fault).replace("OUTSIDE", str(outside)))
            out = self.dir / f"r11-isolated-{fault}"
            code, stdout, stderr = self.run(config, out, 3, ["--json"])
            self.expect(code == 4, f"{fault}, isolated: exit code {code}:\n{stderr[-3000:]}")
            failures = [failure for failure in json.loads(stdout)["failures"] if not failure["blocked"]]
            self.expect(len(failures) == 1 and failures[0]["task"] == "fault.image block (1,1,1)",
                        f"{fault}: not this block alone is listed:\n{stdout}")
            self.expect(cause in failures[0]["text"], f"{fault}: not called `{cause}`:\n{stdout}")
            self.expect(len(stderr) < 1_000_000, f"{fault}: {len(stderr)} characters in the log")
            self.expect([path.name for path in outside.iterdir()] == ["victim"] and
                        (outside / "victim").read_text() == "precious", f"{fault}: wrote outside")
            self.count(f"{fault}, isolated: quarantined in the first launch")
            shutil.rmtree(out)
        shutil.rmtree(outside)

    def r11(self, trials):
        """A stage that throws, crashes, exits or never returns on one block."""
        self.need_plugin()
        for trial in range(trials):
            self.r11_isolated()
            faults = [(fault, 1) for fault in ("throw", "bad_alloc", "wrong_shape", "segv", "abort", "exit0", "loop")]
            for fault, threads in [*faults, ("segv", 3), ("loop", 3)]:
                config = self.config(FAULT_CONFIG.replace("FAULT", fault))
                out = self.dir / f"r11-{fault}-{threads}"
                for launch in range(12):
                    code, stdout, stderr = self.run(config, out, 3, ["--threads", str(threads)])
                    if code == 4:
                        break
                self.expect(code == 4, f"{fault}: not quarantined after 12 launches, last exit {code}:\n{stderr[-3000:]}")
                self.expect("digest incomplete" in stdout, f"{fault}: no `digest incomplete`:\n{stdout}")
                self.expect("fault.image block (1,1,1)" in stdout + stderr, f"{fault}: the block is not listed:\n{stdout}{stderr}")
                self.count(f"{fault}: quarantined")
                shutil.rmtree(out)

    def snapshot(self, place):
        """Everything about a tree that a write would change."""
        found = {}
        for path in sorted(place.rglob("*")):
            info = path.lstat()
            content = path.read_bytes() if stat.S_ISREG(info.st_mode) else b""
            found[str(path)] = (info.st_mode, info.st_size, info.st_mtime_ns, content)
        return found

    def undisturbed(self, what, arguments, codes, outside, before, cwd):
        """Runs to an end in time, with one of the codes, and changes nothing outside. A pipe without a writer, or a
        device without an end, would hold up whoever opens it for good."""
        begin = time.monotonic()
        try:
            result = subprocess.run([self.petavox, *arguments], env=self.env, cwd=cwd, stdin=subprocess.DEVNULL,
                                    capture_output=True, timeout=30)
        except subprocess.TimeoutExpired:
            raise Failure(f"{what}: hung") from None
        self.slowest = max(self.slowest, time.monotonic() - begin)
        self.expect(result.returncode in codes, f"{what}: exit code {result.returncode}\n{result.stderr[-2000:]}")
        after = self.snapshot(outside)
        self.expect(after == before, f"{what}: changed outside: {sorted(set(before.items()) ^ set(after.items()))}"[:2000])
        self.count(f"exit code {result.returncode}")

    def hostile_inputs(self, outside, fifo):
        """(value, as YAML) for places where a file to read is named."""
        own = self.dir / "own"
        links = {"loop": "loop", "to_fifo": str(fifo), "to_device": "/dev/zero", "dangling": str(outside / "new")}
        for name, target in links.items():
            (own / name).symlink_to(target)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(own / "socket"))
        listener.close()
        import h5py
        import numpy
        with h5py.File(outside / "real.h5", "w") as file:
            file["raw"] = numpy.zeros((8, 8, 8), numpy.uint8)
        with h5py.File(own / "external.h5", "w") as file:
            file["raw"] = h5py.ExternalLink(str(outside / "real.h5"), "/raw")
        with h5py.File(own / "soft.h5", "w") as file:
            file["raw"] = h5py.SoftLink("/nowhere")
        with h5py.File(own / "virtual.h5", "w") as file:
            layout = h5py.VirtualLayout((8, 8, 8), numpy.uint8)
            layout[...] = h5py.VirtualSource(str(outside / "real.h5"), "raw", (8, 8, 8))
            file.create_virtual_dataset("raw", layout)
        with h5py.File(own / "storage.h5", "w") as file:
            file.create_dataset("raw", (8, 8, 8), numpy.uint8, external=[(str(outside / "victim"), 0, 512)])
        names = ["..", ".", "../outside", str(outside), "/proc/self/mem", "/proc/self/environ", "/proc/kmsg", "/dev/zero",
                 "/dev/null", "/dev/tty", str(fifo), "a" * 4096, "x/" * 2040 + "y", "nul\0byte", "line\nbreak", "-rf", "~/x", "$HOME/x",
                 "; touch ../outside/new", "%s%n%n", "\u202egpj.h5", "http://localhost/x", "external.h5", "soft.h5", "virtual.h5",
                 "storage.h5", "socket", *links]
        letters = "./\\:~$*?%\0\n\t -abAB01\u00e9\u4e16"
        names += ["".join(self.random.choice(letters) for _ in range(self.random.randrange(1, 60))) for _ in range(40)]
        # A YAML text in double quotes is one of JSON.
        return [json.dumps(name) for name in names]

    def r13(self, trials):
        """Paths meant to make the program read or write elsewhere, or wait for ever."""
        outside, own = self.dir / "outside", self.dir / "own"
        outside.mkdir()
        own.mkdir()
        (outside / "victim").write_text("precious " * 100)
        (outside / "directory").mkdir()
        fifo = own / "pipe"
        os.mkfifo(fifo)
        inputs = self.hostile_inputs(outside, fifo)
        before = self.snapshot(outside)
        self.slowest = 0
        text = CONFIG.replace("[48, 64, 64]", "[8, 8, 8]").replace("keep: all, ", "")
        config = own / "config.yaml"

        # What is read.
        places = {"input": "input: {path: HOSTILE, dataset: /raw}", "images": "input: {path: HOSTILE}",
                  "mask": "input: {phantom: {shape: [8, 8, 8]}, mask: {path: HOSTILE, dataset: /raw}}",
                  "other input": "input: {phantom: {shape: [8, 8, 8]}}\ninputs: {truth: {path: HOSTILE, dataset: /raw}}",
                  "plugin": "input: {phantom: {shape: [8, 8, 8]}}\nplugins: [HOSTILE]",
                  "dataset": f"input: {{path: {json.dumps(str(outside / 'real.h5'))}, dataset: HOSTILE}}"}
        pairs = [(place, value) for place in places for value in inputs]
        for place, value in self.random.sample(pairs, min(trials, len(pairs))):
            config.write_text(text.replace("input: {phantom: {shape: [8, 8, 8], seed: 3}}", places[place].replace("HOSTILE", value)))
            self.undisturbed(f"{place} {value[:200]}", ["run", str(config), "--serial", "--no-progress"], (2, 3), outside, before, own)
            self.expect(not (own / "out").exists(), f"{place} {value[:200]}: left a run directory")
            self.count(f"hostile {place}")

        # Names that become files.
        for value in self.random.sample(inputs, min(trials // 4, len(inputs))):
            name = json.loads(value)
            if re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}", name):
                continue
            config.write_text(text.replace("agglomerate: {", f"agglomerate: {{writes: {{segments: {value}}}, "))
            self.undisturbed(f"volume {value[:200]}", ["run", str(config), "--serial", "--no-progress"], (2,), outside, before, own)
            self.count("hostile volume name")

        # A run directory in which somebody has put other things where the program is about to write.
        config.write_text(text)
        model = own / "model"
        self.undisturbed("the model", ["run", str(config), "--serial", "--no-progress", "--out", str(model)], (0,), outside, before, own)
        names = sorted(str(path.relative_to(model)) for path in model.rglob("*")) + ["index/1", "running/1.0", "live/1", "scratch"]
        plants = {"link to a file": lambda at: at.symlink_to(outside / "victim"),
                  "link to a directory": lambda at: at.symlink_to(outside / "directory"),
                  "link to nothing": lambda at: at.symlink_to(outside / "new"),
                  "hard link": lambda at: at.hardlink_to(outside / "victim"),
                  "pipe": os.mkfifo}
        chosen = self.random.sample([(n, p) for n in names for p in plants], min(trials, len(names) * len(plants)))
        for name, plant in [("live/1", "hard link"), *chosen]:
            out = own / "planted"
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            plants[plant](out / name)
            self.undisturbed(f"{plant} at {name}", ["run", str(config), "--serial", "--no-progress", "--out", str(out)], (0, 2, 3),
                             outside, before, own)
            shutil.rmtree(out)
            self.count(f"planted: {plant}")
        self.counts["slowest, s"] = round(self.slowest, 2)

    def r14(self, trials):
        """Plugins that must not be loaded: refused before the loader sees them where that can be told, else in a child."""
        self.need_plugin()
        base = pathlib.Path(self.plugin).parent
        good, old = base / "libpetavox_constructor_plugin.so", base / "libpetavox_old_plugin.so"
        marker = self.dir / "marker"
        sha = hashlib.sha256(good.read_bytes()).hexdigest()
        place = self.dir / "plugins"
        place.mkdir()

        def attempt(what, plugins, want, says, constructor="mark", isolation="none", loads=False, cwd=None, stage="constructed"):
            marker.unlink(missing_ok=True)
            config = self.config("petavox: 1\ninput: {phantom: {shape: [8, 8, 8]}}\nblocks: {shape: 8}\n"
                                 f"output: {{dir: out}}\nplugins: {plugins}\nstages: {{{stage}: }}\n")
            environment = dict(self.env, PETAVOX_CONSTRUCTOR=constructor, PETAVOX_MARKER=str(marker),
                               LD_LIBRARY_PATH=str(place))
            result = subprocess.run([self.petavox, "plan", str(config), "--isolation", isolation], env=environment,
                                    cwd=cwd or self.dir, capture_output=True, text=True, timeout=100)
            self.expect(result.returncode == want, f"{what}: exit code {result.returncode}:\n{result.stderr[-2000:]}")
            self.expect(says in result.stderr + result.stdout, f"{what}: not called `{says}`:\n{result.stderr[-2000:]}")
            self.expect(marker.exists() == loads, f"{what}: {'not ' if loads else ''}loaded")
            self.count("accepted" if want == 0 else "refused before loading" if constructor == "mark" else "refused in a child")

        def copy(name, mode=0o644):
            target = place / name
            shutil.copy(good, target)
            target.chmod(mode)
            return target

        for trial in range(trials):
            own = copy("libown.so")
            attempt("a plugin", f"[{own}]", 0, "plan ", loads=True)
            attempt("a plugin with its digest", f"[{{file: {own}, sha256: {sha.upper()}}}]", 0, "plan ", loads=True)
            attempt("an isolated plugin", f"[{own}]", 0, "plan ", isolation="process")
            attempt("a path relative to the configuration", "[plugins/libown.so]", 0, "plan ", loads=True, cwd="/")
            attempt("a name on the loader's path", "[libown.so]", 2, "does not exist")
            attempt("a plugin that is not listed", "[]", 2, "no stage is called 'constructed'", cwd=place)
            attempt("another digest", f"[{{file: {own}, sha256: {'0' * 64}}}]", 2, "has the SHA-256 digest " + sha)
            attempt("another digest, isolated", f"[{{file: {own}, sha256: {'0' * 64}}}]", 2, "has the SHA-256 digest",
                    isolation="process")
            attempt("a file that everybody may write", f"[{copy('libopen.so', 0o666)}]", 2, "may be written by everybody")
            (place / "link.so").unlink(missing_ok=True)
            (place / "link.so").symlink_to("libopen.so")
            attempt("a link to such a file", f"[{place / 'link.so'}]", 2, "may be written by everybody")
            open_place = self.dir / "open"
            open_place.mkdir(exist_ok=True)
            shutil.copy(good, open_place / "libown.so")
            open_place.chmod(0o777)
            attempt("a directory that everybody may write", f"[{open_place / 'libown.so'}]", 2,
                    "is in a directory that everybody may write")
            other = copy("libother.so")
            other.write_bytes(good.read_bytes().replace(b"petavox_plugin_register", b"qetavox_plugin_register"))
            attempt("a missing symbol", f"[{other}]", 2, "does not export petavox_plugin_register")
            other.write_bytes(good.read_bytes()[: self.random.randrange(1000, good.stat().st_size - 1000)])
            attempt("a truncated file", f"[{other}]", 2, "is damaged or truncated")
            for isolation in ("none", "process"):
                attempt(f"another ABI, isolation {isolation}", f"[{old}]", 2, "has plugin ABI 1", "none", isolation)
                for constructor, says in (("abort", "SIGABRT"), ("segv", "SIGSEGV"), ("exit0", "exit code 0")):
                    attempt(f"a constructor that does {constructor}, isolation {isolation}", f"[{own}]", 2, says, constructor,
                            isolation)

    def r16(self, trials):
        """Sampled double execution: a rank that computes wrongly is found as often as its block is sampled."""
        self.need_plugin()
        text = FAULT_CONFIG.replace("lease_s: 3", "lease_s: 60, seed: SEED, verify_fraction: FRACTION").replace("FAULT", "wrong")
        clean = self.config(text.replace("fault: wrong", "fault: none").replace("SEED", "0").replace("FRACTION", "0"), "clean.yaml")
        expected, _ = self.reference(clean)
        out = self.dir / "r16"
        # Whether the block is sampled is a function of the seed alone: with all of them it always is.
        for trial in range(trials):
            fraction = [1, 0.5, 1][trial % 3]
            at = [self.random.randrange(n) for n in (48, 64, 64)]
            config = self.config(text.replace("SEED", str(self.args.seed * 1000 + trial)).replace("FRACTION", str(fraction))
                                 .replace("[30, 40, 40]", str(at)))
            code, stdout, stderr = self.run(config, out, 3)
            block = f"fault.image block ({at[0] // 24},{at[1] // 32},{at[2] // 32})"
            self.count(f"wrong results, fraction {fraction}")
            if fraction == 1 or code != 0:
                self.expect(code == 5, f"exit code {code} instead of 5:\n{stderr[-2000:]}")
                self.expect(re.search(re.escape(block) + r": ranks (\d) and (?!\1)\d computed different results", stderr),
                            f"block and ranks are not named:\n{stderr[-2000:]}")
                self.count(f"found, fraction {fraction}")
                self.expect(not (out / "COMPLETE").exists(), "a run with two different results is complete")
                # Rank 0 computes rightly: alone, it makes good what was wrong, and all that was made of it.
                self.complete(config, out, expected)
            shutil.rmtree(out)
        code, stdout, stderr = self.run(self.config(text.replace("fault: wrong", "fault: none").replace("SEED", "0")
                                                    .replace("FRACTION", "1")), out, 3)
        self.expect(code == 0 and self.digest(stdout) == expected, f"all executed twice: {code}\n{stderr[-2000:]}")
        self.count("undisturbed runs in which all is executed twice")
        shutil.rmtree(out)

    def go(self):
        row = self.args.row
        trials = self.args.trials or SIZES[self.args.size][row]
        begin = time.monotonic()
        try:
            getattr(self, row.lower())(trials)
        except Failure as failure:
            print(f"{row} FAILED (seed {self.args.seed}): {failure}\nfiles are in {self.dir}")
            return 1
        shutil.rmtree(self.dir, ignore_errors=True)
        print(json.dumps({"row": row, "seed": self.args.seed, "trials": trials, "seconds": round(time.monotonic() - begin, 1),
                          "counts": self.counts}))
        return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--petavox", required=True, help="the program")
    parser.add_argument("--plugin", help="the misbehaving plugin, for R11")
    parser.add_argument("--interposer", help="the library that disturbs system calls, for R2 and R4")
    parser.add_argument("--row", required=True, choices=sorted(SIZES["ci"]), help="row of the campaign")
    parser.add_argument("--size", default="ci", choices=sorted(SIZES), help="how many trials")
    parser.add_argument("--trials", type=int, help="instead of --size")
    parser.add_argument("--seed", type=int, default=1)
    sys.exit(Campaign(parser.parse_args()).go())


if __name__ == "__main__":
    main()
