# The Debian packages that petavox needs, and their installation without questions. Sourced by apps/demo.sh and
# tests/run.sh.
petavox_packages="g++ cmake ninja-build ccache pkg-config openmpi-bin libopenmpi-dev libboost-mpi-dev
  libboost-serialization-dev libhdf5-openmpi-dev libblosc-dev libeigen3-dev libyaml-cpp-dev libgtest-dev libgmock-dev
  libxxhash-dev zlib1g-dev libfftw3-dev libjpeg-dev libpng-dev libtiff-dev nlohmann-json3-dev libspdlog-dev libfmt-dev
  libcli11-dev libdnnl-dev libhwy-dev libssl-dev"
# What only tests use.
petavox_test_packages="python3 python3-numpy python3-h5py hdf5-tools libbenchmark-dev slurm-wlm munge"

install_packages() {
  local missing="" package
  for package in "$@"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing="$missing $package"
  done
  [ -z "$missing" ] && return 0
  local as_root=""
  if [ "$(id -u)" != 0 ]; then
    as_root="sudo -n"
    if ! $as_root true 2>/dev/null; then
      echo "These packages are missing, and only root can install them:$missing" >&2
      return 1
    fi
  fi
  echo "Installing:$missing"
  $as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 update -q || return 1
  # shellcheck disable=SC2086
  $as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y -q \
    --no-install-recommends $missing
}
