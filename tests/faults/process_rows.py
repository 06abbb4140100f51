"""Rows R1 (and R20), R8, R9 and R10: processes that are killed, stopped, doubled, or told to stop."""
import json
import shutil
import signal
import time

from trials import FINAL_CONFIG, Failure

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

IN_FLIGHT = 2 * 64  # for each worker: what it is given ahead, times a batch of short tasks


class ProcessRows:
    """Part of Campaign."""

    def r1(self, trials):
        """SIGKILL of any rank at a random time, again and again, until the run is done."""
        self.work_in_memory()
        configs = [self.config(), self.config(FINAL_CONFIG, "final.yaml")]
        references = [self.reference(config)[0] for config in configs]
        # A moment is drawn from the time that an undisturbed run takes here: later ones would find it done.
        lasts = [self.reference(config, ranks=3)[1] for config in configs]
        kills = 0
        runs = 0
        figures = {"noticed": [], "restarted": [], "lost": []}  # R20
        while not self.enough(kills, trials):
            which = runs % 2
            config, expected = configs[which], references[which]
            out = self.dir / f"r1-{runs}"
            runs += 1
            ranks = self.random.randint(2, 5)
            for launch in range(60):
                begun = time.monotonic()
                process = self.start(config, out, ranks)
                deadline = time.monotonic() + self.random.uniform(0.1, 1) * lasts[which]
                restarting = launch > 0
                while time.monotonic() < deadline and process.poll() is None:
                    time.sleep(0.02)
                    if restarting and self.generation(out) > launch and self.records(out, self.generation(out)) > 0:
                        figures["restarted"].append(time.monotonic() - begun)
                        restarting = False
                killed_at = None
                targets = self.ranks_of(process.pid)
                if process.poll() is None and targets and kills < trials and launch < 8:
                    rank = self.random.choice(sorted(targets))
                    if self.signal_rank(targets[rank], signal.SIGKILL):
                        killed_at = time.monotonic()
                        kills += 1
                        self.count("kills of the master" if rank == 0 else "kills of a worker")
                code, stdout, stderr = self.finish(process, rank_dies=killed_at is not None)
                if killed_at is not None and code != 0:
                    figures["noticed"].append(time.monotonic() - killed_at)
                    if config == configs[0]:  # which keeps all that was written
                        figures["lost"].append(self.finished_in_vain(out))
                        self.expect(figures["lost"][-1] <= ranks * IN_FLIGHT,
                                    f"{figures['lost'][-1]} finished tasks were lost, more than were in flight")
                if code == 0:
                    self.expect(self.digest(stdout) == expected, f"the digest is {self.digest(stdout)}, expected {expected}")
                    self.count("completed runs")
                    if launch == 0:  # the machine is now slower or faster
                        lasts[which] = (lasts[which] + time.monotonic() - begun) / 2
                    break
            else:
                raise Failure(f"not done after 60 launches: {stderr[-2000:]}")
            self.expect(config != configs[0] or self.done_twice(out) == 0, "a finished task was run again")
            shutil.rmtree(out)
            self.say(f"{kills} of {trials} kills, {runs} runs")
        self.recovery(figures)

    def recovery(self, figures):
        """R20: how long a death and a new start took, and what was done for nothing. The bounds only find what hangs."""
        self.expect(max(figures["noticed"], default=0) < 60, "a death was not noticed for a minute")
        self.expect(max(figures["restarted"], default=0) < 60, "a new launch did no work for a minute")
        for name, unit in (("noticed", "s"), ("restarted", "s"), ("lost", "tasks")):
            values = sorted(figures[name])
            if values:
                self.counts[f"{name}, median and largest, {unit}"] = [round(values[len(values) // 2], 2), round(values[-1], 2)]

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
            targets = {rank: pid for rank, pid in self.ranks_of(process.pid).items() if rank != 0}
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
