#!/usr/bin/env python3
"""The fault campaign: runs petavox, disturbs it, and checks that the result is that of an undisturbed run.

Every trial ends in one of two ways: the digest of a fault-free serial run, or a non-zero exit that names the cause.
Nothing else is a pass. Each row is reproducible from its seed, as far as the timing of processes can be.

Examples:
  campaign.py --petavox build/release/apps/petavox/petavox --row R1 --size ci --seed 1
  campaign.py --petavox … --plugin …/libpetavox_fault_plugin.so --row R11 --size nightly --seed 7
"""
import argparse
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from system_calls import SystemCallRows

SIZES = {  # trials per row
    "ci": {"R1": 50, "R2": 40, "R4": 60, "R5": 5, "R6": 40, "R7": 6, "R8": 4, "R9": 6, "R10": 10, "R11": 1},
    "nightly": {"R1": 2000, "R2": 10**9, "R4": 10**9, "R5": 50, "R6": 2000, "R7": 100, "R8": 100, "R9": 200, "R10": 100, "R11": 10},
    "release": {"R1": 10000, "R2": 10**9, "R4": 10**9, "R5": 500, "R6": 100000, "R7": 1000, "R8": 5000, "R9": 1000, "R10": 1000, "R11": 100},
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
        while kills < trials:
            config, expected = configs[runs % 2], references[runs % 2]
            out = self.dir / f"r1-{runs}"
            runs += 1
            ranks = self.random.randint(2, 5)
            for launch in range(60):
                process = self.start(config, out, ranks)
                deadline = time.monotonic() + self.random.uniform(0.4, 3.0)
                while time.monotonic() < deadline and process.poll() is None:
                    time.sleep(0.02)
                targets = self.ranks_of(process)
                if process.poll() is None and targets and kills < trials and launch < 8:
                    rank = self.random.choice(sorted(targets))
                    if self.signal_rank(targets[rank], signal.SIGKILL):
                        kills += 1
                        self.count("kills of the master" if rank == 0 else "kills of a worker")
                code, stdout, stderr = self.finish(process)
                if code == 0:
                    self.expect(self.digest(stdout) == expected, f"the digest is {self.digest(stdout)}, expected {expected}")
                    self.count("completed runs")
                    break
            else:
                raise Failure(f"not done after 60 launches: {stderr[-2000:]}")
            shutil.rmtree(out)

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
    def records(out):
        """Finished tasks on record: frames of kind 2 in the journals."""
        count = 0
        for path in (out / "journal").glob("[0-9]*"):
            data = path.read_bytes()
            at = 8
            while at + 16 <= len(data):
                head = int.from_bytes(data[at:at + 4], "little")
                count += head >> 24 == 2
                at += 16 + ((head & 0xffffff) + 7) // 8 * 8
        return count

    def r11(self, trials):
        """A stage that throws, crashes, exits or never returns on one block."""
        self.need_plugin()
        for trial in range(trials):
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
