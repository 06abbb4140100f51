"""Row R18: a long run under `petavox supervise` in which ranks are killed and stopped and calls fail, again and again; the
trials of this row are seconds."""
import errno
import math
import pathlib
import shutil
import signal
import stat
import statistics
import subprocess
import time

from trials import Failure

RANKS = 4
MEAN_BETWEEN_S = 36  # kills and stops; with the calls that fail, a fault comes about every 30 s
LEASE_S = 4
SLEEP_MS = 100
CONFIG = f"""petavox: 1
input: {{phantom: {{shape: @shape@, seed: 3}}}}
blocks: {{shape: [8, 8, 8]}}
output: {{dir: out, keep: all, final: {{shard_shape: [128, 128, 512], chunk_shape: [64, 64, 64]}}}}
run: {{lease_s: {LEASE_S}}}
stages:
  fault: {{fault: none, sleep_ms: @sleep@}}
"""
# In every third launch one call that changes a file fails, once in each rank that comes so far.
LAUNCH = """#!/bin/bash
if [ $((RANDOM % 3)) = 0 ]; then
  errors=(@errors@)
  export LD_PRELOAD=@interposer@ FAULT_ROOT=@out@ FAULT_LOG=@log@ FAULT_AT=$((RANDOM % 1500 + 100))
  export FAULT_MODE=${errors[RANDOM % ${#errors[@]}]}
fi
exec "$@"
"""


class SoakRow:
    """Part of Campaign."""

    def soak_config(self, blocks, sleep_ms, name):
        shape = f"[128, 128, {8 * math.ceil(blocks / 256)}]"
        return self.config(CONFIG.replace("@shape@", shape).replace("@sleep@", str(sleep_ms)), name)

    def undisturbed_rate(self, seconds):
        """Finished tasks a second, start and end of the launch not counted."""
        out = self.dir / "undisturbed"
        process = self.start(self.soak_config(RANKS * 1000 / SLEEP_MS * (seconds + 60), SLEEP_MS, "undisturbed.yaml"), out, RANKS)
        while process.poll() is None and self.records(out) < RANKS:
            time.sleep(0.1)
        begin, before = time.monotonic(), self.records(out)
        time.sleep(seconds)
        rate = (self.records(out) - before) / (time.monotonic() - begin)
        process.terminate()
        code, _, stderr = self.finish(process)
        self.expect(code != 0 and rate > 0, f"the undisturbed run ended with {code}, {rate} tasks a second:\n{stderr[-2000:]}")
        shutil.rmtree(out)
        return rate

    def r18(self, seconds):
        """Useful work and memory of a long disturbed run."""
        self.need_plugin()
        if self.interposer is None:
            self.skip("this row needs --interposer")
        pause = max(15, seconds // 20)
        rates = [self.undisturbed_rate(pause)]
        blocks = 256 * math.ceil(0.8 * seconds * rates[0] / 256)
        expected, _ = self.reference(self.soak_config(blocks, 0, "quick.yaml"), seconds=600)
        config = self.soak_config(blocks, SLEEP_MS, "soak.yaml")
        out, log, launch = self.dir / "soak", self.dir / "calls.txt", self.dir / "launch"
        errors = " ".join(str(getattr(errno, name)) for name in ("EIO", "ENOSPC", "EDQUOT", "ESTALE"))
        text = LAUNCH
        for name, value in (("errors", errors), ("interposer", self.interposer), ("out", out), ("log", log)):
            text = text.replace(f"@{name}@", str(value))
        launch.write_text(text)
        launch.chmod(launch.stat().st_mode | stat.S_IXUSR)
        begin = time.monotonic()
        # Three faults within the few seconds of three starts are no run that cannot go on: they come at random.
        with open(self.dir / "supervise.txt", "w") as messages:
            process = subprocess.Popen([self.petavox, "supervise", "--tries", "10", "--dir", str(out), "--", str(launch),
                                        *self.command(config, out, RANKS)], env=self.env, cwd=self.dir, stdin=subprocess.DEVNULL,
                                       stdout=messages, stderr=messages, start_new_session=True)
            peaks = self.disturb(process, begin, 4 * seconds + 300)
        elapsed = time.monotonic() - begin
        told = (self.dir / "supervise.txt").read_text()
        self.expect(process.returncode == 0, f"supervise ended with {process.returncode}:\n{told[-3000:]}")
        self.count("calls that failed", len(log.read_text().split()) if log.exists() else 0)
        self.count("launches", len((out / "launches.jsonl").read_text().splitlines()))
        self.expect(self.done_twice(out) == 0, "a finished task was run again")
        self.complete(config, out, expected, seconds=600)
        shutil.rmtree(out)
        rates.append(self.undisturbed_rate(pause))
        faults = sum(n for name, n in self.counts.items() if name.startswith(("killed", "stopped", "calls")))
        self.counts["seconds"] = round(elapsed)
        self.counts["seconds between faults"] = round(elapsed / max(1, faults), 1)
        self.counts["tasks"] = blocks
        useful = self.counts["useful work, %"] = round(100 * blocks / statistics.mean(rates) / elapsed, 1)
        self.expect(useful >= 80 or seconds < 600, f"only {useful} % of the work was useful: {self.counts}")
        for who, samples in peaks.items():
            third = max(1, len(samples) // 3)
            early, late = statistics.median(samples[:third]), statistics.median(samples[-third:])
            self.counts[f"MiB of {who}, first and last third"] = [round(early / 1024, 1), round(late / 1024, 1)]
            self.expect(late < early + 8192, f"{who} grows: {early} to {late} KiB")

    def disturb(self, process, begin, limit):
        """Kills and stops ranks until the run is over. Returns the resident KiB of each kind of process, as they were seen."""
        seen = {"supervise": [], "the master": [], "a worker": []}
        next_fault = begin + self.random.expovariate(1 / MEAN_BETWEEN_S)
        wake = []  # (when, process id)
        while process.poll() is None:
            time.sleep(0.25)
            now = time.monotonic()
            if now - begin > limit:
                self.kill_group(process)
                raise Failure("the run does not end")
            for when, pid in list(wake):
                if now > when:
                    self.signal_rank(pid, signal.SIGCONT)
                    wake.remove((when, pid))
            ranks = {}
            for launched in self.children_of(process.pid):
                ranks.update(self.ranks_of(launched))
            for who, pid in [("supervise", process.pid), *(("the master" if r == 0 else "a worker", pid) for r, pid in ranks.items())]:
                if (size := self.resident_kib(pid)) is not None:
                    seen[who].append(size)
            if now < next_fault or len(ranks) < RANKS:
                continue
            next_fault = now + self.random.expovariate(1 / MEAN_BETWEEN_S)
            rank = self.random.choice(sorted(ranks))
            if rank != 0 and self.random.random() < 0.4:
                if self.signal_rank(ranks[rank], signal.SIGSTOP):
                    wake.append((now + 2 * LEASE_S, ranks[rank]))
                    self.count("stopped workers")
            elif self.signal_rank(ranks[rank], signal.SIGKILL):
                self.count("killed masters" if rank == 0 else "killed workers")
        return seen

    @staticmethod
    def resident_kib(pid):
        try:
            for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
                if line.startswith("VmRSS:"):
                    return int(line.split()[1])
        except OSError:
            pass
        return None
