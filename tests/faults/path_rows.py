"""Row R13: paths meant to make the program read or write elsewhere, or wait for ever."""
import json
import os
import re
import shutil
import socket
import stat
import subprocess
import time

from trials import CONFIG, Failure
from watched_calls import accesses, watcher

# What every program reads and writes.
SYSTEM = ("/usr/", "/lib", "/etc/", "/proc/", "/sys/", "/dev/", "/opt/")


class PathRows:
    """Part of Campaign."""

    def snapshot(self, place):
        """Everything about a tree that a write would change."""
        found = {}
        for path in sorted(place.rglob("*")):
            info = path.lstat()
            content = path.read_bytes() if stat.S_ISREG(info.st_mode) else b""
            found[str(path)] = (info.st_mode, info.st_size, info.st_mtime_ns, content)
        return found

    def check_calls(self, what, traces, cwd, named):
        """By its system calls it changed nothing but below `cwd`, and opened nothing else but what is named."""
        mine = (str(cwd) + "/", self.petavox)
        for changes, path in accesses(traces, cwd):
            self.expect(not changes or path.startswith(mine[0]) or path == "/dev/null", f"{what}: changed {path}")
            # The directories on the way to its own are opened as well: openat2 goes by steps.
            way = str(cwd).startswith(path.rstrip("/") + "/") or path == str(cwd)
            self.expect(changes or way or path.startswith((*mine, *SYSTEM)) or path in named, f"{what}: opened {path}")
            self.count("calls looked at")
        for trace in traces:
            trace.unlink()

    def undisturbed(self, what, arguments, codes, outside, before, cwd, named=()):
        """Runs to an end in time, with one of the codes, and changes nothing outside. A pipe without a writer, or a
        device without an end, would hold up whoever opens it for good. `named`: files that it may read, outside."""
        begin = time.monotonic()
        trace = self.dir / "trace"
        watch = [*self.strace, str(trace)] if self.strace else []
        try:
            result = subprocess.run([*watch, self.petavox, *arguments], env=self.env, cwd=cwd, stdin=subprocess.DEVNULL,
                                    capture_output=True, timeout=30)
        except subprocess.TimeoutExpired:
            raise Failure(f"{what}: hung") from None
        self.slowest = max(self.slowest, time.monotonic() - begin)
        self.expect(result.returncode in codes, f"{what}: exit code {result.returncode}\n{result.stderr[-2000:]}")
        after = self.snapshot(outside)
        self.expect(after == before, f"{what}: changed outside: {sorted(set(before.items()) ^ set(after.items()))}"[:2000])
        self.count(f"exit code {result.returncode}")
        if self.strace:
            self.check_calls(what, list(self.dir.glob("trace.*")), cwd, named)

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

    @staticmethod
    def named(place, value, own, outside):
        """What the configuration itself names, which may be looked at and is then refused."""
        if place == "dataset":
            return {str(outside / "real.h5")}
        try:
            return {os.path.realpath(own / json.loads(value))}
        except ValueError:  # a NUL
            return set()

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
        (own / "temporary").mkdir()
        self.env["TMPDIR"] = str(own / "temporary")
        self.strace = watcher()
        if self.strace is None:
            self.count("no strace here: only what lies outside was compared")
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
            self.undisturbed(f"{place} {value[:200]}", ["run", str(config), "--serial", "--no-progress"], (2, 3), outside, before, own,
                             self.named(place, value, own, outside))
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
