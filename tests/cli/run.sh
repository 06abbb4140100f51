# petavox run: one answer whatever the executor, resuming, changed configurations, and what is printed.
. "$(dirname "$0")/lib.sh"
cp "$SOURCE/tests/cli/small.yaml" .

expect 0 "$PETAVOX" run small.yaml --dry-run
says out "bytes read"
[ ! -e run ] || fail "--dry-run wrote something"
expect 0 "$PETAVOX" plan small.yaml --ranks 8 --json
says out '"ranks":8'
[ ! -e run ] || fail "plan wrote something"

expect 0 "$PETAVOX" run small.yaml
serial=$(digest)
matches out '^digest segments [0-9a-f]{32}$'
matches out '^score.voi_split '
expect 0 "$PETAVOX" run small.yaml
same "$(digest)" "$serial" "a finished run that is run again"

expect 0 "$PETAVOX" run small.yaml --loopback 3 --out loopback
same "$(digest)" "$serial" "loopback"
expect 0 "$PETAVOX" run small.yaml --out other --set blocks.shape=[7,48,11]
same "$(digest)" "$serial" "other blocks"
expect 0 "$PETAVOX" run small.yaml --threads 3 --out threads
same "$(digest)" "$serial" "threads"
expect 2 "$PETAVOX" run small.yaml --serial --threads 3 --out refused
says err "exclude each other"
expect 0 "$PETAVOX" plan small.yaml --threads 3
says out "(3 threads)"
if [ -n "$MPIRUN" ]; then
  expect 0 $MPIRUN -n 2 "$PETAVOX" run small.yaml --threads 2 --out hybrid
  same "$(digest)" "$serial" "mpirun -n 2 --threads 2"
  for ranks in 1 3; do
    expect 0 $MPIRUN -n $ranks "$PETAVOX" run small.yaml --out "ranks$ranks"
    same "$(digest)" "$serial" "mpirun -n $ranks"
  done
fi

expect 0 "$PETAVOX" run small.yaml --json --out json
/usr/bin/env python3 - out "$serial" <<'PYTHON' || fail "--json does not hold the digest"
import json, sys
report = json.load(open(sys.argv[1]))
assert "digest " + report["digest"] == sys.argv[2], report
assert report["complete"] and report["exit_code"] == 0
assert [v["name"] for v in report["volumes"]] == ["segments"]
assert report["summaries"]["score"]["voi_split"] >= 0
PYTHON

# A changed configuration is refused, with the key, and what it does not reach is kept on request.
expect 2 "$PETAVOX" run small.yaml --set stages.agglomerate.threshold=0.4
says err "was made from another configuration"
says err "threshold"
expect 0 "$PETAVOX" run small.yaml --out kept --set output.keep=all
expect 0 "$PETAVOX" run small.yaml --out kept --set output.keep=all --set stages.agglomerate.threshold=0.4 --reuse --json
matches out '"tasks_resumed":[1-9]'

# Stopped in the middle: exit code 75, and the same command finishes it.
"$PETAVOX" run small.yaml --out stopped --set blocks.shape=[4,8,8] >out 2>err &
pid=$!
for _ in $(seq 100); do [ -n "$(ls stopped/packs 2>/dev/null)" ] && break; sleep 0.05; done
kill -TERM $pid
wait $pid
code=$?
checks=$((checks + 1))
[ $code = 75 ] || [ $code = 0 ] || fail "SIGTERM: exit code $code"
[ $code = 0 ] || says out "digest incomplete"
expect 0 "$PETAVOX" run small.yaml --out stopped --set blocks.shape=[4,8,8]
same "$(digest)" "$serial" "stopped and resumed"

# Killed with several threads at work, resumed with another number of them.
"$PETAVOX" run small.yaml --threads 3 --out killed --set blocks.shape=[4,8,8] >out 2>err &
pid=$!
for _ in $(seq 200); do [ "$(cat killed/packs/* 2>/dev/null | wc -c)" -gt 20000 ] && break; sleep 0.02; done
kill -KILL $pid
wait $pid 2>/dev/null
expect 0 "$PETAVOX" run small.yaml --threads 2 --out killed --set blocks.shape=[4,8,8]
same "$(digest)" "$serial" "killed with threads and resumed"

# A real file instead of the phantom: the truth goes, and the score with it, and it says so.
expect 0 "$PETAVOX" phantom --shape 24,48,48 --seed 2 --out em
raw=$WORK/em/phantom.h5
expect 0 "$PETAVOX" info "$raw"
expect 0 "$PETAVOX" run small.yaml --out file --set input.path="$raw" --set input.dataset=/raw
same "$(digest | cut -c1-7)" "digest " "a file as input"
says err "stage 'score' is skipped"
expect 0 "$PETAVOX" run small.yaml --out boxed --set input.path="$raw" --set input.dataset=/raw \
  --set input.box=4:20,8:40,0:48 --set blocks.shape=[8,8,8]
expect 0 "$PETAVOX" info boxed:segments --json
says out '"box":"4:20,8:40,0:48"'
finish
