"""Rows R11, R14 and R16: plugins that misbehave on a block, that must not be loaded, that compute wrongly."""
import hashlib
import json
import pathlib
import re
import shutil
import subprocess

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


class PluginRows:
    """Part of Campaign."""

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
                    code, stdout, stderr = self.run(config, out, 3, ["--threads", str(threads)], rank_dies=True)
                    if code == 4:
                        break
                self.expect(code == 4, f"{fault}: not quarantined after 12 launches, last exit {code}:\n{stderr[-3000:]}")
                self.expect("digest incomplete" in stdout, f"{fault}: no `digest incomplete`:\n{stdout}")
                self.expect("fault.image block (1,1,1)" in stdout + stderr, f"{fault}: the block is not listed:\n{stdout}{stderr}")
                self.count(f"{fault}: quarantined")
                shutil.rmtree(out)

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
            # Exchanged between the check of its digest and its loading: what was checked is loaded. The other one has
            # another ABI.
            if self.interposer is not None:
                shutil.copy(old, place / "exchanged.so")
                before, self.env = self.env, {**self.env, "LD_PRELOAD": self.interposer,
                                              "FAULT_SWAP": f"{place / 'exchanged.so'}:{own}"}
                attempt("exchanged while it is loaded", f"[{{file: {own}, sha256: {sha}}}]", 0, "plan ", loads=True)
                self.env = before
                self.expect(not (place / "exchanged.so").exists(), "nothing was exchanged")
                copy("libown.so")
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
