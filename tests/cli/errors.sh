# Bad input ends in a clear error: exit code, text, and nothing that existed is lost.
. "$(dirname "$0")/lib.sh"
cp "$SOURCE/tests/cli/small.yaml" .

# All problems of a configuration at once, each with its place.
cat >bad.yaml <<'YAML'
petavox: 1
input: {phantom: {shape: [8, 8, 8]}, bocks: 3}
blocks: {shape: [0, 8, 8]}
output: {dir: run}
stages:
  watershed: {threshold_lw: 0.2}
YAML
expect 2 "$PETAVOX" run bad.yaml
says err "bad.yaml:2:45: input.bocks is not a known key"
says err "bad.yaml:3:18: blocks.shape is 0"
says err "did you mean 'threshold_low'?"
[ ! -e run ] || fail "a refused configuration left something behind"

expect 2 "$PETAVOX" run small.yaml --set stages.watershed.threshold_lw=0.2 --set input.path=no_such.h5
says err "did you mean 'threshold_low'?"
says err "no_such.h5"
expect 2 "$PETAVOX" run small.yaml --set stages.watershed.stage=watershd
says err "did you mean 'watershed'?"
expect 2 "$PETAVOX" run small.yaml --set blocks.chunk_shape=[5,5,5]
says err "does not divide the block shape"
expect 2 "$PETAVOX" run small.yaml --set input.box=0:25,0:48,0:48
says err "is not inside the volume"
expect 2 "$PETAVOX" run small.yaml --set 'stages.watershed.writes={supervoxels: ../../x}'
says err "volumes become files"
expect 2 "$PETAVOX" run small.yaml --set run.isolation=prison
says err "must be one of: none | process"
expect 2 "$PETAVOX" run small.yaml --json --set blocks.shape=[a,b,c]
says out '"exit_code":2'

# Inputs that cannot be read.
refused() {
  "$@" >out 2>err </dev/null
  local code=$?
  checks=$((checks + 1))
  [ $code = 2 ] || [ $code = 3 ] || fail "exit code $code instead of 2 or 3: $*"
  [ ! -e run ] || fail "an unreadable input left something behind: $*"
}
refused "$PETAVOX" run small.yaml --set input.path=no_such.h5 --set input.dataset=/raw
says err "no_such.h5"
echo "not HDF5" >text.h5
refused "$PETAVOX" run small.yaml --set input.path=text.h5 --set input.dataset=/raw
says err "text.h5"
expect 0 "$PETAVOX" phantom --shape 8,16,16 --out em
raw=$WORK/em/phantom.h5
refused "$PETAVOX" run small.yaml --set input.path="$raw" --set input.dataset=/no_such
says err "/no_such"
head -c 1000 "$raw" >cut.h5
refused "$PETAVOX" run small.yaml --set input.path=cut.h5 --set input.dataset=/raw
mkdir empty
refused "$PETAVOX" run small.yaml --set input.path=empty
refused "$PETAVOX" run small.yaml --set input.mask=no_such.h5:/mask
says err "no_such.h5"

# Outputs that cannot be written.
echo "precious" >file
expect 3 "$PETAVOX" run small.yaml --out file
same "$(cat file)" "precious" "a file where the output directory should be"
expect 3 "$PETAVOX" run small.yaml --out /proc/petavox
if [ "$(id -u)" != 0 ]; then
  mkdir locked && chmod 555 locked
  expect 3 "$PETAVOX" run small.yaml --out locked/run
fi

# Plugins.
expect 2 "$PETAVOX" stages --plugin no_such.so
says err "does not exist"
expect 2 "$PETAVOX" stages --plugin file
says err "is not a shared library"
expect 2 "$PETAVOX" run small.yaml --plugin file

# Places that are not what they are taken for.
expect 3 "$PETAVOX" info no_such_thing
expect 3 "$PETAVOX" info em:segments
says err "is not the directory of a run"
expect 2 "$PETAVOX" score --labels "$raw:/labels" --truth "$raw:/labels" --box 0:9,0:16,0:16
says err "is not inside both volumes"
expect 2 "$PETAVOX" score --labels "$raw:/labels" --truth "$raw:/labels" --ignore-truth x
expect 2 "$PETAVOX" sweep small.yaml --param nothing
says err "has no values"
finish
