"""Four real tiles against published transforms: by `stitch_tiles`, and by FEABAS."""
import contextlib
import json
import shutil
import subprocess

import h5py
import numpy as np

from known_truth import cpu_seconds


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
