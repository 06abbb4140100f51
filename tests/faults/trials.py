"""What all rows of the campaign share: starting petavox, killing it, and the checks after it."""
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


class Failure(Exception):
    pass


class Trials:
    def __init__(self, args):
        self.args = args
        self.petavox = str(pathlib.Path(args.petavox).resolve())
        self.plugin = str(pathlib.Path(args.plugin).resolve()) if args.plugin else None
        self.interposer = str(pathlib.Path(args.interposer).resolve()) if args.interposer else None
        self.random = random.Random(f"{args.seed} {args.row}")
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="petavox-faults-"))
        self.env = dict(os.environ, **MPI_ENVIRONMENT)
        self.counts = {}
        self.begun = time.monotonic()

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

    def finish(self, process, seconds=120, rank_dies=False):
        """Waits for the end of a launch. `rank_dies`: a rank of it was killed, or ends without taking leave; mpirun may then stay for ever
        without a rank (PMIx: UNREACHABLE). It is ended then, as `petavox supervise` does."""
        deadline = time.monotonic() + seconds
        alone_since = None
        while True:
            try:
                out, err = process.communicate(timeout=1)
                return process.returncode, out, err
            except subprocess.TimeoutExpired:
                now = time.monotonic()
                ranks = self.ranks_of(process.pid)
                alone_since = (alone_since or now) if rank_dies and not ranks else None
                if alone_since and now - alone_since > 30:
                    self.count("launchers that stayed without a rank")
                    self.kill_group(process)
                    rank_dies = False
                elif now > deadline:
                    self.report_hang(process, ranks, seconds)

    def report_hang(self, process, ranks, seconds):
        doing = "\n".join(f"rank {rank}: {self.state_of(pid)}" for rank, pid in sorted(ranks.items()))
        self.kill_group(process)
        for pid in ranks.values():  # mpirun gives each a group of its own
            self.signal_rank(pid, signal.SIGKILL)
        try:
            err = process.communicate(timeout=10)[1]
        except subprocess.TimeoutExpired:
            err = "(something still holds its output)"
        raise Failure(f"the run hung for {seconds} s\n{doing}\n{err[-2000:]}")

    def run(self, config, out, ranks=1, extra=(), seconds=120, rank_dies=False):
        return self.finish(self.start(config, out, ranks, extra), seconds, rank_dies)

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
    def state_of(pid):
        """What the threads of a process wait for, for the report of one that hangs."""
        found = []
        for thread in sorted(pathlib.Path(f"/proc/{pid}/task").glob("*")):
            try:
                state = (thread / "stat").read_text().rsplit(")", 1)[1].split()[0]
                found.append(f"{thread.name} {state} {(thread / 'wchan').read_text()} call {(thread / 'syscall').read_text().strip()}")
            except OSError:
                continue
        return "; ".join(found)

    @staticmethod
    def children_of(pid):
        found = []
        for entry in pathlib.Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                if int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1]) == pid:
                    found.append(int(entry.name))
            except (OSError, ValueError):
                continue
        return found

    @classmethod
    def ranks_of(cls, pid):
        """Process ids of the petavox ranks that mpirun (or the shell) started, by rank."""
        found = {}
        for child in cls.children_of(pid):
            entry = pathlib.Path("/proc") / str(child)
            try:
                if "petavox" not in (entry / "comm").read_text():
                    continue
                environment = (entry / "environ").read_bytes().split(b"\0")
            except OSError:
                continue
            for variable in environment:
                if variable.startswith(b"OMPI_COMM_WORLD_RANK="):
                    found[int(variable.split(b"=")[1])] = child
        return found

    def work_in_memory(self):
        """For rows that only end processes: what they have written is the same there, and syncs do not wait."""
        memory = pathlib.Path("/dev/shm")
        if not memory.is_dir() or shutil.disk_usage(memory).free < 2**28:
            return
        shutil.rmtree(self.dir)
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="petavox-faults-", dir=memory))

    def enough(self, done, trials):
        """Also when the time that there is has passed; a fifth is done in any case."""
        late = self.args.seconds is not None and time.monotonic() - self.begun > self.args.seconds
        return done >= trials or (late and 5 * done >= trials)

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

    def reference(self, config, ranks=1, seconds=120):
        """Digest and seconds of an undisturbed run."""
        out = self.dir / "reference"
        begin = time.monotonic()
        code, stdout, stderr = self.run(config, out, ranks, seconds=seconds)
        if code != 0:
            raise Failure(f"the undisturbed run failed with {code}:\n{stderr}")
        shutil.rmtree(out)
        return self.digest(stdout), time.monotonic() - begin

    def expect(self, condition, text):
        if not condition:
            raise Failure(text)

    def say(self, text):
        """A line for whoever waits, and for the log of a row that is stopped."""
        print(f"{self.args.row}: {text} after {time.monotonic() - self.begun:.0f} s", flush=True)

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

    @staticmethod
    def generation(out):
        return max((int(path.name) for path in (out / "journal").glob("[0-9]*") if path.name.isdigit()), default=0)

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
