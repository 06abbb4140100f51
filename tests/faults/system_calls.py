"""Rows R2 and R4: every call of a small run that changes a file is, one at a time, the one at which the process dies,
or the one that fails. interpose.cpp does it; the runs are serial, so that the n-th call is the same each time."""
import errno
import shutil

CONFIG = """petavox: 1
input: {phantom: {shape: [8, 16, 16], seed: 3}}
blocks: {shape: [8, 16, 8]}
output: {dir: out, final: {shard_shape: [8, 16, 16], chunk_shape: [8, 16, 16]}}
run: {snapshot_tasks: 4}
stages:
  affinities: {kind: membrane, high_values: join}
  watershed: {threshold_low: 0.2, threshold_high: 0.95}
"""
ERRORS = ("EIO", "ENOSPC", "EDQUOT", "ESTALE", "EINTR")


class SystemCallRows:
    """Part of Campaign."""

    def disturbed(self, out, mode, at=0, forever=False):
        """Exit code, standard error and names of the calls: all that count, or those that were disturbed."""
        log = self.dir / "calls.txt"
        log.unlink(missing_ok=True)
        added = {"LD_PRELOAD": self.interposer, "FAULT_ROOT": str(out), "FAULT_MODE": str(mode), "FAULT_AT": str(at),
                 "FAULT_LOG": str(log), **({"FAULT_FOREVER": "1"} if forever else {})}
        before, self.env = self.env, {**self.env, **added}
        try:
            code, _, stderr = self.run(self.dir / "config.yaml", out)
        finally:
            self.env = before
        return code, stderr, log.read_text().split() if log.exists() else []

    def calls_of_a_run(self):
        if self.interposer is None:
            self.skip("this row needs --interposer")
        config = self.config(CONFIG)
        expected, _ = self.reference(config)
        out = self.dir / "counted"
        code, stderr, calls = self.disturbed(out, "count")
        self.expect(code == 0 and len(calls) > 50, f"the counted run ended with {code} after {len(calls)} calls:\n{stderr}")
        shutil.rmtree(out)
        self.count("calls that change a file", len(calls))
        return config, expected, calls

    def share(self, points, trials):
        """So many of the points, spread over all; the seed moves them."""
        if trials >= len(points):
            return points
        step = len(points) / trials
        start = self.random.random() * step
        return [points[int(start + i * step)] for i in range(trials)]

    def r2(self, trials):
        """The process dies before, after or half-way through the n-th call; the next run must complete."""
        config, expected, calls = self.calls_of_a_run()
        points = [(n, mode) for n, name in enumerate(calls, 1) for mode in ("before", "half", "after")
                  if mode != "half" or name in ("write", "pwrite")]
        out = self.dir / "r2"
        for n, mode in self.share(points, trials):
            code, stderr, hit = self.disturbed(out, mode, n)
            if code == 0 and not hit:
                self.count("runs with fewer calls")  # commits are a matter of time
                shutil.rmtree(out)
                continue
            self.expect(code == -9 and len(hit) == 1, f"call {n} ({calls[n - 1]}), {mode}: exit {code}:\n{stderr}")
            self.count(f"died {mode}")
            self.labelled(f"after the death {mode} call {n} ({calls[n - 1]})", config, out, expected)
            shutil.rmtree(out)

    def r4(self, trials):
        """The n-th call fails, once or from then on; the run completes, or says so and can be resumed."""
        config, expected, calls = self.calls_of_a_run()
        points = [(n, kind, forever) for n, name in enumerate(calls, 1) for kind in (*ERRORS, "short")
                  for forever in (False, True) if kind != "short" or name in ("write", "pwrite")]
        # A call that is interrupted for ever may be tried for ever.
        points = [p for p in points if p[1:] != ("EINTR", True)]
        out = self.dir / "r4"
        for n, kind, forever in self.share(points, trials):
            what = f"{kind} {'from' if forever else 'at'} call {n} ({calls[n - 1]})"
            mode = kind if kind == "short" else getattr(errno, kind)
            try:
                code, stderr, _ = self.disturbed(out, mode, n, forever)
            except Exception as failure:
                raise type(failure)(f"{what}: {failure}") from failure
            self.expect(code in (0, 3), f"{what}: exit {code}:\n{stderr}")
            self.expect(code == 0 or "error" in stderr, f"{what}: exit {code} without a word:\n{stderr}")
            self.count("completed in spite of it" if code == 0 else "ended and said why")
            self.labelled(f"after {what}", config, out, expected)
            shutil.rmtree(out, ignore_errors=True)

    def labelled(self, what, config, out, expected):
        try:
            self.complete(config, out, expected)
        except Exception as failure:
            raise type(failure)(f"{what}: {failure}") from failure
