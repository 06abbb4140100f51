"""The same sections by FEABAS' alignment, by the calls of its interface, beside `align`."""
import contextlib

import h5py
import numpy as np

from known_truth import FINE, Warped, chunked, cpu_seconds, positions, report, report_neurites, report_places, run, sample


def feabas_positions(folder, stack, resolution, thickness, spacings):
    """Input pixel (z, 2, y, x) that each canvas pixel shows. Settings are those of its default configuration for sections
    (links to the two sections before, as `align` has them), but for lengths, which are for images of some 25,000 pixels:
    the pixels between matches, the size of the mesh, and the width of its filter, which were chosen on these sections."""
    (folder / "configs").mkdir(parents=True, exist_ok=True)
    (folder / "configs/general_configs.yaml").write_text(
        f"parallel_framework: process\ncpu_budget: 1\nfull_resolution: {resolution}\nsection_thickness: {thickness}\n"
        "working_directory: .\n")
    with contextlib.chdir(folder):  # where it looks for its settings while it is imported
        from feabas import constant
        from feabas.aligner import Stack
        from feabas.common import Match
        from feabas.dal import StreamLoader
        from feabas.matcher import section_matcher
        from feabas.mesh import Mesh
        from feabas.optimizer import SLM
    from matplotlib.tri import LinearTriInterpolator, Triangulation
    import cv2
    cv2.setNumThreads(1)
    height, width = stack.shape[1:]
    mesh = lambda z: Mesh.from_bbox([0, 0, width, height], cartesian=True, mesh_size=spacings[-1], resolution=resolution,
                                    name=f"s{z:04}", uid=float(z))
    thick = thickness / resolution  # sections' thickness in pixels, of which the default lengths of residues are multiples
    with cpu_seconds("FEABAS (matches and solves, does not draw)"):
        loaders = [StreamLoader(section, resolution=resolution) for section in stack]
        meshes = {f"s{z:04}": [mesh(z)] for z in range(len(stack))}
        links = {}
        for z in range(len(stack)):
            for other in range(max(0, z - 2), z):
                xy0, xy1, weight, strain = section_matcher(
                    mesh(other), mesh(z), loaders[other], loaders[z], spacings=list(spacings), sigma=1.0, conf_thresh=0.35,
                    pad=True, shrink_factor=1.5, residue_mode="huber", residue_len=max(1, 2 * thick),
                    distributor="cartesian_region", compute_strain=True, num_workers=1)
                if xy0 is not None:
                    a, b = f"s{other:04}", f"s{z:04}"
                    links[f"{a}__to__{b}"] = SLM.distribute_link(meshes[a], meshes[b], Match(xy0, xy1, weight, strain))
        solver = Stack(section_list=list(meshes), match_list=list(links), mesh_cache=meshes, link_cache=links,
                       mesh_cache_size=None, lock_flags={})
        solver.optimize_section_list(list(meshes), residue_mode="huber", residue_len=max(1, 3 * thick),
                                     elastic_params={"tol": 1e-7, "atol": 1e-3})
    y, x = np.mgrid[:height, :width].astype(float)
    places = []
    for (m,) in meshes.values():
        still = m.vertices_w_offset(gear=constant.MESH_GEAR_INITIAL)
        moved = m.vertices_w_offset(gear=constant.MESH_GEAR_MOVING)
        grid = Triangulation(moved[:, 0], moved[:, 1], m.triangles)
        places.append(np.stack([np.ma.filled(LinearTriInterpolator(grid, still[:, k])(x, y), -1e4) for k in (1, 0)]))
    return np.array(places)


def drawn(stack, places):
    """The stack as the canvas shows it; 0 outside a section."""
    out = np.zeros_like(stack)
    for z, (section, (y, x)) in enumerate(zip(stack, places)):
        inside = (y >= 0) & (y <= stack.shape[1] - 1) & (x >= 0) & (x <= stack.shape[2] - 1)
        grey = sample(section.astype(float), np.where(inside, y, 0), np.where(inside, x, 0))
        out[z] = np.where(inside, np.clip(np.floor(grey + 0.5), 0, 255), 0)
    return out


def feabas_fib25(petavox, data, work):
    with h5py.File(data / "fib25_training2/fib25_training2.h5") as f:
        stack = f["raw"][:40]
    moved = Warped(stack, 1, amplitude=10, sigma=60, shift=4, brightness=0.15, noise=5)
    name = "fib25, 40 sections, warped by up to 10 px and shifted by 4"
    with cpu_seconds("petavox run (aligns and draws)"):
        aligned, lattice, _ = run(petavox, work, "feabas_fib25", moved.stack, FINE)
    report(f"{name}: align", moved, lattice, 16)
    places = feabas_positions((work / "feabas_fib25").resolve(), moved.stack, 8, 8, (64, 32))
    report_places(f"{name}: FEABAS", moved, places)
    print(f"correlation of chunks: undistorted {chunked(stack):.3f}, warped {chunked(moved.stack):.3f}, align "
          f"{chunked(aligned):.3f}, FEABAS {chunked(drawn(moved.stack, places)):.3f}", flush=True)


def feabas_isbi2012(petavox, data, work):
    with h5py.File(data / "isbi2012_vnc/isbi2012_sections_00_23.h5") as f:
        raw, labels = f["raw"][()], f["labels"][()]
    with cpu_seconds("petavox run (aligns and draws)"):
        aligned, lattice, _ = run(petavox, work, "feabas_isbi2012", raw, "radius: 12")
    places = feabas_positions((work / "feabas_isbi2012").resolve(), raw, 4, 50, (128, 64))
    for name, found in (("align", positions(lattice, raw.shape, 16)), ("FEABAS", places)):
        report_neurites(name, labels, found)
    print(f"isbi2012: correlation of chunks as published {chunked(raw):.3f}, align {chunked(aligned):.3f}, FEABAS "
          f"{chunked(drawn(raw, places)):.3f}", flush=True)


def feabas_sections(petavox, data, work):
    feabas_fib25(petavox, data, work)
    feabas_isbi2012(petavox, data, work)
