#!/usr/bin/env python3
"""Our kernels beside other people's: same input, same machine, in turn, one thread.

    run.py --program BUILD/tests/bench/peer_kernels --work DIR [--data DIR] [--edges 256 512] [--rounds 5] [FAMILY…]

Makes a virtual environment in DIR/venv with the peers from PyPI (those that do not install are named and left out),
makes the inputs in DIR once, and prints a table: speed, how many times the CPU time of ours a peer takes (median,
range), memory besides input and result, and whether the results agree. `--data` is a folder of real volumes
(fib25_training2, pinky40_segmentation, snemi3d_labels_only); without it, the phantom alone.
"""

import argparse
import importlib
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=pathlib.Path, required=True)
    parser.add_argument("--work", type=pathlib.Path, required=True)
    parser.add_argument("--data", type=pathlib.Path, default=pathlib.Path("/nonexistent"))
    parser.add_argument("--edges", type=int, nargs="+", default=[256])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cases", nargs="+", default=[""], help="only cases whose name begins with one of these")
    parser.add_argument("families", nargs="*", help="files in families/ without .py; all by default")
    return parser.parse_args()


def packages_of(family):
    """Read without importing: the module may need what is not installed yet."""
    names = {}
    text = (HERE / "families" / f"{family}.py").read_text()
    exec(next(line for line in text.splitlines() if line.startswith("PACKAGES")), names)  # noqa: S102
    return names["PACKAGES"]


def environment(work, families):
    """The Python of the virtual environment, with every package that can be had."""
    python = work / "venv" / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(work / "venv")], check=True)
    for package in sorted({"numpy"} | {p for family in families for p in packages_of(family)}):
        done = subprocess.run([python, "-m", "pip", "install", "-q", "--disable-pip-version-check", package])
        if done.returncode != 0:
            print(f"{package} does not install; its rows are missing", flush=True)
    return python


def main():
    options = arguments()
    families = options.families or sorted(path.stem for path in (HERE / "families").glob("*.py"))
    options.work.mkdir(parents=True, exist_ok=True)
    if "PETAVOX_PEERS_INSIDE" not in os.environ:
        python = environment(options.work, families)
        os.environ["PETAVOX_PEERS_INSIDE"] = "1"
        os.execv(python, [str(python), *sys.argv])
    sys.path.insert(0, str(HERE))
    import harness

    harness.one_thread()
    inputs = harness.Inputs(options.program, options.work, options.data, options.edges)
    print(f"| case | program | million a second | its time / ours | extra bytes each | agreement |\n|{'---|' * 6}")
    for family in families:
        for case in importlib.import_module(f"families.{family}").cases(inputs):
            if case.name.startswith(tuple(options.cases)):
                harness.measure(options.program, case, options.rounds, options.work)


if __name__ == "__main__":
    main()
