"""Changes to patches that leave the truth as it is, or change it with them. All randomness comes from `rng`."""
import numpy
from scipy import ndimage


def symmetry(raw, labels, rng, isotropic):
    """One of the 48 symmetries of the cube, or one of the 16 that leave the section axis in place."""
    axes = list(rng.permutation(3)) if isotropic else [0] + list(1 + rng.permutation(2))
    flips = tuple(slice(None, None, rng.choice([-1, 1])) for _ in range(3))
    return raw.transpose(axes)[flips], labels.transpose(axes)[flips]


def warp(raw, labels, rng, in_plane, strength=2.0, spacing=16):
    """Rotation, change of size and a smooth random deformation at once, by linear interpolation (labels: nearest)."""
    shape = numpy.array(raw.shape)
    coarse = [max(2, int(n // spacing) + 2) for n in shape]
    centre = (shape - 1) / 2
    grid = numpy.meshgrid(*(numpy.arange(n, dtype=numpy.float32) - c for n, c in zip(shape, centre)), indexing="ij")
    # Section cameras differ more in pixel size than isotropic microscopes, and profiles must do for all of them.
    smallest, largest = (0.7, 1.7) if in_plane else (0.85, 1.18)
    angle, size = rng.uniform(-numpy.pi, numpy.pi), rng.uniform(smallest, largest)
    first, second = (1, 2) if in_plane else rng.choice(3, 2, replace=False)
    turned = list(grid)
    turned[first] = numpy.cos(angle) * grid[first] - numpy.sin(angle) * grid[second]
    turned[second] = numpy.sin(angle) * grid[first] + numpy.cos(angle) * grid[second]
    at = []
    for axis in range(3):
        scale = 1.0 if in_plane and axis == 0 else size
        position = turned[axis] * scale + centre[axis]
        if not (in_plane and axis == 0):
            nodes = rng.normal(0, strength, coarse).astype(numpy.float32)
            bend = ndimage.zoom(nodes, shape / numpy.array(coarse), order=1, grid_mode=True, mode="nearest")
            position = position + bend
        at.append(position)
    return (ndimage.map_coordinates(raw, at, order=1, mode="reflect"),
            ndimage.map_coordinates(labels, at, order=0, mode="reflect"))


def contrast(raw, rng, per_section):
    """Another gain, offset and gamma; of the whole patch and, for serial sections, of each section besides."""
    raw = raw * rng.uniform(0.75, 1.3) + rng.uniform(-0.3, 0.3)
    if rng.random() < 0.5:
        low, high = -3.0, 3.0
        unit = numpy.clip((raw - low) / (high - low), 0, 1)
        raw = unit ** rng.uniform(0.75, 1.33) * (high - low) + low
    if per_section:
        sections = (raw.shape[0], 1, 1)
        raw = raw * rng.uniform(0.85, 1.15, sections) + rng.normal(0, 0.12, sections)
    return raw


def tone(raw, rng, knots=5):
    """A random rising curve from old to new grey values: stains and detectors differ in more than gain and gamma."""
    old = numpy.linspace(-3, 3, knots)
    new = numpy.cumsum(rng.uniform(0.4, 1.6, knots))
    new = (new - new.mean()) * (6 / (new[-1] - new[0]))
    return numpy.interp(raw, old, new)


def illumination(raw, rng, strength=0.3, nodes=3):
    """Brightness that changes smoothly over each section."""
    shade = rng.normal(0, rng.uniform(0, strength), (raw.shape[0], nodes, nodes)).astype(numpy.float32)
    zoom = (1, raw.shape[1] / nodes, raw.shape[2] / nodes)
    return raw + ndimage.zoom(shade, zoom, order=1, grid_mode=True, mode="nearest")


def sharpen(raw, rng, largest=2.5):
    """Edges raised over their neighbourhood in plane, as in the crisper image of a thin section."""
    width = rng.uniform(0.8, 2.0)
    sharp = raw + rng.uniform(0, largest) * (raw - ndimage.gaussian_filter(raw, [0, width, width]))
    return sharp * (raw.std() / max(sharp.std(), 1e-3))


def flatten(raw, rng):
    """Dark bodies made lighter but for their outlines: a mitochondrion is black in one stain and grey in another."""
    width = rng.uniform(4, 10)
    flat = raw - rng.uniform(0.3, 0.9) * ndimage.gaussian_filter(raw, [0, width, width])
    return (flat - flat.mean()) * (raw.std() / max(flat.std(), 1e-3))


def noise(raw, rng, grain=False):
    if rng.random() < 0.5:
        raw = raw + rng.normal(0, rng.uniform(0, 0.25), raw.shape)
    if grain and rng.random() < 0.5:
        # Vesicles, filaments and ribosomes at the limit of resolution: specks of a pixel or two in each section.
        width = rng.uniform(0.5, 1.2)
        specks = ndimage.gaussian_filter(rng.normal(0, 1, raw.shape).astype(numpy.float32), [0, width, width])
        raw = raw + specks * (rng.uniform(0, 0.5) / specks.std())
    if rng.random() < 0.25:
        raw = ndimage.gaussian_filter(raw, [0, rng.uniform(0, 0.8), rng.uniform(0, 0.8)])
    return raw


def lose_sections(raw, rng, probability):
    """Sections without data (black, grey or a copy of the neighbour) and smudged ones; the truth stays."""
    raw = raw.copy()
    for z in range(raw.shape[0]):
        if rng.random() >= probability:
            continue
        kind = rng.integers(4)
        if kind == 0:
            raw[z] = rng.uniform(-3, 0)
        elif kind == 1:
            raw[z] = 0
        elif kind == 2 and z > 0:
            raw[z] = raw[z - 1]
        else:
            raw[z] = ndimage.gaussian_filter(raw[z], 3) + rng.normal(0, 0.3, raw[z].shape)
    return raw


def shift_sections(raw, labels, rng, probability, largest, follow):
    """Shifts sections in plane: single ones or, as often, all from one on.

    `follow`: the labels go with the image, as in a stack that is not aligned; otherwise only the image moves.
    """
    raw, labels = raw.copy(), labels.copy()
    drift = numpy.zeros(2, int)
    for z in range(raw.shape[0]):
        own = numpy.zeros(2, int)
        if rng.random() < probability:
            step = rng.integers(-largest, largest + 1, 2)
            if rng.random() < 0.5:
                drift = numpy.clip(drift + step, -2 * largest, 2 * largest)
            else:
                own = step
        total = drift + own
        if total.any():
            raw[z] = _moved(raw[z], total)
            if follow:
                labels[z] = _moved(labels[z], total)
    return raw, labels


def _moved(section, by):
    rows = numpy.clip(numpy.arange(section.shape[0]) - by[0], 0, section.shape[0] - 1)
    columns = numpy.clip(numpy.arange(section.shape[1]) - by[1], 0, section.shape[1] - 1)
    return section[rows][:, columns]


def middle(volume, shape):
    """The middle of a volume, no larger than `shape`."""
    return volume[tuple(slice((n - min(n, m)) // 2, (n - min(n, m)) // 2 + min(n, m)) for n, m in zip(volume.shape, shape))]


def augmented(raw, labels, rng, preset, shape):
    """A changed copy of a standardised patch (z, y, x) and its labels, no larger than `shape`.

    What the patch has beyond that is seen where it is turned or made smaller.
    """
    serial = preset == "serial"
    raw, labels = symmetry(raw, labels, rng, isotropic=not serial)
    if rng.random() < (0.8 if serial else 0.35):
        raw, labels = warp(raw, labels, rng, in_plane=serial)
    raw, labels = middle(raw, shape), middle(labels, shape)
    if serial:
        raw, labels = shift_sections(raw, labels, rng, 0.15, 4, follow=True)
    elif rng.random() < 0.15:
        raw, labels = shift_sections(raw, labels, rng, 0.05, 1, follow=True)
    if serial:
        if rng.random() < 0.5:
            raw = flatten(raw, rng)
        if rng.random() < 0.7:
            raw = sharpen(raw, rng)
        if rng.random() < 0.5:
            raw = tone(raw, rng)
        if rng.random() < 0.3:
            raw = illumination(raw, rng)
    raw = contrast(raw, rng, per_section=serial)
    raw = noise(raw, rng, grain=serial)
    if serial or rng.random() < 0.1:
        raw = lose_sections(raw, rng, 0.03)
    return numpy.ascontiguousarray(raw, numpy.float32), numpy.ascontiguousarray(labels)
