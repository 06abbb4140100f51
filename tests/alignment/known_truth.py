"""Stacks with known distortions, running petavox on them, and how far what it finds is from the truth."""
import contextlib
import resource
import shutil
import subprocess

import h5py
import numpy as np

# For 250 pixels and fields of that size: finer than the default. Where neighbouring sections are less alike, larger patches.
FINER = "finest: 2, radius: 12, spacing: 16, patch: "
FINE, FINE_THINNED = (f"levels: [4, 2, 1, 1], {FINER}{patch}" for patch in (48, 80))


def keys(t):
    """Weights of cubic convolution for the four samples round a position."""
    return (((-0.5 * t + 1) * t - 0.5) * t, (1.5 * t - 2.5) * t * t + 1,
            ((-1.5 * t + 2) * t + 0.5) * t, (0.5 * t - 0.5) * t * t)


def lanczos(t):
    """Weights of Lanczos' kernel of radius 3, by which `align` draws its result, for the six samples round a position."""
    weights = [np.sinc(t - k) * np.sinc((t - k) / 3) for k in range(-2, 4)]
    return weights / sum(weights)


def sample(image, y, x, weights=keys):
    """Interpolation (cubic, if nothing else is said) at positions in pixels; the edge repeats."""
    fy, fx = np.floor(y).astype(int), np.floor(x).astype(int)
    wy, wx = weights(y - fy), weights(x - fx)
    before = len(wy) // 2 - 1
    out = np.zeros(y.shape)
    for b in range(len(wy)):
        row = np.zeros(y.shape)
        j = np.clip(fy - before + b, 0, image.shape[0] - 1)
        for a in range(len(wx)):
            row += wx[a] * image[j, np.clip(fx - before + a, 0, image.shape[1] - 1)]
        out += wy[b] * row
    return out


def drawn(section, y, x, weights=keys):
    """The section at positions in pixels; 0 outside and beside what is empty."""
    held = (y >= 0) & (y <= section.shape[0] - 1) & (x >= 0) & (x <= section.shape[1] - 1)
    at = np.where(held, y, 0), np.where(held, x, 0)
    held &= sample((section > 0).astype(float), *at) > 0.99
    return np.where(held, np.clip(np.floor(sample(section.astype(float), *at, weights) + 0.5), 1, 255), 0)


def inverted(field_y, field_x, spacing, y, x):
    """Where a field that gives the places of every `spacing`-th pixel has the places (y, x)."""
    j, i = np.mgrid[:field_y.shape[0], :field_y.shape[1]] * float(spacing)
    wide = np.stack([j.ravel(), i.ravel(), np.ones(j.size)], 1)
    there = np.stack([field_y.ravel(), field_x.ravel()], 1)
    affine = np.linalg.lstsq(wide, there, rcond=None)[0]  # the field but for its bends
    back = np.linalg.inv(affine[:2])
    wanted = np.stack([y.ravel(), x.ravel()], 1)
    at = (wanted - affine[2]) @ back
    for _ in range(30):
        shown = np.stack([sample(f, at[:, 0] / spacing, at[:, 1] / spacing) for f in (field_y, field_x)], 1)
        # Beyond the section the field goes on as its affine part does.
        inside = np.clip(at, 0, spacing * (np.array(field_y.shape) - 1))
        at = at + (wanted - shown - (at - inside) @ affine[:2]) @ back
    return at.T.reshape(2, *y.shape)


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

    def drawn_back(self):
        """The stack drawn once through the true maps: what an alignment without error would leave."""
        height, width = self.truth.shape[1:]
        y, x = np.mgrid[-2:height // 8 + 3, -2:width // 8 + 3] * 8.0  # the maps are smooth
        fine = np.mgrid[:height, :width] / 8 + 2
        return np.array([drawn(section, *(sample(at, *fine) for at in inverted(*from_, 1, y, x)), lanczos)
                         for section, from_ in zip(self.stack, self.from_)])


def read(path, name=None):
    with h5py.File(path) as f:
        return f[name or list(f)[0]][()]


def run_stages(petavox, folder, inputs, keep, stages, shape="[8, 256, 256]"):
    """Runs `stages` (YAML) on `inputs` (YAML of the main volume); returns the summaries that it prints."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "run.yaml").write_text(
        f"petavox: 1\ninput: {{{inputs}}}\nblocks: {{shape: {shape}}}\noutput: {{dir: out, keep: [{', '.join(keep)}], "
        f"final: {{codec: gzip, level: 1}}}}\nstages:\n{stages}")
    shutil.rmtree(folder / "out", ignore_errors=True)
    done = subprocess.run([petavox, "run", folder / "run.yaml", "--serial"], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"petavox ended with {done.returncode}: {done.stderr}")
    return [line for line in done.stdout.splitlines() if not line.startswith("digest")]


def run(petavox, work, name, stack, settings, place=None, blocks="[64, 128, 128]"):
    """Runs `align` (after `place_sections`, if its settings are given); returns the aligned stack, the displacements at
    the nodes, and the placements (8, z) or None."""
    folder = work / name
    folder.mkdir(parents=True, exist_ok=True)
    with h5py.File(folder / "in.h5", "w") as f:
        f["raw"] = stack
    placed = place is not None
    stages = (f"  place_sections: {{{place}}}\n" if placed else "") + f"  align: {{{settings}}}\n"
    keep = ["aligned", "displacement", "quality"] + ["placement"] * placed
    for line in run_stages(petavox, folder, "path: in.h5, dataset: /raw", keep, stages, blocks):
        if line.startswith(("alignment.", "placements.")):
            print(f"  {name}: {line}")
    volumes = folder / "out/volumes"
    aligned, lattice = read(volumes / "aligned.h5"), read(volumes / "displacement.h5")
    placement = np.asarray(read(volumes / "placement.h5")).reshape(8, len(stack)) / 2.0 ** 32 if placed else None
    return aligned, lattice, placement


def positions(lattice, shape, spacing, placement=None):
    """Input pixel (z, 2, y, x) that each canvas pixel shows, from the displacements at the nodes."""
    if lattice.shape[0] != 2:
        lattice = np.moveaxis(lattice, -1, 0)
    expected = tuple(-(-n // spacing) for n in shape[1:])
    if lattice.shape[2:] != expected:
        raise SystemExit(f"{lattice.shape[2:]} nodes for {shape[1:]} pixels, not the {expected} of a spacing of {spacing}")
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


def correlation(u, v):
    """Pearson's, of two chunks; None if one is of a single value."""
    u, v = u - u.mean(), v - v.mean()
    norm = np.sqrt((u * u).sum() * (v * v).sum())
    return (u * v).sum() / norm if norm > 0 else None


def chunked(stack, size=32):
    """Mean correlation of neighbouring sections over chunks that are not empty."""
    values = []
    for a, b in zip(stack[:-1].astype(float), stack[1:].astype(float)):
        for y in range(32, a.shape[0] - 32 - size, size):
            for x in range(32, a.shape[1] - 32 - size, size):
                u, v = a[y:y + size, x:x + size], b[y:y + size, x:x + size]
                if (u == 0).mean() > 0.01 or (v == 0).mean() > 0.01:
                    continue
                like = correlation(u, v)
                if like is not None:
                    values.append(like)
    return float(np.mean(values))


def report(name, warped, lattice, spacing, placement=None):
    return report_places(name, warped, positions(lattice, warped.stack.shape, spacing, placement))


def report_places(name, warped, found):
    """`found`: input pixel that each canvas pixel shows (positions())."""
    places, valid = true_positions(warped, found)
    raw = neighbours(places, valid)
    curve = drift(without_affine(places, valid, False), valid)
    print(f"{name}: neighbours' error px: median {np.median(raw):.2f}, p95 {np.percentile(raw, 95):.2f}, "
          f"p99 {np.percentile(raw, 99):.2f}; against the first section, one affine transform "
          f"removed: middle {curve[len(curve) // 2]:.2f}, end {np.nanmedian(curve[-5:]):.2f}, most {np.nanmax(curve):.2f}",
          flush=True)
    return places, valid


def same_neurite(labels, found):
    """For each section and the next: of the pixels inside a neurite in both, the share inside the same one."""
    moved = np.zeros_like(labels)
    for z, (y, x) in enumerate(np.floor(found + 0.5).astype(int)):
        inside = (y >= 0) & (y < labels.shape[1]) & (x >= 0) & (x < labels.shape[2])
        moved[z][inside] = labels[z][y[inside], x[inside]]
    return [(a == b)[(a > 0) & (b > 0)].mean() for a, b in zip(moved[:-1], moved[1:])]


def report_neurites(name, labels, found):
    """Prints the shares of same_neurite() of isbi2012 and returns them."""
    shares = same_neurite(labels, found)
    print(f"isbi2012 {name}: the same neurite, share of the pixels inside one in both, sections 8-9 to 11-12: "
          + ", ".join(f"{s:.3f}" for s in shares[8:12]) + f"; all: mean {np.mean(shares):.3f}, least {np.min(shares):.3f}", flush=True)
    return shares


@contextlib.contextmanager
def cpu_seconds(what):
    def spent():
        own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
        return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime
    before = spent()
    yield
    print(f"{what}: {spent() - before:.1f} s of CPU", flush=True)
