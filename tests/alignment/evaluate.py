#!/usr/bin/env python3
"""How well `align` undoes known distortions of real stacks, and what it does to real misalignments.

    evaluate.py PETAVOX DATA WORK [CASE ...]      DATA: the folder with fib25_training2 and isbi2012_vnc

Cases: fib25 (every section warped by a random field of its own), fib25_large (mirrored to 1024 pixels, by the default
settings, with its CPU time), fib25_turned (turned by up to 30 degrees, scaled by up to 5 %, two by 180 degrees more,
without a starting guess), fib25_drift (200 sections), phantom_drift (200 sections of a phantom of 512 pixels, by the default settings), phantom_large (1024 pixels, displacements to 40, at two sizes of voxels), fafb_tiles (real tiles against published transforms), fib25_bad (one missing, one
blank, one folded section among fifty), fold_pair (a real folded section), fold_known (a fold made in a real stack),
folds_made (more of them, without alignment), folds_sound (sections without damage, none of which may be opened),
tiles_to_segments (distorted tiles of phantoms, to labels), isbi2012 (neurite ids on both sides of real displacements).
Only if asked for: feabas_tiles (fafb_tiles by FEABAS, which must be installed), feabas_sections (40 sections of fib25 and
isbi2012, `align` beside FEABAS).
Prints one line for each measurement.
Ends with 1 if real displacements are not undone, with 77 without the data.
"""

import pathlib
import subprocess
import sys

import h5py
import numpy as np

from folds import fold_known, fold_pair, folds_made, folds_sound
from from_tiles import tiles_to_segments
from known_truth import FINE, FINE_THINNED, Warped, cpu_seconds, run, positions, true_positions, neighbours, chunked, read, \
    report, report_neurites
from peer_sections import feabas_sections
from real_tiles import fafb_tiles, feabas_tiles


def phantom(petavox, work, shape, voxel):
    work.mkdir(parents=True, exist_ok=True)
    subprocess.run([petavox, "phantom", "--shape", shape, "--voxel-size-nm", voxel, "--seed", "9", "--out", work / "phantom",
                    "--overwrite"], check=True, capture_output=True)
    return read(work / "phantom/phantom.h5", "raw")


def fib25(petavox, data, work):
    with h5py.File(data / "fib25_training2/fib25_training2.h5") as f:
        raw = f["raw"][()]
    for thin, settings in ((1, FINE), (2, FINE_THINNED)):
        stack = raw[:100:thin]
        still = Warped(stack, 1, 0, 1, 0, brightness=0, noise=0)
        aligned, lattice, _ = run(petavox, work, f"fib25_{thin}_still", still.stack, settings)
        own, own_valid = report(f"fib25, every {thin}. section, undistorted", still, lattice, 16)
        moved = Warped(stack, 1, amplitude=10, sigma=60, shift=4, brightness=0.15, noise=5)
        aligned, lattice, _ = run(petavox, work, f"fib25_{thin}_warped", moved.stack, settings)
        places, valid = report(f"fib25, every {thin}. section, warped by up to 10 px and shifted by 4", moved, lattice, 16)
        more = neighbours(places - own, valid & own_valid)
        perfect = moved.drawn_back().astype(stack.dtype)
        print(f"fib25_{thin}: beyond what is done to the undistorted stack: median {np.median(more):.2f}, "
              f"p99 {np.percentile(more, 99):.2f}; correlation of chunks: undistorted {chunked(still.stack):.3f}, "
              f"warped {chunked(moved.stack):.3f}, drawn through the true maps {chunked(perfect):.3f}, aligned "
              f"{chunked(aligned):.3f}", flush=True)
        # Nothing is left to do there, but for the noise and contrast of the sections: what is done to it is the floor.
        nothing = Warped(stack, 1, 0, 1, 0, brightness=0, noise=0)
        nothing.stack = perfect
        _, lattice, _ = run(petavox, work, f"fib25_{thin}_perfect", perfect, settings)
        report(f"fib25, every {thin}. section, warped, drawn through the true maps and aligned", nothing, lattice, 16)


def fib25_drift(petavox, data, work):
    with h5py.File(data / "fib25_training2/fib25_training2.h5") as f:
        stack = f["raw"][:200]
    moved = Warped(stack, 3, amplitude=10, sigma=60, shift=4)
    _, lattice, _ = run(petavox, work, "fib25_drift", moved.stack, FINE)
    report("fib25, 200 sections, warped by up to 10 px and shifted by 4", moved, lattice, 16)


def phantom_drift(petavox, data, work):
    """By the default settings."""
    stack = phantom(petavox, work, "200,512,512", "10,10,10")
    still = Warped(stack, 8, amplitude=0, sigma=1, shift=0, brightness=0, noise=0)
    _, lattice, _ = run(petavox, work, "phantom_drift", still.stack, "")
    report("phantom, 200 sections of 512 x 512, undistorted", still, lattice, 16)
    moved = Warped(stack, 8, amplitude=20, sigma=100, shift=4)
    aligned, lattice, _ = run(petavox, work, "phantom_drift", moved.stack, "")
    report("phantom, 200 sections of 512 x 512, warped by up to 20 px and shifted by 4", moved, lattice, 16)
    print(f"correlation of chunks: undistorted {chunked(stack):.3f}, as given {chunked(moved.stack):.3f}, "
          f"aligned {chunked(aligned):.3f}", flush=True)


def fib25_large(petavox, data, work):
    """By the default settings; the warped stack is also what the speed of a whole alignment is measured on."""
    with h5py.File(data / "fib25_training2/fib25_training2.h5") as f:
        raw = f["raw"][:33]
    tiled = np.pad(raw, ((0, 0), (0, 1024 - raw.shape[1]), (0, 1024 - raw.shape[2])), mode="symmetric")
    moved = Warped(tiled, 7, amplitude=30, sigma=100, shift=6, brightness=0.15, noise=5)
    with cpu_seconds("petavox run and export, 33 sections of 1024 x 1024"):
        _, lattice, _ = run(petavox, work, "fib25_large", moved.stack, "", blocks="[16, 256, 256]")
    places, valid = report("fib25 mirrored to 1024 x 1024, 33 sections, warped by up to 30 px and shifted by 6", moved, lattice, 16)
    print(f"fib25_large: neighbours' error at 99.9 % {np.percentile(neighbours(places, valid), 99.9):.2f}", flush=True)


def fib25_turned(petavox, data, work):
    with h5py.File(data / "fib25_training2/fib25_training2.h5") as f:
        stack = f["raw"][:80]
    moved = Warped(stack, 4, amplitude=10, sigma=60, shift=4, rotation=30, scale=0.05)
    for z in (20, 51):  # the microscope's stage turned round
        moved.stack[z] = moved.stack[z][::-1, ::-1]
        moved.from_[z] = tuple(p[::-1, ::-1] for p in moved.from_[z])
    aligned, lattice, placement = run(petavox, work, "fib25_turned", moved.stack, FINE, "")
    report("fib25, 80 sections, turned by up to 30 degrees (two by 180 more), scaled by 5 %, warped by up to 10 px",
           moved, lattice, 16, placement)
    print(f"correlation of chunks: undistorted {chunked(stack):.3f}, as given {chunked(moved.stack):.3f}, "
          f"aligned {chunked(aligned):.3f}", flush=True)


def phantom_large(petavox, data, work):
    """By the default settings. At 40 x 4 x 4 nm the phantom's tubes slide by many pixels from section to section: what is
    done to it undistorted is the floor."""
    for voxel in ("10,10,10", "40,4,4"):
        stack = phantom(petavox, work, "33,1024,1024", voxel)
        still = Warped(stack, 6, amplitude=0, sigma=150, shift=0, brightness=0, noise=0)
        for settings in ("", "course: 0"):
            aligned, lattice, _ = run(petavox, work, "phantom_large", still.stack, settings)
            report(f"phantom of 1024 x 1024 at {voxel} nm, undistorted, {settings or 'by default'}", still, lattice, 16)
            print(f"correlation of chunks: {chunked(aligned):.3f}", flush=True)
        moved = Warped(stack, 6, amplitude=40, sigma=150, shift=10, rotation=30, scale=0.05)
        with cpu_seconds("petavox run"):
            aligned, lattice, placement = run(petavox, work, "phantom_large", moved.stack, "", "")
        places, valid = report(f"phantom of 1024 x 1024 at {voxel} nm, turned by up to 30 degrees, scaled by 5 %, warped by up to 40 px",
                               moved, lattice, 16, placement)
        print(f"phantom_large: neighbours' error at 99.9 % {np.percentile(neighbours(places, valid), 99.9):.2f}; correlation of chunks: undistorted {chunked(stack):.3f}, as given {chunked(moved.stack):.3f}, "
              f"drawn through the true maps {chunked(moved.drawn_back()):.3f}, aligned {chunked(aligned):.3f}", flush=True)


def fib25_bad(petavox, data, work):
    with h5py.File(data / "fib25_training2/fib25_training2.h5") as f:
        raw = f["raw"][:100:2]
    moved = Warped(raw, 2, amplitude=10, sigma=60, shift=4)
    _, lattice, _ = run(petavox, work, "bad_none", moved.stack, FINE_THINNED)
    report("fifty sections, none bad", moved, lattice, 16)
    bad = [12, 25, 37]
    moved.stack[12] = 0
    moved.stack[25] = 128
    fold = moved.stack[37].copy()
    fold[:, 110:] = moved.stack[37][:, 140:250].repeat(2, 1)[:, :140] // 2  # a part is gone, what follows is stretched
    moved.stack[37] = fold
    _, lattice, _ = run(petavox, work, "bad_three", moved.stack, FINE_THINNED)
    places, valid = true_positions(moved, positions(lattice, moved.stack.shape, 16))
    good = [z for z in range(50) if z not in bad]
    errors = np.concatenate([
        np.sqrt(((places[z] - places[z - 1]) ** 2).sum(0))[valid[z] & valid[z - 1]]
        for z in good if z > 0 and z - 1 in good])
    print(f"fifty sections, missing, blank and torn among them: error of the others: median {np.median(errors):.2f}, "
          f"p99 {np.percentile(errors, 99):.2f}", flush=True)


def isbi2012(petavox, data, work):
    with h5py.File(data / "isbi2012_vnc/isbi2012_sections_00_23.h5") as f:
        raw, labels = f["raw"][()], f["labels"][()]
    report_neurites("before", labels, np.tile(np.mgrid[:raw.shape[1], :raw.shape[2]].astype(float), (len(raw), 1, 1, 1)))
    failed = False
    for settings in ("", "radius: 12"):
        aligned, lattice, _ = run(petavox, work, "isbi2012", raw, settings)
        shares = report_neurites(f"after, {settings or 'by default'}", labels, positions(lattice, raw.shape, 16))
        failed |= bool(shares[9] < 0.87 or shares[10] < 0.88)
        print(f"isbi2012: correlation of chunks before {chunked(raw):.3f}, after {chunked(aligned):.3f}", flush=True)
    return failed


def main():
    petavox, data, work = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
    if not data.is_dir():
        print(f"{data} is absent: nothing is measured")
        return 77
    cases = {"fib25": fib25, "fib25_large": fib25_large, "fib25_turned": fib25_turned, "fib25_drift": fib25_drift, "phantom_drift": phantom_drift,
             "phantom_large": phantom_large, "fib25_bad": fib25_bad, "fold_pair": fold_pair, "fold_known": fold_known, "folds_made": folds_made,
             "folds_sound": folds_sound, "tiles_to_segments": tiles_to_segments, "fafb_tiles": fafb_tiles, "isbi2012": isbi2012}
    peers = {"feabas_tiles": feabas_tiles, "feabas_sections": feabas_sections}  # only if asked for: they need what others have made
    return 1 if any([(cases | peers)[name](petavox, data, work) for name in sys.argv[4:] or cases]) else 0


if __name__ == "__main__":
    sys.exit(main())
