#!/usr/bin/env python3
"""How well `align` undoes known distortions of real stacks, and what it does to real misalignments.

    evaluate.py PETAVOX DATA WORK [CASE ...]      DATA: the folder with fib25_training2 and isbi2012_vnc

Cases: fib25 (every section warped by a random field of its own), fib25_turned (the same and turned by up to 30 degrees,
scaled by up to 5 %, two by 180 degrees more, without a starting guess), fib25_drift (200 sections), phantom_large
(1024 pixels, displacements to 40), fafb_tiles (real tiles against published transforms), fib25_bad (one missing, one
blank, one folded section among fifty), isbi2012 (neurite ids on both sides of real displacements). Prints one line for each measurement.
Ends with 1 if real displacements are not undone, with 77 without the data.
"""

import json
import pathlib
import shutil
import subprocess
import sys

import h5py
import numpy as np


def keys(t):
    """Weights of cubic convolution for the four samples round a position."""
    return (((-0.5 * t + 1) * t - 0.5) * t, (1.5 * t - 2.5) * t * t + 1,
            ((-1.5 * t + 2) * t + 0.5) * t, (0.5 * t - 0.5) * t * t)


def sample(image, y, x):
    """Cubic interpolation at positions in pixels; the edge repeats."""
    fy, fx = np.floor(y).astype(int), np.floor(x).astype(int)
    wy, wx = keys(y - fy), keys(x - fx)
    out = np.zeros(y.shape)
    for b in range(4):
        row = np.zeros(y.shape)
        j = np.clip(fy - 1 + b, 0, image.shape[0] - 1)
        for a in range(4):
            row += wx[a] * image[j, np.clip(fx - 1 + a, 0, image.shape[1] - 1)]
        out += wy[b] * row
    return out


def smooth_field(rng, shape, sigma, amplitude):
    """Random displacements (2, y, x): Gaussians of width sigma, the longest vector of the given length."""
    counts = [int(np.ceil(s / sigma)) + 6 for s in shape]
    base = [np.exp(-0.5 * (np.arange(s)[:, None] / sigma - (np.arange(n)[None] - 2)) ** 2)
            for s, n in zip(shape, counts)]
    field = np.einsum("ya,cab,xb->cyx", base[0], rng.standard_normal((2, *counts)), base[1])
    field -= field.mean(axis=(1, 2), keepdims=True)
    return field * amplitude / np.sqrt((field ** 2).sum(0)).max()


class Warped:
    """A stack whose section z shows at y what the true one has at from_[z](y)."""

    def __init__(self, stack, seed, amplitude, sigma, shift, rotation=0.0, scale=0.0, brightness=0.15, noise=5):
        rng = np.random.default_rng(seed)
        self.truth = stack
        self.stack = np.zeros_like(stack)
        self.from_ = []
        height, width = stack.shape[1:]
        y, x = np.mgrid[:height, :width].astype(float)
        cy, cx = (height - 1) / 2, (width - 1) / 2
        for z, section in enumerate(stack):
            turn = np.deg2rad(rng.uniform(-rotation, rotation))
            zoom = 1 + rng.uniform(-scale, scale)
            dy, dx = rng.uniform(-shift, shift, 2) if shift else (0, 0)
            field = np.zeros((2, height, width))
            if amplitude:
                field = smooth_field(rng, (height, width), sigma, amplitude * rng.uniform(0.3, 1))
            sy = zoom * (np.cos(turn) * (y - cy) - np.sin(turn) * (x - cx)) + cy + dy + field[0]
            sx = zoom * (np.sin(turn) * (y - cy) + np.cos(turn) * (x - cx)) + cx + dx + field[1]
            v = sample(section.astype(float), sy, sx)
            v = (v - 128) * (1 + rng.uniform(-brightness, brightness)) + 128 + 60 * brightness * rng.uniform(-1, 1)
            v = np.clip(np.floor(v + noise * rng.standard_normal(v.shape) + 0.5), 1, 255)
            v[(sy < 0) | (sy > height - 1) | (sx < 0) | (sx > width - 1)] = 0
            self.from_.append((sy, sx))
            self.stack[z] = v


def run(petavox, work, name, stack, settings, place=None):
    """Runs `align` (after `place_sections`, if its settings are given); returns the aligned stack, the displacements at
    the nodes, and the placements (8, z) or None."""
    folder = work / name
    folder.mkdir(parents=True, exist_ok=True)
    with h5py.File(folder / "in.h5", "w") as f:
        f["raw"] = stack
    text = (f"petavox: 1\ninput: {{path: in.h5, dataset: /raw}}\nblocks: {{shape: [64, 128, 128]}}\n"
            "output: {dir: out, keep: [aligned, displacement, quality" + (", placement" if place is not None else "")
            + "], final: {codec: gzip, level: 1}}\nstages:\n"
            + (f"  place_sections: {{{place}}}\n" if place is not None else "") + f"  align: {{{settings}}}\n")
    (folder / "run.yaml").write_text(text)
    subprocess.run(["rm", "-rf", folder / "out"], check=True)
    done = subprocess.run([petavox, "run", folder / "run.yaml", "--serial"], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"petavox ended with {done.returncode}: {done.stderr}")
    for line in done.stdout.splitlines():
        if line.startswith(("alignment.", "placements.", "digest ")):
            print(f"  {name}: {line}")
    with h5py.File(folder / "out/volumes/aligned.h5") as f:
        aligned = f[list(f)[0]][()]
    with h5py.File(folder / "out/volumes/displacement.h5") as f:
        lattice = f[list(f)[0]][()]
    placement = None
    if place is not None:
        with h5py.File(folder / "out/volumes/placement.h5") as f:
            placement = np.asarray(f[list(f)[0]][()]).reshape(8, len(stack)) / 2.0 ** 32
    return aligned, lattice, placement


def positions(lattice, shape, spacing, placement=None):
    """Input pixel (z, 2, y, x) that each canvas pixel shows, from the displacements at the nodes."""
    if lattice.shape[0] != 2:
        lattice = np.moveaxis(lattice, -1, 0)
    d = lattice / 1024.0
    # One node further on straight lines, as the product reads beyond the domain.
    for axis in (2, 3):
        first, second = np.take(d, [0], axis), np.take(d, [1 if d.shape[axis] > 1 else 0], axis)
        last, before = np.take(d, [-1], axis), np.take(d, [-2 if d.shape[axis] > 1 else -1], axis)
        d = np.concatenate([2 * first - second, d, 2 * last - before], axis)
    y, x = np.mgrid[:shape[1], :shape[2]].astype(float)
    ny, nx = (y - (spacing - 1) / 2) / spacing + 1, (x - (spacing - 1) / 2) / spacing + 1
    places = np.stack([np.stack([y + sample(d[0, z], ny, nx), x + sample(d[1, z], ny, nx)]) for z in range(shape[0])])
    if placement is not None:
        for z, (yy, yx, y0, xy, xx, x0) in enumerate(placement[:6].T):
            sy, sx = places[z]
            places[z] = np.stack([yy * sy + yx * sx + y0, xy * sy + xx * sx + x0])
    return places


def true_positions(warped, found, margin=16):
    """Where in the true stack each canvas pixel lies, and whether it is inside both by `margin`."""
    places, valid = [], []
    height, width = warped.truth.shape[1:]
    inside = lambda y, x: ((y > margin) & (y < height - 1 - margin) & (x > margin) & (x < width - 1 - margin))
    for (sy, sx), (gy, gx) in zip(warped.from_, found):
        ty, tx = sample(sy, gy, gx), sample(sx, gy, gx)
        places.append(np.stack([ty, tx]))
        valid.append(inside(gy, gx) & inside(ty, tx))
    return np.array(places), np.array(valid)


def without_affine(places, valid, along_z):
    """Removes one affine transform of the canvas for all sections (and a constant shear along z)."""
    rows, values = [], []
    for z in range(len(places)):
        y, x = (v[::53] for v in np.nonzero(valid[z]))
        rows.append(np.stack([y, x, np.ones(len(y)), np.full(len(y), z)], 1)[:, :4 if along_z else 3].astype(float))
        values.append(places[z][:, y, x].T)
    a = np.linalg.lstsq(np.concatenate(rows), np.concatenate(values), rcond=None)[0]
    y, x = np.mgrid[:places.shape[2], :places.shape[3]].astype(float)
    plane = np.stack([y * a[0, c] + x * a[1, c] + a[2, c] for c in (0, 1)])
    shear = a[3] if along_z else np.zeros(2)
    return np.stack([places[z] - plane - z * shear[:, None, None] for z in range(len(places))])


def neighbours(places, valid):
    errors = []
    for z in range(1, len(places)):
        both = valid[z] & valid[z - 1]
        errors.append(np.sqrt(((places[z] - places[z - 1]) ** 2).sum(0))[both])
    return np.concatenate(errors)


def drift(places, valid):
    return [float(np.median(np.sqrt(((places[z] - places[0]) ** 2).sum(0))[valid[z] & valid[0]]))
            if (valid[z] & valid[0]).any() else float("nan") for z in range(len(places))]


def chunked(stack, size=32):
    """Mean correlation of neighbouring sections over chunks that are not empty."""
    values = []
    for a, b in zip(stack[:-1].astype(float), stack[1:].astype(float)):
        for y in range(32, a.shape[0] - 32 - size, size):
            for x in range(32, a.shape[1] - 32 - size, size):
                u, v = a[y:y + size, x:x + size], b[y:y + size, x:x + size]
                if (u == 0).mean() > 0.01 or (v == 0).mean() > 0.01:
                    continue
                u, v = u - u.mean(), v - v.mean()
                norm = np.sqrt((u * u).sum() * (v * v).sum())
                if norm > 0:
                    values.append((u * v).sum() / norm)
    return float(np.mean(values))


def report(name, warped, lattice, spacing, placement=None):
    places, valid = true_positions(warped, positions(lattice, warped.stack.shape, spacing, placement))
    raw = neighbours(places, valid)
    curve = drift(without_affine(places, valid, False), valid)
    print(f"{name}: neighbours' error px: median {np.median(raw):.2f}, p95 {np.percentile(raw, 95):.2f}, "
          f"p99 {np.percentile(raw, 99):.2f}; against the first section, one affine transform "
          f"removed: middle {curve[len(curve) // 2]:.2f}, end {np.nanmedian(curve[-5:]):.2f}, most {np.nanmax(curve):.2f}",
          flush=True)
    return places, valid


def fib25(petavox, data, work):
    with h5py.File(data / "fib25_training2/fib25_training2.h5") as f:
        raw = f["raw"][()]
    settings = "levels: [4, 2, 1, 1], patch: 64, radius: 12, spacing: 16"
    for thin in (1, 2):
        stack = raw[:100:thin]
        still = Warped(stack, 1, 0, 1, 0, brightness=0, noise=0)
        aligned, lattice, _ = run(petavox, work, f"fib25_{thin}_still", still.stack, settings)
        own, own_valid = report(f"fib25, every {thin}. section, undistorted", still, lattice, 16)
        moved = Warped(stack, 1, amplitude=10, sigma=60, shift=4, brightness=0.15, noise=5)
        aligned, lattice, _ = run(petavox, work, f"fib25_{thin}_warped", moved.stack, settings)
        places, valid = report(f"fib25, every {thin}. section, warped by up to 10 px and shifted by 4", moved, lattice, 16)
        more = neighbours(places - own, valid & own_valid)
        print(f"fib25_{thin}: beyond what is done to the undistorted stack: median {np.median(more):.2f}, "
              f"p99 {np.percentile(more, 99):.2f}; correlation of chunks: undistorted {chunked(still.stack):.3f}, "
              f"warped {chunked(moved.stack):.3f}, aligned {chunked(aligned):.3f}", flush=True)


FINE = "levels: [4, 2, 1, 1], patch: 64, radius: 12, spacing: 16"


def fib25_drift(petavox, data, work):
    with h5py.File(data / "fib25_training2/fib25_training2.h5") as f:
        stack = f["raw"][:200]
    moved = Warped(stack, 3, amplitude=10, sigma=60, shift=4)
    _, lattice, _ = run(petavox, work, "fib25_drift", moved.stack, FINE)
    report("fib25, 200 sections, warped by up to 10 px and shifted by 4", moved, lattice, 16)


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
    work.mkdir(parents=True, exist_ok=True)
    subprocess.run([petavox, "phantom", "--shape", "33,1024,1024", "--voxel-size-nm", "40,4,4", "--seed", "9", "--out",
                    work / "phantom", "--overwrite"], check=True, capture_output=True)
    with h5py.File(work / "phantom/phantom.h5") as f:
        stack = f["raw"][()]
    moved = Warped(stack, 6, amplitude=40, sigma=150, shift=10, rotation=30, scale=0.05)
    aligned, lattice, placement = run(petavox, work, "phantom_large", moved.stack,
                                      "levels: [8, 4, 2, 1], patch: 64, radius: 12, spacing: 16", "")
    report("phantom of 1024 x 1024, turned by up to 30 degrees, scaled by 5 %, warped by up to 40 px", moved, lattice, 16,
           placement)
    print(f"correlation of chunks: undistorted {chunked(stack):.3f}, aligned {chunked(aligned):.3f}", flush=True)


def fafb_tiles(petavox, data, work):
    """Places of four real tiles against the published transforms, at matched points of neighbours, bends included."""
    source = data / "fafb_tiles_stitching/setA"
    folder = work / "fafb_tiles"
    folder.mkdir(parents=True, exist_ok=True)
    half = np.array([[2, 0, 0.5], [0, 2, 0.5], [0, 0, 1]])  # the images are of half the published size; (x, y, 1)
    names, world = [], []
    for tile in json.loads((source / "transforms_render_spec.json").read_text()):
        names.append(tile["mipmapLevels"]["0"]["imageUrl"].split("/")[-1])
        a, b, c, d, e, f = map(float, tile["transforms"]["specList"][0]["dataString"].split())
        world.append(np.linalg.inv(half) @ np.array([[a, c, e], [b, d, f], [0, 0, 1]]) @ half)
        shutil.copy(source / names[-1], folder / names[-1])
    mean = np.mean([a[:2, :2] for a in world], 0)
    middle = np.array([662, 565, 1.0])
    nominal = np.array([np.linalg.solve(mean, (a @ middle)[:2]) for a in world])
    nominal = np.round(nominal - nominal.min(0) + np.random.default_rng(0).uniform(-15, 15, nominal.shape)).astype(int)
    (folder / "tiles.csv").write_text("# voxel_size_nm: 40, 8, 8\n# margin: 64\nfile,section,x,y\n"
                                      + "".join(f"{n},0,{x},{y}\n" for n, (x, y) in zip(names, nominal)))
    (folder / "run.yaml").write_text("petavox: 1\ninput: {tiles: tiles.csv}\nblocks: {shape: [1, 512, 512]}\n"
                                     "output: {dir: out, keep: [tile_positions]}\nstages: {stitch_tiles: {}}\n")
    shutil.rmtree(folder / "out", ignore_errors=True)
    subprocess.run([petavox, "run", folder / "run.yaml", "--serial"], check=True, capture_output=True)
    subprocess.run([petavox, "export", f"{folder}/out:tile_positions", "--to", f"{folder}/p.h5:/p", "--codec", "gzip",
                    "--overwrite"], check=True, capture_output=True)
    with h5py.File(folder / "p.h5") as f:
        fields = f["p"][:, 0, :, 0] / 1024.0
    y, x = np.mgrid[20:1110:20, 20:1305:20]
    points = np.stack([x.ravel(), y.ravel(), np.ones(x.size)])
    failed = False

    def shown(i, q):
        bends = fields[6:38, i].reshape(4, 4, 2)
        v, u = q[1] / 1129 * 3, q[0] / 1324 * 3
        j, k = np.clip(v.astype(int), 0, 2), np.clip(u.astype(int), 0, 2)
        t, s = (v - j)[:, None], (u - k)[:, None]
        bend = ((1 - t) * ((1 - s) * bends[j, k] + s * bends[j, k + 1])
                + t * ((1 - s) * bends[j + 1, k] + s * bends[j + 1, k + 1]))
        return np.stack([q[0] + fields[2, i] + bend[:, 1], q[1] + fields[1, i] + bend[:, 0]])

    for i, j in ((0, 1), (0, 2), (1, 3), (2, 3)):
        there = np.linalg.inv(world[i]) @ world[j] @ points
        inside = (there[0] > 30) & (there[0] < 1295) & (there[1] > 30) & (there[1] < 1100)
        error = np.sqrt(((shown(j, points[:, inside]) - shown(i, there[:, inside])) ** 2).sum(0))
        print(f"{names[i]} and {names[j]}: matched points meet to: median {np.median(error):.2f} px, "
              f"p95 {np.percentile(error, 95):.2f}", flush=True)
        failed |= bool(np.median(error) > 2)
    return failed


def fib25_bad(petavox, data, work):
    with h5py.File(data / "fib25_training2/fib25_training2.h5") as f:
        raw = f["raw"][:100:2]
    settings = "levels: [4, 2, 1, 1], patch: 64, radius: 12, spacing: 16"
    moved = Warped(raw, 2, amplitude=10, sigma=60, shift=4)
    _, lattice, _ = run(petavox, work, "bad_none", moved.stack, settings)
    report("fifty sections, none bad", moved, lattice, 16)
    bad = [12, 25, 37]
    moved.stack[12] = 0
    moved.stack[25] = 128
    fold = moved.stack[37].copy()
    fold[:, 110:] = moved.stack[37][:, 140:250].repeat(2, 1)[:, :140] // 2  # a part is gone, what follows is stretched
    moved.stack[37] = fold
    _, lattice, _ = run(petavox, work, "bad_three", moved.stack, settings)
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
    aligned, lattice, _ = run(petavox, work, "isbi2012", raw, "radius: 12")
    found = positions(lattice, raw.shape, 32)
    moved = np.zeros_like(labels)
    for z, (y, x) in enumerate(np.floor(found + 0.5).astype(int)):
        inside = (y >= 0) & (y < 512) & (x >= 0) & (x < 512)
        moved[z][inside] = labels[z][y[inside], x[inside]]
    failed = False
    for name, stack in (("before", labels), ("after", moved)):
        for z in (8, 9, 10, 11):
            both = (stack[z] > 0) & (stack[z + 1] > 0)
            share = (stack[z] == stack[z + 1])[both].mean()
            print(f"isbi2012 {name}: sections {z}-{z + 1}: the same neurite at {share:.3f} of the pixels inside one in both",
                  flush=True)
            if name == "after" and share < {9: 0.87, 10: 0.88}.get(z, 0):
                failed = True
    print(f"isbi2012: correlation of chunks before {chunked(raw):.3f}, after {chunked(aligned):.3f}", flush=True)
    return failed


def main():
    petavox, data, work = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
    if not data.is_dir():
        print(f"{data} is absent: nothing is measured")
        return 77
    cases = {"fib25": fib25, "fib25_turned": fib25_turned, "fib25_drift": fib25_drift, "phantom_large": phantom_large,
             "fib25_bad": fib25_bad, "fafb_tiles": fafb_tiles, "isbi2012": isbi2012}
    return 1 if any([cases[name](petavox, data, work) for name in sys.argv[4:] or cases]) else 0


if __name__ == "__main__":
    sys.exit(main())
