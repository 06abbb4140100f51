"""Supervoxels against waterz. Both join each voxel along its strongest affinity; ties and plateaus are broken by rules
of each program's own, so partitions are alike and not the same. waterz has no call for its watershed alone: its time is
that of agglomerate() at threshold 0 less that of the same call with the fragments given."""

import time

from harness import Case, agreement

PACKAGES = ["waterz"]
LOW, HIGH = 0.1, 0.98


def cases(inputs):
    try:
        import waterz
    except ImportError:
        return
    for name in inputs.affinities():
        affinities = inputs.load(name, "affinities").astype("float32") / 255

        def run():
            def seconds(**known):
                begin = time.process_time()
                result = next(waterz.agglomerate(affinities, [0.0], aff_threshold_low=LOW, aff_threshold_high=HIGH,
                                                 **known))
                result = result[0] if isinstance(result, tuple) else result
                return time.process_time() - begin, result
            whole, fragments = seconds()
            rest, fragments = seconds(fragments=fragments)
            return whole - rest, fragments

        yield Case(f"watershed u8, {name}", affinities.size / 3e6,
                   ["watershed", f"low={LOW}", f"high={HIGH}", inputs.path(name, "affinities")],
                   {"waterz": run}, {"waterz": agreement})
