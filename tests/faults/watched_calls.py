"""What a process opened and changed in the file system, as strace saw its system calls."""
import os
import pathlib
import re
import shutil
import subprocess

# Calls that change names or files by path; the arguments are paths, each relative to the descriptor before it, if any.
CHANGES = ("rename", "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat", "unlink", "unlinkat", "rmdir", "mkdir", "mkdirat",
           "mknod", "mknodat", "truncate", "chmod", "fchmodat", "chown", "lchown", "fchownat", "utime", "utimes", "utimensat", "creat")
TEXT = r'"((?:[^"\\]|\\.)*)"'
ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "v": "\v", "f": "\f", '"': '"', "\\": "\\"}


def watcher():
    """strace's command line up to the file that it writes; nothing where it cannot be used."""
    strace = shutil.which("strace")
    if strace is None or subprocess.run([strace, "-o", "/dev/null", "true"], capture_output=True).returncode != 0:
        return None
    return [strace, "-ff", "-y", "-z", "-qq", "-s", "9000", "-e", "trace=%file,ftruncate", "-o"]


def plain(text):
    """The path that strace wrote with escapes."""
    raw = re.sub(r"\\([0-7]{1,3}|.)", lambda m: ESCAPES.get(m[1]) or (chr(int(m[1], 8)) if m[1][0].isdigit() else m[1]), text)
    return raw.encode("latin-1", "replace").decode("utf-8", "surrogateescape")


def accesses(traces, cwd):
    """(changes it, path) of each successful call. Paths have no links in them, but a last component that a call of
    names does not follow."""
    found = set()
    for file in traces:
        for line in pathlib.Path(file).read_text(errors="surrogateescape").splitlines():
            match = re.match(r"(\w+)\((.*)\)\s+= (\d+)(?:<(.*)>)?", line)
            if match is None:
                continue
            call, arguments, _, opened = match.groups()
            if call in ("open", "openat", "openat2", "creat"):
                flags = re.sub(TEXT, "", arguments)
                writes = call == "creat" or any(flag in flags for flag in ("O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC"))
                found.add((writes, plain(opened.removesuffix("(deleted)"))))
            elif call == "ftruncate":
                found.add((True, plain(re.match(r"\d+<(.*)>, \d+$", arguments)[1].removesuffix("(deleted)"))))
            elif call in CHANGES:
                names = re.findall(rf"(?:(?:\d+|AT_FDCWD)<([^>]*)>, )?{TEXT}", arguments)
                if call.startswith("symlink"):
                    names = names[1:]  # the first is what is in the link
                for directory, name in names:
                    path = os.path.join(plain(directory) or str(cwd), plain(name))
                    found.add((True, os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))))
    return found
