#!/usr/bin/env python3
"""Checks what the compiler cannot: who may include whom, and how files look.

    check_layers.py ROOT          prints every fault as `file:line: text`, exit code 1 if there are any
    check_layers.py --self-test   plants one violation of each rule and requires that it is found
"""

import pathlib
import re
import sys
import tempfile

# A file may include its own layer and any lower number; equal numbers never include each other.
LAYERS = {
    "base": 0, "geometry": 1, "volume": 2, "memory": 3, "io": 3, "comm": 3, "stage": 3, "reduce": 4, "isolation": 4, "schedule": 4,
    "pipeline": 5, "simulate": 5, "run": 6, "export": 6, "testing": 7,
}
# A stage is a function of its block: it cannot reach other ranks, files or the plan …
STAGES_MAY_INCLUDE = {"base", "geometry", "volume", "stage", "reduce"}
# … nor the clock, the file system, or a generator whose numbers depend on the library.
STAGES_MAY_NOT_INCLUDE = {"chrono", "ctime", "time.h", "filesystem", "fstream", "random", "thread", "unistd.h"}
# Headers of other projects, and the only files (prefixes below framework/petavox) that may include them.
FOREIGN = [
    (re.compile(r"(mpi\.h|boost/mpi(/.*|\.hpp))$"), ("comm/mpi_", "export/")),
    (re.compile(r"hdf5(_hl)?\.h$|H5.*\.h$"), ("io/hdf5_", "export/")),
    (re.compile(r"blosc2?\.h$"), ("io/blosc_",)),
    (re.compile(r"yaml-cpp/"), ("pipeline/config",)),
    (re.compile(r"(png|tiff|tiffio|jpeglib)\.h$"), ("io/",)),
    (re.compile(r"(gtest|gmock)/"), ("testing/",)),
    (re.compile(r"dlfcn\.h$"), ("pipeline/", "run/")),
    (re.compile(r"hwy/"), ("base/simd.cpp",)),
]
# Vector kernels, in the framework and in stages, are in files of their own.
VECTORS = re.compile(r"hwy/")
VECTORS_END = "_simd.cpp"
CODE = {".hpp", ".cpp", ".h", ".cc", ".c"}
TEXT = CODE | {".py", ".cmake", ".txt", ".yaml", ".yml", ".json", ".md", ".sh", ".in"}
TOP = ("framework", "stages", "apps", "tests", "cmake", "configs", "docs", "slurm")
INCLUDE = re.compile(r'^\s*#\s*include\s*(<[^>]*>|"[^"]*")')


def looks(path, data):
    """Faults of the text itself."""
    if b"\r" in data:
        yield data[: data.index(b"\r")].count(b"\n") + 1, "carriage return (line ends are \\n)"
    if path.suffix != ".md" and b"\t" in data:
        yield data[: data.index(b"\t")].count(b"\n") + 1, "tab (indent with spaces)"
    if data and not data.endswith(b"\n"):
        yield data.count(b"\n") + 1, "no newline at the end of the file"
    if path.suffix in {".hpp", ".h"} and not re.search(rb"^#pragma once$", data, re.M):
        yield 1, "header without #pragma once"


def may_include(here, target, quoted):
    """The text of a fault, or None. `here` is the includer below the root."""
    parts = here.split("/")
    if ".." in target.split("/"):
        return f"includes {target} (a path that climbs hides its layer); write the path from the root"
    if target.startswith("apps/") and parts[0] not in ("apps", "tests"):
        return f"includes {target} (only apps and their tests may include apps)"
    if parts[0] == "tests" or (parts[0] == "stages" and parts[-1].endswith("_test.cpp")):
        return None
    if target.startswith("tests/") or (target.startswith("unit/") and quoted):
        return f"includes {target} (only tests may include tests)"
    if parts[0] == "framework" and target.startswith("stages/"):
        return f"includes {target} (the framework knows no stage)"

    in_framework = "/".join(parts[2:]) if parts[0] == "framework" else None
    if VECTORS.match(target) and here.endswith(VECTORS_END):
        return None
    for pattern, homes in FOREIGN:
        if not target.startswith("petavox/") and pattern.match(target):
            if in_framework is None or not in_framework.startswith(homes):
                return f"includes <{target}> (it belongs in framework/petavox/{{{','.join(homes)}}}* only)"

    if target.startswith("petavox/"):
        other = target.split("/")[1]
        if other not in LAYERS:
            return f"includes {target} ({other} is no layer)"
        if parts[0] == "framework":
            mine = parts[2]
            if other != mine and LAYERS[other] >= LAYERS[mine]:
                return f"{mine} (layer {LAYERS[mine]}) may not include {other} (layer {LAYERS[other]})"
        if parts[0] == "stages" and other not in STAGES_MAY_INCLUDE:
            return f"a stage may not include {other} (it sees only {', '.join(sorted(STAGES_MAY_INCLUDE))})"
    if parts[0] == "stages" and not quoted and target in STAGES_MAY_NOT_INCLUDE:
        return f"a stage may not include <{target}> (its result may depend on its inputs only)"
    return None


def faults(root):
    for top in TOP:
        for path in sorted((root / top).rglob("*")):
            if not path.is_file() or (path.suffix not in TEXT) or "__pycache__" in path.parts:
                continue
            here = path.relative_to(root).as_posix()
            data = path.read_bytes()
            for line, text in looks(path, data):
                yield f"{here}:{line}: {text}"
            if path.suffix not in CODE:
                continue
            parts = here.split("/")
            if parts[0] == "framework" and (len(parts) < 4 or parts[1] != "petavox" or parts[2] not in LAYERS):
                yield f"{here}:1: code outside of every layer (framework/petavox/<layer>/ holds all of it)"
                continue
            for number, line in enumerate(data.decode("utf-8", "replace").splitlines(), 1):
                found = INCLUDE.match(line)
                if not found:
                    continue
                text = may_include(here, found.group(1)[1:-1], found.group(1)[0] == '"')
                if text:
                    yield f"{here}:{number}: {text}"


# ---- self-test ----

GOOD = {
    "framework/petavox/base/a.hpp": "#pragma once\n#include <vector>\n",
    "framework/petavox/volume/v.hpp": '#pragma once\n#include "petavox/base/a.hpp"\n',
    "framework/petavox/comm/mpi_x.cpp": "#include <mpi.h>\n#include <boost/mpi/communicator.hpp>\n",
    "framework/petavox/comm/mpi_y.hpp": '#pragma once\n#include "petavox/comm/mpi_detail.hpp"\n',
    "framework/petavox/io/hdf5_x.cpp": "#include <hdf5.h>\n",
    "framework/petavox/io/blosc_x.cpp": "#include <blosc.h>\n",
    "framework/petavox/io/hdf5_user.cpp": '#include "petavox/io/hdf5_x.hpp"\n',
    "framework/petavox/export/both.cpp": "#include <mpi.h>\n#include <hdf5.h>\n",
    "framework/petavox/pipeline/config_yaml.cpp": "#include <yaml-cpp/yaml.h>\n",
    "framework/petavox/testing/kit.hpp":
        '#pragma once\n#include <gtest/gtest.h>\n#include "petavox/run/r.hpp"\n',
    "stages/example/e.cpp":
        '#include "petavox/stage/stage.hpp"\n#include "stages/example/e.hpp"\n#include <cmath>\n',
    "stages/example/e_test.cpp": '#include "petavox/testing/kit.hpp"\n#include <gtest/gtest.h>\n',
    "framework/petavox/volume/rows_simd.cpp": "#include <hwy/highway.h>\n",
    "stages/example/e_simd.cpp": "#include <hwy/foreach_target.h>\n",
    "apps/petavox/main.cpp": '#include "petavox/run/r.hpp"\n#include "apps/petavox/command.hpp"\n',
    "tests/unit/x/x_test.cpp": '#include <gtest/gtest.h>\n#include "unit/x/x.hpp"\n#include <mpi.h>\n'
        '#include "apps/petavox/x.hpp"\n',
    "docs/a.md": "| a\tb |\n",
}
# path, contents, and a word that the one fault must hold
PLANTED = [
    ("framework/petavox/base/bad.hpp", '#pragma once\n#include "petavox/geometry/box.hpp"\n',
     "may not include geometry"),
    ("framework/petavox/io/bad.cpp", '#include "petavox/comm/communicator.hpp"\n', "may not include comm"),
    ("framework/petavox/comm/bad.cpp", '#include "petavox/stage/stage.hpp"\n', "may not include stage"),
    ("framework/petavox/stage/bad.cpp", '#  include "petavox/io/x.hpp"\n', "may not include io"),
    ("framework/petavox/reduce/bad.cpp", '#include "petavox/schedule/s.hpp"\n', "may not include schedule"),
    ("framework/petavox/run/bad.cpp", '#include "petavox/export/e.hpp"\n', "may not include export"),
    ("framework/petavox/run/bad2.cpp", "#include <petavox/testing/kit.hpp>\n", "may not include testing"),
    ("framework/petavox/volume/bad.cpp", '#include "petavox/nowhere/x.hpp"\n', "no layer"),
    ("framework/petavox/volume/bad.cpp", '#include "../comm/c.hpp"\n', "climbs"),
    ("framework/petavox/nowhere/bad.cpp", "\n", "outside of every layer"),
    ("framework/other/bad.cpp", "\n", "outside of every layer"),
    ("framework/petavox/comm/loopback.cpp", "#include <mpi.h>\n", "<mpi.h>"),
    ("framework/petavox/run/bad.cpp", "#include <boost/mpi/communicator.hpp>\n", "<boost/mpi/"),
    ("framework/petavox/run/bad.cpp", "#include <boost/mpi.hpp>\n", "<boost/mpi.hpp>"),
    ("framework/petavox/io/pack.cpp", "#include <hdf5.h>\n", "<hdf5.h>"),
    ("framework/petavox/io/pack.cpp", "#include <H5Dpublic.h>\n", "<H5Dpublic.h>"),
    ("framework/petavox/io/hdf5_x.cpp", "#include <mpi.h>\n", "<mpi.h>"),
    ("framework/petavox/io/hdf5_x.cpp", "#include <blosc.h>\n", "<blosc.h>"),
    ("framework/petavox/pipeline/plan.cpp", "#include <yaml-cpp/yaml.h>\n", "yaml-cpp"),
    ("framework/petavox/run/bad.cpp", "#include <gtest/gtest.h>\n", "gtest"),
    ("framework/petavox/run/bad.cpp", '#include "stages/watershed/w.hpp"\n', "knows no stage"),
    ("framework/petavox/run/bad.cpp", '#include "apps/petavox/x.hpp"\n', "apps"),
    ("framework/petavox/run/bad.cpp", '#include "tests/ranks/world.hpp"\n', "only tests"),
    ("stages/bad/b.cpp", '#include "petavox/io/pack.hpp"\n', "may not include io"),
    ("stages/bad/b.cpp", '#include "petavox/comm/communicator.hpp"\n', "may not include comm"),
    ("stages/bad/b.cpp", '#include "petavox/run/executor.hpp"\n', "may not include run"),
    ("stages/bad/b.cpp", "#include <mpi.h>\n", "<mpi.h>"),
    ("stages/bad/b.cpp", "#include <chrono>\n", "<chrono>"),
    ("stages/bad/b.cpp", '#include "apps/petavox/x.hpp"\n', "apps"),
    ("stages/bad/b_test.cpp", '#include "apps/petavox/x.hpp"\n', "apps"),
    ("apps/petavox/bad.cpp", "#include <hdf5.h>\n", "<hdf5.h>"),
    ("framework/petavox/volume/bad.cpp", "#include <hwy/highway.h>\n", "<hwy/"),
    ("stages/bad/b.cpp", "#include <hwy/highway.h>\n", "<hwy/"),
    ("framework/petavox/base/bad.hpp", "int x;\n", "#pragma once"),
    ("framework/petavox/base/bad.cpp", "int x;\r\n", "carriage return"),
    ("framework/petavox/base/bad.cpp", "\tint x;\n", "tab"),
    ("tests/lint/CMakeLists.txt", "\tadd_test()\n", "tab"),
    ("framework/petavox/base/bad.cpp", "int x;", "newline"),
]


def write(root, path, contents):
    target = root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(contents.encode())


def self_test():
    wrong = []
    with tempfile.TemporaryDirectory() as scratch:
        root = pathlib.Path(scratch)
        for path, contents in GOOD.items():
            write(root, path, contents)
        wrong += [f"allowed but reported: {fault}" for fault in faults(root)]
        for path, contents, word in PLANTED:
            before = (root / path).read_bytes() if (root / path).exists() else None
            write(root, path, contents)
            found = list(faults(root))
            if len(found) != 1 or word not in found[0] or not found[0].startswith(path):
                wrong.append(f"{path} with {contents!r}: expected one fault with '{word}', got {found}")
            (root / path).unlink()
            if before is not None:
                write(root, path, before.decode())
    print("\n".join(wrong) or f"{len(PLANTED)} planted violations found, {len(GOOD)} allowed files passed")
    return 1 if wrong else 0


def main(arguments):
    if arguments == ["--self-test"]:
        return self_test()
    if len(arguments) != 1 or not (pathlib.Path(arguments[0]) / "framework").is_dir():
        print(__doc__, file=sys.stderr)
        return 2
    found = list(faults(pathlib.Path(arguments[0])))
    print("\n".join(found) or "layers and files are in order")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
