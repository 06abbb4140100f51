#!/bin/sh
# Vector kernels on arm64 without such a machine: cross-compiles test_kernels_simd and runs it under qemu, then compares
# the digests of digests.cpp on both machines.
#
#   arm64.sh WORK        Debian: g++-aarch64-linux-gnu, qemu-user, libgtest-dev, and the arm64 package libhwy1 unpacked
#                        in WORK/root (dpkg --add-architecture arm64; apt-get download libhwy1:arm64; dpkg -x … WORK/root)
set -eu
work=$1
cd "$(dirname "$0")/../../.."
hwy=$(find "$work/root" -name libhwy.so.1)
mkdir -p "$work/include"
# Not all of /usr/include: the C library's headers there are those of this machine.
for header in fmt spdlog hwy gtest xxhash.h; do ln -sfn "/usr/include/$header" "$work/include/$header"; done
gtest=/usr/src/googletest/googletest
kernels="framework/petavox/base/error.cpp framework/petavox/base/hash.cpp framework/petavox/base/simd.cpp
  $(echo framework/petavox/geometry/*.cpp framework/petavox/volume/*.cpp) stages/components/kernel.cpp
  stages/watershed/kernel.cpp stages/boundary/gaussian.cpp stages/boundary/kernel.cpp stages/boundary/rows_simd.cpp
  stages/region_graph/contact_table.cpp stages/region_graph/contact_rows_simd.cpp stages/region_graph/region_graph.cpp"
tests="framework/petavox/testing/random_inputs.cpp framework/petavox/testing/memory_values.cpp
  framework/petavox/testing/partition.cpp tests/unit/kernels/paths_test.cpp tests/unit/kernels/labels_test.cpp
  $gtest/src/gtest-all.cc $gtest/src/gtest_main.cc"

compiled() { # compiler, folder for objects, sources: prints the objects
  compiler=$1 folder=$2
  shift 2
  mkdir -p "$folder"
  for file; do
    object=$folder/$(echo "$file" | tr / _).o
    "$compiler" -std=c++20 -O2 -ffp-contract=off -DFMT_HEADER_ONLY -I. -Iframework -Itests -I$gtest \
      -isystem "$work/include" -c "$file" -o "$object"
    echo "$object"
  done
}
run() { qemu-aarch64 -L /usr/aarch64-linux-gnu -E LD_LIBRARY_PATH="$(dirname "$hwy")" "$@"; }

# shellcheck disable=SC2046,SC2086
{
  theirs=$(compiled aarch64-linux-gnu-g++ "$work/arm64" $kernels)
  aarch64-linux-gnu-g++ $theirs $(compiled aarch64-linux-gnu-g++ "$work/arm64" $tests) "$hwy" -o "$work/test_kernels_simd"
  aarch64-linux-gnu-g++ $theirs $(compiled aarch64-linux-gnu-g++ "$work/arm64" tests/unit/kernels/digests.cpp) "$hwy" \
    -o "$work/digests_arm64"
  g++ $(compiled g++ "$work/native" $kernels tests/unit/kernels/digests.cpp) -lhwy -o "$work/digests"
}
run "$work/test_kernels_simd"
"$work/digests" > "$work/digests.txt"
run "$work/digests_arm64" | diff "$work/digests.txt" -
cat "$work/digests.txt"
