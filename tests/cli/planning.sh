# petavox calibrate, plan --costs, run --costs and simulate.
. "$(dirname "$0")/lib.sh"
cp "$SOURCE/tests/cli/small.yaml" .

expect 0 "$PETAVOX" calibrate small.yaml --sample 1,2,2 --out costs.json
says out "watershed.fragments"
[ ! -e run ] || fail "calibrate left a run behind"
[ -z "$(ls -d .petavox* petavox* 2>/dev/null)" ] || fail "calibrate left its scratch directory behind"
expect 0 "$PETAVOX" calibrate small.yaml --sample 1,2,2 --at-once 3 --out "$PWD/busy.json"
grep -q '"at_once": 3' busy.json || fail "how many processes worked is not in the costs"
[ -z "$(ls -d .petavox* petavox* neighbour* 2>/dev/null)" ] || fail "neighbours left something behind"
grep -qs "$PWD/busy.jso[n]" /proc/[0-9]*/cmdline && fail "neighbours are still at work"
expect 0 "$PETAVOX" plan small.yaml --costs busy.json --ranks 3
grep -q "at work" out && fail "as many as were measured are noted"
expect 0 "$PETAVOX" plan small.yaml --costs busy.json --ranks 4
says out "measured with 3 processes at work"
expect 0 "$PETAVOX" plan small.yaml --costs costs.json --ranks 4 --cores 2 --disk-mb-s 100
says out "core-hours"
says out "bandwidth"
expect 0 "$PETAVOX" plan small.yaml --costs costs.json --json
/usr/bin/env python3 - out <<'PYTHON' || fail "plan --json lacks what costs tell"
import json, sys
plan = json.load(open(sys.argv[1]))
assert plan["seconds"] > 0 and plan["cpu_s"] > 0 and plan["stored_written_bytes"] > 0 and plan["costs_missing"] == []
assert abs(sum(s["seconds"] for s in plan["steps"]) - plan["cpu_s"]) < 1e-6 * plan["cpu_s"]
PYTHON
expect 0 "$PETAVOX" run small.yaml --costs costs.json
matches err 'planned'
grep -q "not known" run/report.html && fail "the report does not know what was planned"
echo '{"petavox_costs": 1, "host": 3}' > broken.json
expect 2 "$PETAVOX" plan small.yaml --costs broken.json
says err "make it with"
expect 2 "$PETAVOX" run small.yaml --costs missing.json --out nothing
[ ! -e nothing ] || fail "a run began without its costs"

expect 0 "$PETAVOX" simulate small.yaml --costs costs.json --ranks 2,16
says out "simulated"
expect 0 "$PETAVOX" simulate small.yaml --costs costs.json --shape 96,192,192 --ranks 16 --json
first=$(cat out)
expect 0 "$PETAVOX" simulate small.yaml --costs costs.json --shape 96,192,192 --ranks 16 --json
same "$(cat out)" "$first" "a simulation that is run again"
expect 0 "$PETAVOX" simulate --blocks 20000 --task-s 10 --log-sigma 0.5 --stragglers 0.01 --mtbf-h 100 --ranks 100,1000
expect 0 "$PETAVOX" simulate --blocks 10 --weak --masters 4 --ranks 64,256
expect 0 "$PETAVOX" simulate --metg --ranks 32
expect 2 "$PETAVOX" simulate
says err "nothing to simulate"
expect 2 "$PETAVOX" simulate small.yaml
says err "needs --costs"
finish
