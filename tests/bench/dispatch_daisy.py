#!/usr/bin/env python3
"""How many blocks a second daisy's scheduler hands out and takes back, without workers or messages: the figure that
master_bench is compared with. Needs daisy (pip install daisy); prints one line."""
import sys
import time

import daisy
from daisy.scheduler import Scheduler

blocks = int(sys.argv[1]) if len(sys.argv) > 1 else 64000
edge = round(blocks ** (1 / 3))
roi = daisy.Roi((0, 0, 0), (4 * edge, 4 * edge, 4 * edge))
block = daisy.Roi((0, 0, 0), (4, 4, 4))
task = daisy.Task("nothing", roi, block, block, process_function=lambda b: None, read_write_conflict=False)
scheduler = Scheduler([task])
begin, cpu, done = time.perf_counter(), time.process_time(), 0
while (taken := scheduler.acquire_block("nothing")) is not None:
    taken.status = daisy.BlockStatus.SUCCESS
    scheduler.release_block(taken)
    done += 1
seconds, cpu = time.perf_counter() - begin, time.process_time() - cpu
print(f"daisy {daisy.__version__ if hasattr(daisy, '__version__') else ''} scheduler: {done} blocks {done / seconds:.0f} blocks/s "
      f"{1e6 * cpu / done:.2f} us CPU a block")
