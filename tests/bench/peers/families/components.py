"""Connected components of label volumes against cc3d: same definition, so same partition."""

from harness import Case, same_partition

PACKAGES = ["connected-components-3d"]


def cases(inputs):
    try:
        import cc3d
    except ImportError:
        return
    for name in inputs.labels():
        labels = inputs.load(name, "labels")
        for connectivity in (6, 26):
            yield Case(
                f"components u64 {connectivity}, {name}", labels.size / 1e6,
                ["components", f"connectivity={connectivity}", inputs.path(name, "labels")],
                {"cc3d": lambda: cc3d.connected_components(labels, connectivity=connectivity)},
                {"cc3d": same_partition})
