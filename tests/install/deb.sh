# The Debian package: made by cpack, unpacked and registered by dpkg below a root of its own, used, and removed without a
# trace. Usage: deb.sh PROGRAM SOURCE_DIR MPIRUN BUILD_DIR CPACK
BUILD=$4
CPACK=$5
for program in dpkg dpkg-deb dpkg-shlibdeps; do
  command -v "$program" >/dev/null || { echo "SKIPPED: no $program here"; exit 77; }
done
[ "$(id -u)" = 0 ] || { echo "SKIPPED: dpkg installs as root only"; exit 77; }
. "$(dirname "$0")/../cli/lib.sh"

expect 0 "$CPACK" --config "$BUILD/CPackConfig.cmake" -B "$WORK/packages"
package=$(echo packages/petavox_*.deb)
[ -f "$package" ] || fail "no package: $package"

# What it needs is named, and is what the program was linked to here.
expect 0 dpkg-deb --field "$package" Depends
cp out depends
for needed in openmpi-bin libc6 libopenmpi libhdf5; do says depends "$needed"; done
dpkg-query -W -f '${db:Status-Status} ${Package}, ${Provides}\n' | sed -n 's/^installed //p' | sed 's/([^)]*)//g' |
  tr ',' '\n' | tr -d ' ' | sort -u >have
sed 's/([^)]*)//g' depends | tr ',' '\n' | tr -d ' ' | sort -u | comm -23 - have >missing
same "$(wc -l <missing)" 0 "dependencies that are not installed: $(xargs <missing)"

# --force-depends: the root has nothing else in it.
root=$WORK/root
admin=$root/var/lib/dpkg
mkdir -p "$admin/updates" "$admin/info" && touch "$admin/status"
expect 0 dpkg --root="$root" --force-depends --install "$package"
expect 0 dpkg-query --admindir="$admin" -W -f '${Status}' petavox
says out "install ok installed"
find "$root" -not -path "$root/var/lib/dpkg*" -type f -perm /022 >writable
same "$(wc -l <writable)" 0 "files that others may write"

installed=$root/usr/bin/petavox
expect 0 "$installed" --version
expect 0 "$installed" phantom --shape 16,64,64 --out em
[ -s em/phantom.h5 ] || fail "no phantom"
cat >small.yaml <<'YAML'
petavox: 1
input: {path: em/phantom.h5, dataset: /raw}
blocks: {shape: [16, 32, 32]}
output: {dir: small}
stages:
  affinities: {kind: membrane, high_values: join}
  watershed: {threshold_low: 0.2, threshold_high: 0.95}
  region_graph: {}
  agglomerate: {threshold: 0.55}
YAML
expect 0 "$installed" run small.yaml
packaged=$(digest)
expect 0 "$PETAVOX" run small.yaml --serial --out built
same "$(digest)" "$packaged" "the digest of the program in the build directory"
if [ -n "$MPIRUN" ]; then
  expect 0 $MPIRUN -n 3 "$installed" run small.yaml --out ranks
  same "$(digest)" "$packaged" "on ranks"
fi
# The scripts and a plugin's headers are there.
for file in share/petavox/slurm/single.sbatch share/petavox/slurm/chain.sh include/petavox-0/petavox/stage/plugin.hpp; do
  [ -f "$root/usr/$file" ] || fail "the package has no $file"
done

expect 0 dpkg --root="$root" --purge petavox
left=$(find "$root" -not -type d -not -path "$admin/*")
[ -z "$left" ] || fail "left behind: $left"
finish
