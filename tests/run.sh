#!/bin/bash
# Everything that must hold before a change is taken: installs what is missing (Debian 12), builds with warnings as
# errors, runs all tests. The last line is "N passed, N failed"; the exit code is 0 if and only if none failed.
# Usage: tests/run.sh [options of ctest]
set -u
cd "$(dirname "$0")/.." || exit 1
. tests/packages.sh
start=$SECONDS

give_up() {
  echo "$1" >&2
  echo "0 passed, 1 failed"
  exit 1
}
if command -v apt-get >/dev/null; then
  # shellcheck disable=SC2086
  install_packages $petavox_packages $petavox_test_packages || give_up "packages could not be installed"
fi
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export CCACHE_DIR=${CCACHE_DIR:-$PWD/build/ccache}
launcher=""
command -v ccache >/dev/null && launcher=-DCMAKE_CXX_COMPILER_LAUNCHER=ccache

cmake --preset ci -DPETAVOX_QUICK_TESTS=ON $launcher || give_up "the build could not be configured"
cmake --build --preset ci -j "$(nproc)" || give_up "the build failed"
echo "built after $((SECONDS - start)) s"

log=build/ci/tests.log
(cd build/ci && ctest -j "$(nproc)" --output-on-failure --no-tests=error --label-exclude long "$@") 2>&1 | tee "$log"
code=${PIPESTATUS[0]}
# ctest: "98% tests passed, 2 tests failed out of 120"
total=$(sed -nE 's/.*tests passed, .* out of ([0-9]+)$/\1/p' "$log" | tail -1)
failed=$(sed -nE 's/.*tests passed, ([0-9]+) tests? failed out of .*/\1/p' "$log" | tail -1)
[ -n "$total" ] || give_up "the tests did not run"
[ "$code" = 0 ] || [ "$failed" != 0 ] || failed=1
echo "tests took $((SECONDS - start)) s with the build"
echo "$((total - failed)) passed, $failed failed"
exit $((failed > 0))
