"""Rows R5, R6 and R7: disks that are full, and files that are damaged or gone."""
import os
import shutil
import subprocess
import sys
import time


class StorageRows:
    """Part of Campaign."""

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
