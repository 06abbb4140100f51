"""From overlapping tiles to segments, against the undistorted volume segmented."""
import json
import pathlib
import shutil
import subprocess

import h5py
import numpy as np

from known_truth import sample, drawn, inverted, positions, read, run_stages


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


def segmented(petavox, folder, stack):
    folder.mkdir()
    with h5py.File(folder / "in.h5", "w") as f:
        f["raw"] = stack
    run_stages(petavox, folder, "path: in.h5, dataset: /raw, voxel_size_nm: [16, 4, 4]", ["segments"], SEGMENT % "input")
    return read(folder / "out/volumes/segments.h5")


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
                    "output.keep=[tile_positions,sections,placement,displacement,segments]", "--set",
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
    places, inside, offsets = np.zeros((2, *segments.shape)), np.zeros(segments.shape, bool), []
    height, width = raw.shape[1:]
    for z in range(len(raw)):
        true = [(t["y"], t["x"]) for t in told if t["section"] == z]
        stitched = [(tiles[1, z, s, 0], tiles[2, z, s, 0]) for s in range(len(true))]
        offsets.append(np.mean(np.array(stitched) - np.array(true), 0))
        sy, sx = found[z][0] - offsets[z][0], found[z][1] - offsets[z][1]
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
    shown = inside & (mean[0] >= 0) & (mean[0] <= height - 1) & (mean[1] >= 0) & (mean[1] <= width - 1)
    in_mean = np.array([np.where(h, np.clip(np.floor(sample(v.astype(float), *p) + 0.5), 1, 255), 0)
                        for v, p, h in zip(raw, np.moveaxis(common, 1, 0), shown)]).astype(raw.dtype)
    in_frame = segmented(petavox, folder / "drawn", in_mean)
    # What a perfect alignment of these tiles would leave: the stitched sections drawn once through the true maps.
    sections = read(volumes / "sections.h5")
    perfect = np.zeros_like(raw)
    y, x = np.mgrid[:height, :width].astype(float)
    for z, (field_y, field_x) in enumerate(zip(source_y, source_x)):
        sy, sx = inverted(field_y, field_x, 8, y, x)
        held = (sy >= 0) & (sy < 8 * field_y.shape[0] - 8) & (sx >= 0) & (sx < 8 * field_x.shape[1] - 8)
        perfect[z] = np.where(held, drawn(sections[z], sy + offsets[z][0], sx + offsets[z][1]), 0)
    ideal = segmented(petavox, folder / "perfect", perfect)
    undistorted = read(folder / "straight/out/volumes/segments.h5")
    mapped = of(truth, places, inside)
    straight = variation_of_information(undistorted, truth)
    lines = {"undistorted volume": straight, "the same, only the voxels that the aligned one shows":
             variation_of_information(of(undistorted, places, inside), mapped),
             "the undistorted volume drawn into the frame and crop of the aligned one":
             variation_of_information(in_frame, of(truth, common, shown)),
             "perfectly aligned: the stitched sections drawn through the true maps":
             variation_of_information(ideal, np.where(perfect > 0, truth, 0)),
             "from tiles": variation_of_information(segments, mapped)}
    print(f"tiles to segments, volume {seed_of_volume}: truth covers {(mapped > 0).sum() / (truth > 0).sum():.3f} of the volume; "
          "variation of information, split + merge (times the first):", flush=True)
    for name, (split, merge) in lines.items():
        print(f"  {name}: {split:.3f} + {merge:.3f} ({(split + merge) / sum(straight):.3f})", flush=True)
    shift = np.sqrt(((places[:, 1:] - places[:, :-1]) ** 2).sum(0))[inside[1:] & inside[:-1]]
    print(f"  displacement between neighbours: median {np.median(shift):.2f} px, p99 {np.percentile(shift, 99):.2f}", flush=True)
