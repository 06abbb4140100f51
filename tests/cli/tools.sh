# score, info, export, verify and sweep on a small run.
. "$(dirname "$0")/lib.sh"
cp "$SOURCE/tests/cli/small.yaml" .
expect 0 "$PETAVOX" run small.yaml
digest >/dev/null
expect 0 "$PETAVOX" phantom --shape 24,48,48 --seed 2 --out em
raw=$WORK/em/phantom.h5

# A volume scored against itself is perfect; the run's own score is that of the command.
expect 0 "$PETAVOX" score --labels "$raw:/labels" --truth "$raw:/labels"
matches out '^voi_split 0\.000000$'
matches out '^adapted_rand_error 0\.000000$'
expect 0 "$PETAVOX" score --labels run:segments --truth "$raw:/labels" --json
/usr/bin/env python3 - out run/reports/score.json <<'PYTHON' || fail "score and stage score differ"
import json, sys
a, b = (json.load(open(f)) for f in sys.argv[1:3])
for key in ("voi_split", "voi_merge", "adapted_rand_error", "rand_split", "rand_merge", "cremi_score"):
    assert a[key] == b[key], (key, a[key], b[key])
PYTHON
expect 0 "$PETAVOX" score --labels run:segments --truth "$raw:/labels" --box 4:20,0:48,0:48 --mode 2d --ignore-truth none

expect 0 "$PETAVOX" info run
says out "segments"
says out "provenance"
expect 0 "$PETAVOX" info run:segments --json
says out '"shape":[24,48,48]'
expect 0 "$PETAVOX" info "$raw:/raw"
says out "histogram"

# Exports hold the same voxels, whoever writes them.
expect 0 "$PETAVOX" export run:segments --to alone.h5:/labels --codec gzip
alone=$(digest)
same "$alone" "digest $("$PETAVOX" run small.yaml 2>/dev/null | awk '/^digest segments/{print $3}')" "digest of the export"
expect 3 "$PETAVOX" export run:segments --to alone.h5:/labels
says err "alone.h5"
if [ -n "$MPIRUN" ]; then
  expect 0 $MPIRUN -n 3 "$PETAVOX" export run:segments --to together.h5:/labels --codec gzip
  same "$(digest)" "$alone" "collective export"
fi
expect 0 "$PETAVOX" score --labels alone.h5:/labels --truth run:segments
matches out '^voi_merge 0\.000000$'

expect 0 "$PETAVOX" verify small.yaml --shape 9,17,23 --ranks 2
says out "same"
[ ! -e run/expected ] || fail "verify left something behind"
expect 0 "$PETAVOX" verify run
expect 0 "$PETAVOX" verify run --sample 4 --json
says out '"same":true'
# A damaged voxel file is noticed.
shard=$(find run/volumes -name '*.h5' -path '*shards*' | head -1)
checks=$((checks + 1))
if [ -n "$shard" ]; then
  python3 - "$shard" <<'PYTHON'
import os, sys
size = os.path.getsize(sys.argv[1])
with open(sys.argv[1], "r+b") as f:
    for at in range(size // 2, size // 2 + 64):
        f.seek(at); b = f.read(1); f.seek(at); f.write(bytes([b[0] ^ 0xff]))
PYTHON
  expect 5 "$PETAVOX" verify run
  says out "DIFFER"
  expect 5 "$PETAVOX" verify run --sample 1
else
  fail "the run has no shards"
fi

expect 0 "$PETAVOX" sweep small.yaml --out sweep --param stages.agglomerate.threshold=0.3,0.6
says out "voi_split"
expect 0 "$PETAVOX" sweep small.yaml --out sweep --param stages.agglomerate.threshold=0.45 --json
matches out '"tasks_resumed":[1-9]'
finish
