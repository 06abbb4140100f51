#!/usr/bin/env python3
"""How well `align` undoes known distortions of real stacks, and what it does to real misalignments.

    evaluate.py PETAVOX DATA WORK [CASE ...]      DATA: the folder with fib25_training2 and isbi2012_vnc

Cases: fib25 (every section warped by a random field of its own), fib25_turned (the same and turned by up to 30 degrees,
scaled by up to 5 %, two by 180 degrees more, without a starting guess), fib25_drift (200 sections), phantom_large
(1024 pixels, displacements to 40), fafb_tiles (real tiles against published transforms), fib25_bad (one missing, one
blank, one folded section among fifty), fold_pair (a real folded section), fold_known (a fold made in a real stack),
tiles_to_segments (distorted tiles of phantoms, to labels), isbi2012 (neurite ids on both sides of real displacements).
Only if asked for: feabas_tiles (fafb_tiles by FEABAS, which must be installed).
Prints one line for each measurement.
Ends with 1 if real displacements are not undone, with 77 without the data.
"""

import contextlib
import json
import pathlib
import resource
import shutil
import subprocess
import sys

import h5py
import numpy as np

from known_truth import sample, Warped, run, positions, true_positions, neighbours, chunked, correlation, report, read, run_stages


# For 250 pixels and fields of that size: finer than the default. Where neighbouring sections are less alike, larger patches.
FINER = "radius: 12, spacing: 16, patch: "
FINE, FINE_THINNED = (f"levels: [4, 2, 1, 1], {FINER}{patch}" for patch in (48, 80))


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
        print(f"fib25_{thin}: beyond what is done to the undistorted stack: median {np.median(more):.2f}, "
              f"p99 {np.percentile(more, 99):.2f}; correlation of chunks: undistorted {chunked(still.stack):.3f}, "
              f"warped {chunked(moved.stack):.3f}, aligned {chunked(aligned):.3f}", flush=True)


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
                                      f"levels: [8, 4, 2, 1], {FINER}48", "")
    report("phantom of 1024 x 1024, turned by up to 30 degrees, scaled by 5 %, warped by up to 40 px", moved, lattice, 16,
           placement)
    print(f"correlation of chunks: undistorted {chunked(stack):.3f}, aligned {chunked(aligned):.3f}", flush=True)


def tiles_of_fafb(data, folder):
    """Copies four real tiles; returns their names, the published transforms (x, y, 1) and nominal places, wrong by up to 15 px."""
    source = data / "fafb_tiles_stitching/setA"
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
    return names, world, nominal


def fafb_tiles(petavox, data, work):
    """Places of four real tiles against the published transforms, at matched points of neighbours, bends included."""
    folder = work / "fafb_tiles"
    names, world, nominal = tiles_of_fafb(data, folder)
    (folder / "tiles.csv").write_text("# voxel_size_nm: 40, 8, 8\n# margin: 64\nfile,section,x,y\n"
                                      + "".join(f"{n},0,{x},{y}\n" for n, (x, y) in zip(names, nominal)))
    (folder / "run.yaml").write_text("petavox: 1\ninput: {tiles: tiles.csv}\nblocks: {shape: [1, 512, 512]}\n"
                                     "output: {dir: out, keep: [tile_positions]}\nstages: {stitch_tiles: {}}\n")
    shutil.rmtree(folder / "out", ignore_errors=True)
    with cpu_seconds("petavox run (stitches and draws)"):
        subprocess.run([petavox, "run", folder / "run.yaml", "--serial"], check=True, capture_output=True)
    subprocess.run([petavox, "export", f"{folder}/out:tile_positions", "--to", f"{folder}/p.h5:/p", "--codec", "gzip",
                    "--overwrite"], check=True, capture_output=True)
    with h5py.File(folder / "p.h5") as f:
        fields = f["p"][:, 0, :, 0] / 1024.0

    def shown(i, q):
        bends = fields[6:38, i].reshape(4, 4, 2)
        v, u = q[1] / 1129 * 3, q[0] / 1324 * 3
        j, k = np.clip(v.astype(int), 0, 2), np.clip(u.astype(int), 0, 2)
        t, s = (v - j)[:, None], (u - k)[:, None]
        bend = ((1 - t) * ((1 - s) * bends[j, k] + s * bends[j, k + 1])
                + t * ((1 - s) * bends[j + 1, k] + s * bends[j + 1, k + 1]))
        return np.stack([q[0] + fields[2, i] + bend[:, 1], q[1] + fields[1, i] + bend[:, 0]])

    return report_tiles(names, world, shown)


def feabas_tiles(petavox, data, work):
    """The same tiles by FEABAS' stitcher (`pip install feabas`), by the calls of its interface; settings are ours, where they are not its defaults."""
    folder = (work / "feabas_tiles").resolve()
    names, world, nominal = tiles_of_fafb(data, folder)
    (folder / "configs").mkdir(exist_ok=True)
    (folder / "configs/general_configs.yaml").write_text(
        "parallel_framework: process\ncpu_budget: 1\nfull_resolution: 8\nworking_directory: .\n")
    with contextlib.chdir(folder):  # where it looks for its settings while it is imported
        from feabas.stitcher import Stitcher
    boxes = np.hstack([nominal, nominal + [1325, 1130]])
    with cpu_seconds("FEABAS (stitches, does not draw)"):
        stitcher = Stitcher([str(folder / n) for n in names], boxes, root_dir=None)
        stitcher.dispatch_matchers(margin=100, num_workers=1)
        stitcher.initialize_meshes([75, 150, 300])
        stitcher.optimize_translation(tol=1e-6, residue_threshold=20)
        stitcher.optimize_elastic(tol=1e-6, residue_mode="huber", residue_len=5)
    meshes = stitcher.meshes

    def shown(i, q):
        from matplotlib.tri import LinearTriInterpolator, Triangulation
        from feabas.constant import MESH_GEAR_INITIAL, MESH_GEAR_MOVING
        still = meshes[i].vertices_w_offset(gear=MESH_GEAR_INITIAL)
        moved = meshes[i].vertices_w_offset(gear=MESH_GEAR_MOVING)
        still = still - still.min(0)
        grid = Triangulation(still[:, 0], still[:, 1], meshes[i].triangles)
        return np.stack([np.asarray(LinearTriInterpolator(grid, moved[:, k])(*q[:2])) for k in (0, 1)])

    return report_tiles(names, world, shown)


@contextlib.contextmanager
def cpu_seconds(what):
    def spent():
        own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
        return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime
    before = spent()
    yield
    print(f"{what}: {spent() - before:.1f} s of CPU", flush=True)


def report_tiles(names, world, shown):
    """How far points that the published transforms put on each other are apart; shown(tile, (x, y, 1)) is where a tile is put."""
    y, x = np.mgrid[20:1110:20, 20:1305:20]
    points = np.stack([x.ravel(), y.ravel(), np.ones(x.size)])
    failed = False
    for i, j in ((0, 1), (0, 2), (1, 3), (2, 3)):
        there = np.linalg.inv(world[i]) @ world[j] @ points
        inside = (there[0] > 30) & (there[0] < 1295) & (there[1] > 30) & (there[1] < 1100)
        error = np.sqrt(((shown(j, points[:, inside]) - shown(i, there[:, inside])) ** 2).sum(0))
        print(f"{names[i]} and {names[j]}: matched points meet to: median {np.median(error):.2f} px, "
              f"p95 {np.percentile(error, 95):.2f}", flush=True)
        failed |= bool(np.median(error) > 2)
    # All tiles in one frame. What no method can know is one affine transform: the published ones stretch the whole
    # section by 4 and 8 %.
    inside = (points[0] > 30) & (points[0] < 1295) & (points[1] > 30) & (points[1] < 1100)
    here = [shown(i, points[:, inside]) for i in range(4)]
    there = [(a @ points[:, inside])[:2] for a in world]
    wide = lambda p: np.vstack([p, np.ones(p.shape[1])]).T
    frame = np.linalg.lstsq(wide(np.concatenate(there, 1)), np.concatenate(here, 1).T, rcond=None)[0]
    off = [h - (wide(t) @ frame).T for h, t in zip(here, there)]
    places = [np.sqrt((o.mean(1) ** 2).sum()) for o in off]
    pixels = np.sqrt((np.concatenate(off, 1) ** 2).sum(0))
    print("all tiles in one frame: places (means over a tile) off by " + ", ".join(f"{p:.2f}" for p in places)
          + f" px; pixels: median {np.median(pixels):.2f}, p95 {np.percentile(pixels, 95):.2f}", flush=True)
    return failed | bool(max(places) > 2)


def fold_known(petavox, data, work):
    """A real stack of which one section is folded, against the same stack without the fold."""
    with h5py.File(data / "vnc_gerhard2013_stack1/vnc_sections_00_14.h5") as f:
        raw = f["raw"][3:9, 100:900, 100:900]
    moved = Warped(raw, 21, amplitude=6, sigma=120, shift=3)
    folded = moved.stack.copy()
    section, swallowed, band = 3, 70, 36
    height, width = raw.shape[1:]
    y, x = np.mgrid[:height, :width].astype(float)
    normal = np.array([0.35, 1.0]) / np.hypot(0.35, 1)
    side = (y - 390) * normal[0] + (x - 420) * normal[1]
    turn = np.deg2rad(2)
    beyond = side > 0
    sy = np.where(beyond, 390 + np.cos(turn) * (y - 390) - np.sin(turn) * (x - 420) + swallowed * normal[0], y)
    sx = np.where(beyond, 420 + np.sin(turn) * (y - 390) + np.cos(turn) * (x - 420) + swallowed * normal[1], x)
    picture = sample(moved.stack[section].astype(float), sy, sx)
    doubled = (side > 0) & (side < band)
    picture = np.where(doubled, picture * moved.stack[section] / 255 * 0.6, picture)  # two layers absorb
    picture[(sy < 0) | (sy > height - 1) | (sx < 0) | (sx > width - 1)] = 0
    folded[section] = np.clip(np.floor(picture + 0.5), 0, 255)
    align_it = "  align: {" + FINE
    results = {}
    for name, stack, opened in (("whole", moved.stack, False), ("folded", folded, False), ("folded, opened", folded, True)):
        folder = work / ("fold_" + name.replace(", ", "_"))
        folder.mkdir(parents=True, exist_ok=True)
        with h5py.File(folder / "in.h5", "w") as f:
            f["raw"] = stack
        said = run_stages(petavox, folder, "path: in.h5, dataset: /raw", ["aligned", "displacement"]
                          + (["excluded", "opened"] if opened else []),
                          ("  open_folds: {}\n" + align_it + ", reads: {image: opened}}\n") if opened
                          else align_it + "}\n", "[6, 256, 256]")
        for line in said:
            if line.startswith("folds."):
                print(f"  {name}: {line}")
        results[name] = read(folder / "out/volumes/aligned.h5")
    # Outside what the fold hides: where the opened section shows something.
    shown = results["folded, opened"][section] > 0
    far = np.ones_like(shown)
    far[:40], far[-40:], far[:, :40], far[:, -40:] = 0, 0, 0, 0
    for side_name, mask in (("beside", side < -20), ("beyond", side > swallowed + band)):
        line = []
        for name, aligned in results.items():
            values = []
            for a in (section - 1, section + 1):
                for j in range(0, height - 32, 32):
                    for i in range(0, width - 32, 32):
                        at = np.s_[j:j + 32, i:i + 32]
                        if not (shown & far.astype(bool) & mask)[at].all():
                            continue
                        u, v = (aligned[z][at].astype(float) for z in (a, section))
                        values.append(correlation(u, v) or 0)
            line.append(f"{name} {np.mean(values):.3f} ({len(values)})")
        print(f"fold in a real stack, correlation with its neighbours of what lies {side_name} it: " + "; ".join(line), flush=True)


def fold_pair(petavox, data, work):
    """The real fold: correlation of chunks on either side of it, as given, aligned, and aligned after opening."""
    source = data / "fold_section_pair"
    folder = work / "fold_pair"
    folder.mkdir(parents=True, exist_ok=True)
    for z, name in enumerate(("DOLW7_0.png", "DOLW7_1.png")):
        (folder / "sections").mkdir(exist_ok=True)
        shutil.copy(source / name, folder / f"sections/s{z}.png")
    where = 'path: "sections/*.png"'
    results = {}
    run_stages(petavox, folder / "../fold_pair_given", f'path: "{folder}/sections/*.png"', ["aligned"], "  align: {radius: 24}\n")
    results["aligned"] = read(work / "fold_pair_given/out/volumes/aligned.h5")
    said = run_stages(petavox, folder, where, ["aligned", "opened", "excluded"],
                      "  open_folds: {}\n  align: {radius: 24, reads: {image: opened}}\n")
    print("  fold_pair: " + "; ".join(line for line in said if line.startswith("folds.")))
    results["opened and aligned"] = read(folder / "out/volumes/aligned.h5")
    y, x = np.mgrid[:1000, :1000]
    right = x > 330 + 0.55 * y
    for side_name, mask in (("left of the fold", ~right), ("right of it", right)):
        line = []
        for name, aligned in results.items():
            values = []
            for j in range(64, 936, 32):
                for i in range(32, 936, 32):
                    at = np.s_[j:j + 32, i:i + 32]
                    u, v = (aligned[z][at].astype(float) for z in (0, 1))
                    if not mask[at].all() or (results["opened and aligned"][:, j:j + 32, i:i + 32] == 0).mean() > 0.1:
                        continue
                    values.append(correlation(u, v) or 0)
            line.append(f"{name} {np.mean(values):.3f} ({len(values)} chunks)")
        print(f"fold_section_pair, {side_name}: " + "; ".join(line), flush=True)


SEGMENT = """  normalize: {reads: {image: %s}, writes: {image: even}}
  boundary: {skip_zeros: true, reads: {image: even}}
  watershed: {threshold_low: 0.01, threshold_high: 0.9}
  region_graph:
  agglomerate: {threshold: 0.6}
"""


def variation_of_information(labels, truth):
    """Split and merge error in bits, over voxels whose truth is not 0."""
    inside = truth > 0
    _, a = np.unique(labels[inside], return_inverse=True)
    _, b = np.unique(truth[inside], return_inverse=True)
    cells = np.unique(a.astype(np.int64) * (b.max() + 1) + b, return_counts=True)[1] / inside.sum()
    entropy = lambda p: -(p * np.log2(p)).sum()
    of_a, of_b = (entropy(np.bincount(v) / inside.sum()) for v in (a, b))
    return entropy(cells) - of_b, entropy(cells) - of_a


def tiles_to_segments(petavox, data, work):
    """Tiles stitched, placed, aligned and segmented, against the undistorted volume segmented: two sets of random numbers."""
    for volume, tiles in ((31, 5), (32, 6)):
        segments_of_tiles(petavox, work / f"tiles_to_segments_{volume}", volume, tiles)


def segments_of_tiles(petavox, folder, seed_of_volume, seed_of_tiles):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    subprocess.run([petavox, "phantom", "--shape", "16,384,384", "--voxel-size-nm", "16,4,4", "--seed", str(seed_of_volume), "--out",
                    folder / "phantom"], check=True, capture_output=True)
    subprocess.run([petavox, "phantom", "--tiles", "--from", f"{folder}/phantom/phantom.h5:/raw", "--seed", str(seed_of_tiles), "--out",
                    folder / "tiles"], check=True, capture_output=True)
    with h5py.File(folder / "phantom/phantom.h5") as f:
        raw, truth = f["raw"][()], f["labels"][()]
    run_stages(petavox, folder / "straight", "path: ../phantom/phantom.h5, dataset: /raw", ["segments"], SEGMENT % "input")
    subprocess.run([petavox, "run", pathlib.Path(__file__).parent / "../../configs/tiles_to_segments.yaml", "--set",
                    f"input.tiles={folder}/tiles/tiles.csv", "--set",
                    "output.keep=[tile_positions,sections,placement,aligned,displacement,segments]", "--set",
                    "output.final={codec: gzip, level: 1}", "--out", folder / "out", "--serial"], check=True,
                   capture_output=True)
    volumes = folder / "out/volumes"
    placement = np.asarray(read(volumes / "placement.h5")).reshape(8, len(raw)) / 2.0 ** 32
    segments = read(volumes / "segments.h5")
    found = positions(read(volumes / "displacement.h5"), segments.shape, 32, placement)
    tiles = read(volumes / "tile_positions.h5")
    tiles = (tiles if tiles.shape[-1] != tiles.shape[0] and tiles.shape[0] > 30 else np.moveaxis(tiles, -1, 0)) / 1024.0
    told = json.loads((folder / "tiles/truth.json").read_text())["tiles"]
    with h5py.File(folder / "tiles/truth.h5") as f:
        source_y, source_x = f["source_y"][()], f["source_x"][()]
    places, inside = np.zeros((2, *segments.shape)), np.zeros(segments.shape, bool)
    height, width = raw.shape[1:]
    for z in range(len(raw)):
        true = [(t["y"], t["x"]) for t in told if t["section"] == z]
        stitched = [(tiles[1, z, s, 0], tiles[2, z, s, 0]) for s in range(len(true))]
        offset = np.mean(np.array(stitched) - np.array(true), 0)
        sy, sx = found[z][0] - offset[0], found[z][1] - offset[1]
        places[:, z] = sample(source_y[z], sy / 8, sx / 8), sample(source_x[z], sy / 8, sx / 8)
        inside[z] = ((places[0, z] > -0.5) & (places[0, z] < height - 0.5) & (places[1, z] > -0.5)
                     & (places[1, z] < width - 0.5) & (sy >= 0) & (sy < height - 8) & (sx >= 0) & (sx < width - 8))
    of = lambda volume, places, inside: np.array([
        np.where(i, v[np.clip(np.floor(p[0] + 0.5), 0, height - 1).astype(int),
                      np.clip(np.floor(p[1] + 0.5), 0, width - 1).astype(int)], 0)
        for v, p, i in zip(volume, np.moveaxis(places, 1, 0), inside)])
    # What one frame and its rim cost by themselves: the undistorted volume drawn once through the mean of the maps.
    mean = (places * inside).sum(1) / np.maximum(inside.sum(0), 1)
    common = np.repeat(mean[:, None], len(raw), 1)
    held = inside & (mean[0] >= 0) & (mean[0] <= height - 1) & (mean[1] >= 0) & (mean[1] <= width - 1)
    drawn = np.array([np.where(h, np.clip(np.floor(sample(v.astype(float), *p) + 0.5), 1, 255), 0)
                      for v, p, h in zip(raw, np.moveaxis(common, 1, 0), held)]).astype(raw.dtype)
    (folder / "drawn").mkdir()
    with h5py.File(folder / "drawn/in.h5", "w") as f:
        f["raw"] = drawn
    run_stages(petavox, folder / "drawn", "path: in.h5, dataset: /raw, voxel_size_nm: [16, 4, 4]", ["segments"],
               SEGMENT % "input")
    undistorted = read(folder / "straight/out/volumes/segments.h5")
    mapped = of(truth, places, inside)
    straight = variation_of_information(undistorted, truth)
    lines = {"undistorted volume": straight, "the same, only the voxels that the aligned one shows":
             variation_of_information(of(undistorted, places, inside), mapped),
             "the undistorted volume drawn into the frame and crop of the aligned one":
             variation_of_information(read(folder / "drawn/out/volumes/segments.h5"), of(truth, common, held)),
             "from tiles": variation_of_information(segments, mapped)}
    print(f"tiles to segments, volume {seed_of_volume}: truth covers {(mapped > 0).sum() / (truth > 0).sum():.3f} of the volume; "
          "variation of information, split + merge (times the first):", flush=True)
    for name, (split, merge) in lines.items():
        print(f"  {name}: {split:.3f} + {merge:.3f} ({(split + merge) / sum(straight):.3f})", flush=True)
    shift = np.sqrt(((places[:, 1:] - places[:, :-1]) ** 2).sum(0))[inside[1:] & inside[:-1]]
    print(f"  displacement between neighbours: median {np.median(shift):.2f} px, p99 {np.percentile(shift, 99):.2f}", flush=True)


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
             "fib25_bad": fib25_bad, "fold_pair": fold_pair, "fold_known": fold_known,
             "tiles_to_segments": tiles_to_segments, "fafb_tiles": fafb_tiles, "isbi2012": isbi2012}
    peers = {"feabas_tiles": feabas_tiles}  # only if asked for: they need what others have made
    return 1 if any([(cases | peers)[name](petavox, data, work) for name in sys.argv[4:] or cases]) else 0


if __name__ == "__main__":
    sys.exit(main())
