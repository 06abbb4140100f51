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
import shutil
import sys
import time

from path_rows import PathRows
from plugin_rows import PluginRows
from process_rows import ProcessRows
from soak_row import SoakRow
from storage_rows import StorageRows
from system_calls import SystemCallRows
from trials import Failure, Trials

SIZES = {  # trials per row; of R18, seconds
    "ci": {"R1": 50, "R2": 40, "R4": 60, "R5": 5, "R6": 40, "R7": 6, "R8": 4, "R9": 6, "R10": 10, "R11": 1, "R13": 40, "R14": 1, "R16": 4},
    "nightly": {"R1": 2000, "R2": 10**9, "R4": 10**9, "R5": 50, "R6": 2000, "R7": 100, "R8": 100, "R9": 200, "R10": 100, "R11": 10, "R13": 10000, "R14": 10, "R16": 100, "R18": 3600},
    "release": {"R1": 10000, "R2": 10**9, "R4": 10**9, "R5": 500, "R6": 100000, "R7": 1000, "R8": 5000, "R9": 1000, "R10": 1000, "R11": 100, "R13": 10000, "R14": 100, "R16": 1000, "R18": 28800},
}


class Campaign(Trials, ProcessRows, SoakRow, StorageRows, PluginRows, PathRows, SystemCallRows):
    def go(self):
        row = self.args.row
        trials = self.args.trials or SIZES[self.args.size].get(row)
        if trials is None:
            self.skip(f"{row} has no size {self.args.size}")
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
    parser.add_argument("--plugin", help="the misbehaving plugin, for R8, R10, R11, R14, R16 and R18")
    parser.add_argument("--interposer", help="the library that disturbs system calls, for R2, R4 and R18")
    parser.add_argument("--row", required=True, choices=sorted(SIZES["release"]), help="row of the campaign")
    parser.add_argument("--size", default="ci", choices=sorted(SIZES), help="how many trials")
    parser.add_argument("--trials", type=int, help="instead of --size")
    parser.add_argument("--seconds", type=float, help="R1: begin no new run after so long, once a fifth of the trials is done")
    parser.add_argument("--seed", type=int, default=1)
    sys.exit(Campaign(parser.parse_args()).go())


if __name__ == "__main__":
    main()
