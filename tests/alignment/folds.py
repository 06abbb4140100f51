"""Folded sections: a real one, and folds made in real stacks."""
import shutil

import h5py
import numpy as np

from known_truth import FINE, Warped, correlation, cpu_seconds, read, run_stages, sample


class Fold:
    """A section that is folded along a line through `at` (y, x): what lies beyond it is moved towards it by `swallowed`
    pixels and turned, and a band beside the line shows two layers."""

    def __init__(self, section, at, normal, swallowed, band, turn):
        height, width = section.shape
        y, x = np.mgrid[:height, :width].astype(float)
        normal = np.array(normal) / np.hypot(*normal)
        self.side = (y - at[0]) * normal[0] + (x - at[1]) * normal[1]  # of a pixel; what lies beyond has more than 0
        beyond, turn = self.side > 0, np.deg2rad(turn)
        sy = np.where(beyond, at[0] + np.cos(turn) * (y - at[0]) - np.sin(turn) * (x - at[1]) + swallowed * normal[0], y)
        sx = np.where(beyond, at[1] + np.sin(turn) * (y - at[0]) + np.cos(turn) * (x - at[1]) + swallowed * normal[1], x)
        picture = sample(section.astype(float), sy, sx)
        doubled = beyond & (self.side < band)
        picture = np.where(doubled, picture * section / 255 * 0.6, picture)  # two layers absorb
        picture[(sy < 0) | (sy > height - 1) | (sx < 0) | (sx > width - 1)] = 0
        self.picture = np.clip(np.floor(picture + 0.5), 0, 255).astype(section.dtype)


def open_them(petavox, folder, stack):
    """The stack after `open_folds` with its default settings, and what it says."""
    folder.mkdir(parents=True, exist_ok=True)
    with h5py.File(folder / "in.h5", "w") as f:
        f["raw"] = stack
    said = run_stages(petavox, folder, "path: in.h5, dataset: /raw", ["opened"], "  open_folds: {}\n",
                      f"[{len(stack)}, 256, 256]")
    return read(folder / "out/volumes/opened.h5"), [line for line in said if line.startswith("folds.")]


def alike(a, b, mask, size=16, off=12):
    """Correlation of means over squares of pixels inside `mask`, at the best of some shifts: tissue differs, and bends."""
    height, width = (n // size * size for n in a.shape)
    means = lambda v: v[:height, :width].reshape(height // size, size, width // size, size).mean((1, 3))
    held = means(mask) == 1
    if held.sum() < 20:
        return 0.0
    return max(correlation(means(np.roll(a.astype(float), (dy, dx), (0, 1)))[held], means(b.astype(float))[held]) or 0
               for dy in range(-off, off + 1, 4) for dx in range(-off, off + 1, 4))


def folds_made(petavox, data, work):
    """Folds at random places of real sections: whether what lies beyond them is put where it was. The thresholds of
    the search for pieces were chosen on parts of the first three stacks and of vnc_gerhard2013, never by this program."""
    def stack(path, name, places=np.s_[:]):
        with h5py.File(data / path) as f:
            return f[name][places]
    stacks = {
        "cortex_5_sections": stack("cortex_5_sections/cortex_5_sections.h5", "raw"),
        "isbi2012": stack("isbi2012_vnc/isbi2012_sections_00_23.h5", "raw"),
        "lucchi, every 4th": stack("lucchi_mito_10nm/lucchi_train_10nm.h5", "raw", np.s_[::4]),
        "cremi_b": stack("cremi_b_patch/sample_B_20160708_frags_46_50_annotations.hdf", "volumes/raw"),
        "vnc_gerhard2013, from 9 on": stack("vnc_gerhard2013_stack1/vnc_sections_00_14.h5", "raw", np.s_[9:])}
    for number, (name, whole) in enumerate(stacks.items()):
        rng = np.random.default_rng(100 + number)
        counts = {"put back": 0, "left as it is": 0, "put elsewhere": 0}
        size = max(whole.shape[1:])
        for case in range(6):
            z = int(rng.integers(1, len(whole) - 1))
            angle = rng.uniform(0, 2 * np.pi)
            at = np.array(whole.shape[1:]) * (0.5 + rng.uniform(-0.2, 0.2, 2))
            normal, swallowed, band = np.array((np.sin(angle), np.cos(angle))), rng.uniform(0.04, 0.12) * size, 0.04 * size
            turn = rng.uniform(-3, 3)
            fold = Fold(whole[z], at, normal, swallowed, band, turn)
            if (fold.side > 0).mean() > 0.5:  # the larger piece keeps its place: that is to be what the fold did not move
                fold = Fold(whole[z], at, -normal, swallowed, band, turn)
            around, here = whole[z - 1:z + 2].copy(), 1
            around[here] = fold.picture
            opened, _ = open_them(petavox, work / "folds_made", around)
            untouched = (opened[here] == fold.picture).all()
            back = alike(opened[here], whole[z], (fold.side > swallowed + 1.5 * band) & (opened[here] > 0)) > 0.5
            counts["left as it is" if untouched else "put back" if back else "put elsewhere"] += 1
        print(f"folds made in {name}: " + ", ".join(f"{what} {n}" for what, n in counts.items()), flush=True)


def fold_known(petavox, data, work):
    """A real stack of which one section is folded, against the same stack without the fold."""
    with h5py.File(data / "vnc_gerhard2013_stack1/vnc_sections_00_14.h5") as f:
        raw = f["raw"][3:9, 100:900, 100:900]
    moved = Warped(raw, 21, amplitude=6, sigma=120, shift=3)
    folded = moved.stack.copy()
    section, swallowed, band = 3, 70, 36
    height, width = raw.shape[1:]
    fold = Fold(moved.stack[section], (390, 420), (0.35, 1), swallowed, band, 2)
    folded[section], side = fold.picture, fold.side
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


def folds_sound(petavox, data, work):
    """Sections without damage: none may be opened."""
    failed, sections = False, 0
    for path, name, places in (("isbi2012_vnc/isbi2012_sections_00_23.h5", "raw", np.s_[:]),
                               ("cortex_5_sections/cortex_5_sections.h5", "raw", np.s_[:]),
                               ("vnc_gerhard2013_stack1/vnc_sections_00_14.h5", "raw", np.s_[:]),
                               ("fafb_lowres_sections/fafb_512nm_z104_119.h5", "sections_z104_119", np.s_[:]),
                               ("cremi_b_patch/sample_B_20160708_frags_46_50_annotations.hdf", "volumes/raw", np.s_[:]),
                               ("fib25_training2/fib25_training2.h5", "raw", np.s_[::10]),
                               ("lucchi_mito_10nm/lucchi_train_10nm.h5", "raw", np.s_[::8])):
        with h5py.File(data / path) as f:
            stack = f[name][places]
        with cpu_seconds(f"{path}, {len(stack)} sections"):
            opened, _ = open_them(petavox, work / "folds_sound", stack)
        touched = [z for z in range(len(stack)) if (opened[z] != stack[z]).any()]
        print(f"{path}: sections opened: {touched}", flush=True)
        failed |= bool(touched)
        sections += len(stack)
    print(f"{sections} sections without damage", flush=True)
    return failed
