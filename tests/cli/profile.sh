# petavox run --profile and petavox profile: the table, the trace, every executor, and what a crash leaves.
. "$(dirname "$0")/lib.sh"
cp "$SOURCE/tests/cli/small.yaml" .

cat > check.py <<'PYTHON'
# check.py JSON RANKS: the table adds up and the trace is what Chrome's trace-event format asks for.
import json, sys
report = json.load(open(sys.argv[1]))
profile = report.get("profile", report)
phases = ["compute", "wait", "read", "decode", "encode", "write"]
rows = profile["steps"] + [profile["sync"]]
for row in rows:
    assert all(row[p + "_s"] >= 0 for p in phases), row
    assert abs(sum(row[p + "_s"] for p in phases) - row["total_s"]) < 1e-9, row
whole = sum(row["total_s"] for row in rows) + profile["idle_s"]
assert abs(whole - profile["span_s"]) < 1e-3, (whole, profile["span_s"])
assert profile["span_s"] <= profile["wall_s"] * (profile["threads"] + 1), profile
assert profile["damaged_logs"] == 0
if "steps" in report and "profile" in report:
    tasks = {row["name"]: row["tasks"] for row in profile["steps"]}
    assert all(tasks[s["name"]] >= s["total"] for s in report["steps"]), tasks

trace = json.load(open(profile["trace"]))
events = trace["traceEvents"]
named = {e["pid"] for e in events if e["ph"] == "M" and e["name"] == "process_name"}
tracks = {(e["pid"], e["tid"]) for e in events if e["ph"] == "M" and e["name"] == "thread_name"}
assert named == set(range(int(sys.argv[2]))), named
by_track = {}
for e in events:
    assert e["ph"] in "MXC" and isinstance(e["pid"], int), e
    if e["ph"] == "X":
        assert e["ts"] >= 0 and e["dur"] >= 0 and isinstance(e["name"], str), e
        assert (e["pid"], e["tid"]) in tracks, e
        by_track.setdefault((e["pid"], e["tid"]), []).append(e)
slack = 0.002  # microseconds: times are printed with three decimals
tasks = nested = 0
for track in by_track.values():
    end_of_task = end_of_phase = 0
    for e in track:
        begin, end = e["ts"], e["ts"] + e["dur"]
        if e["cat"] == "phase":
            assert e["name"] in phases and begin >= begin_of_task - slack and end <= end_of_task + slack, e
            assert begin >= end_of_phase - slack, e
            end_of_phase, nested = end, nested + 1
        else:
            assert begin >= end_of_task - slack, e
            begin_of_task, end_of_task, end_of_phase = begin, end, 0
            tasks += e["cat"] != "sync"
assert tasks == sum(row["tasks"] for row in profile["steps"]), tasks
assert nested > 0
PYTHON
check() { checks=$((checks + 1)); /usr/bin/env python3 check.py "$1" "$2" || fail "the profile of $1"; }

expect 0 "$PETAVOX" run small.yaml --serial --out plain
plain=$(digest)
expect 0 "$PETAVOX" run small.yaml --serial --profile --out serial
same "$(digest)" "$plain" "a run with a profile"
matches out '^watershed.fragments +[0-9]+ '
says out "$(pwd)/serial/profile/trace.json"
[ ! -e plain/profile ] || fail "a run without --profile wrote one"

expect 0 "$PETAVOX" run small.yaml --serial --profile --out json --json
cp out serial.json
check serial.json 1
expect 0 "$PETAVOX" run small.yaml --loopback 3 --profile --out loopback --json
cp out loopback.json
check loopback.json 3
if [ -n "$MPIRUN" ]; then
  expect 0 $MPIRUN -n 3 "$PETAVOX" run small.yaml --profile --out mpi --json
  cp out mpi.json
  check mpi.json 3
fi
expect 0 "$PETAVOX" profile serial --json
cp out again.json
check again.json 1
expect 3 "$PETAVOX" profile plain
says err "has no profile"

# Killed without warning: what was written until then is there, and the next launch adds to it.
"$PETAVOX" run small.yaml --serial --profile --out killed --set blocks.shape=[4,8,8] >out 2>err &
pid=$!
for _ in $(seq 200); do [ "$(stat -c %s killed/profile/1.0 2>/dev/null || echo 0)" -gt 20000 ] && break; sleep 0.02; done
kill -KILL $pid
wait $pid 2>/dev/null
expect 0 "$PETAVOX" profile killed
matches out '^boundary'
expect 0 "$PETAVOX" run small.yaml --serial --profile --out killed --set blocks.shape=[4,8,8]
same "$(digest)" "$plain" "killed and resumed"
checks=$((checks + 1))
/usr/bin/env python3 -c 'import json; json.load(open("killed/profile/trace.json"))' || fail "the trace of two launches"
finish
