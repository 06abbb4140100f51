"""Region graph, mean-affinity linkage and the way from affinities to segments against waterz. waterz builds its graph, its
scores and its queue in one step, which is compared with our graph; its merging up to a threshold with our linkage
(which includes building its lists and queue). Fragments are ours on both sides. waterz adds in float32 and takes ties
in the order of its queue, so a few joins at the threshold differ."""

import time

import numpy

from harness import Case, agreement

PACKAGES = ["waterz"]
THRESHOLD, LOW, HIGH, MIN_SIZE = 0.5, 0.1, 0.98, 600


def waterz_steps(affinities, fragments):
    """CPU seconds of building the graph and of merging, and the segments; handing out volumes is not counted."""
    import waterz
    begin = time.process_time()
    steps = waterz.agglomerate(affinities, [1e-6, THRESHOLD, THRESHOLD + 1e-6], fragments=fragments)
    times, result = [begin], None
    for result in steps:
        times.append(time.process_time())
    hand_out = times[3] - times[2]
    return times[1] - times[0] - hand_out, times[2] - times[1] - hand_out, result


def cases(inputs):
    try:
        import waterz
    except ImportError:
        return
    for name in inputs.affinities() + inputs.em_like:
        path = inputs.path(name, "affinities")
        fragments_path = inputs.path(name, "fragments")
        affinities, fragments = inputs.load(name, "affinities").astype("float32") / 255, inputs.load(name, "fragments")
        fragments64 = fragments.astype(numpy.uint64)
        megavoxels = fragments.size / 1e6
        contacts = []

        def graph():
            seconds, _, _ = waterz_steps(affinities, fragments64.copy())
            return seconds, numpy.zeros(0)

        def size(ours, _):
            contacts.append(len(ours[0]))
            return f"{contacts[0]:,} contacts, one fragment per {fragments.size / int(fragments.max()):.0f} voxels"

        yield Case(f"region graph, {name}", megavoxels, ["region_graph", path, fragments_path], {"waterz": graph},
                   {"waterz": size})

        def merge():
            _, seconds, result = waterz_steps(affinities, fragments64.copy())
            return seconds, result

        def same(ours, theirs):
            table = numpy.concatenate([[0], numpy.asarray(ours).ravel()])
            return agreement(table[fragments], theirs)

        yield Case(f"linkage, {name}", contacts[0] / 1e6, ["linkage", f"threshold={THRESHOLD}", path, fragments_path],
                   {"waterz": merge}, {"waterz": same}, unit="contact")

        def whole():
            return next(waterz.agglomerate(affinities, [THRESHOLD], aff_threshold_low=LOW, aff_threshold_high=HIGH))

        for min_size in (0, MIN_SIZE):
            yield Case(f"affinities to segments, min_size {min_size}, {name}", megavoxels,
                       ["segments", f"low={LOW}", f"high={HIGH}", f"threshold={THRESHOLD}", f"min_size={min_size}", path],
                       {"waterz (no size filter)": whole}, {"waterz (no size filter)": agreement})
