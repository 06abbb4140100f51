#!/bin/bash
# petavox from nothing to a picture: installs what is missing (Debian 12), builds, segments a synthetic volume on four
# ranks, compares the result with the truth and draws it. Usage: apps/demo.sh [RANKS]
set -eu
cd "$(dirname "$0")/.."
. tests/packages.sh
ranks=${1:-4}

# shellcheck disable=SC2086
command -v apt-get >/dev/null && install_packages $petavox_packages
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1

echo "== Building (build/release)"
launcher=""
command -v ccache >/dev/null && launcher=-DCMAKE_CXX_COMPILER_LAUNCHER=ccache
cmake --preset release -DPETAVOX_TESTS=OFF $launcher >/dev/null
cmake --build --preset release --target petavox
petavox=build/release/apps/petavox/petavox

echo "== Segmenting configs/phantom.yaml on $ranks ranks"
mpirun -n "$ranks" --oversubscribe --bind-to none --mca mpi_yield_when_idle 1 "$petavox" run configs/phantom.yaml \
  </dev/null

echo "== Drawing"
"$petavox" phantom --shape 96,256,256 --seed 1 --out runs/phantom_em --overwrite >/dev/null
"$petavox" render runs/phantom_em/phantom.h5:/raw --overlay runs/phantom:segments --at 48 --out runs/phantom/overlay.png
echo
echo "segments   runs/phantom/volumes/segments.h5 (petavox info runs/phantom)"
echo "scores     runs/phantom/reports/score.json"
echo "picture    runs/phantom/overlay.png (EM with segments in colour)"
