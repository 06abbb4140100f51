# petavox supervise and petavox status: launches that die, a launcher that hangs or lies, requests to stop, and what
# can be seen of a run from outside. Called with the plugin that misbehaves as the fourth argument.
PLUGIN=$4
. "$(dirname "$0")/lib.sh"
cp "$SOURCE/tests/cli/small.yaml" .
expect 0 "$PETAVOX" run small.yaml --out reference
reference=$(digest)

# field KEY: of the JSON object in `out`.
field() {
  /usr/bin/env python3 -c 'import json, sys; print(json.load(open("out"))[sys.argv[1]])' "$1"
}

# Status of a finished run, and of what is none.
expect 0 "$PETAVOX" status reference --json
same "$(field state)" complete "state of a finished run"
same "$(field done)" "$(field total)" "tasks of a finished run"
expect 0 "$PETAVOX" status reference
matches out '^state +complete: '
matches out '^watershed.*[0-9]+/[0-9]+'
expect 0 "$PETAVOX" status reference --log --json
matches out '"rank":0,.*"text":"rank 0 begins'
mkdir nothing
expect 3 "$PETAVOX" status nothing
says err "steps.json"

# Killed at its first two launches, whatever runs then: started again, and the same digest.
cat >dies.sh <<'SCRIPT'
n=$(cat launches 2>/dev/null || echo 0)
echo $((n + 1)) >launches
"$1" run small.yaml --out killed --set blocks.shape=[4,8,8] >digests 2>>errors &
pid=$!
if [ "$n" -lt 2 ]; then
  for _ in $(seq 400); do [ "$(cat killed/packs/"$((n + 1))".* 2>/dev/null | wc -c)" -gt 5000 ] && break; sleep 0.02; done
  kill -KILL $pid
fi
wait $pid
SCRIPT
expect 0 "$PETAVOX" supervise --wait 0.1 --dir killed -- bash dies.sh "$PETAVOX"
same "$(tail -n 1 digests)" "$reference" "killed twice under supervision"
same "$(cat launches)" 3 "launches"
expect 0 "$PETAVOX" status killed --json
same "$(field launches)" 3 "launches on record"
same "$(field supervised | tr -d "' " | grep -o 'exit_code:[0-9]*' | tr '\n' ' ')" "exit_code:137 exit_code:137 exit_code:0 " \
  "exit codes on record"

# A launcher that hangs when the run is complete is ended; one that fails says nothing about the run.
expect 0 timeout 60 "$PETAVOX" supervise --end-grace 1 --dir hangs -- bash -c '"$0" run small.yaml --out hangs; sleep 100' "$PETAVOX"
says err "the run has ended, but its command has not"
expect 0 "$PETAVOX" supervise --dir lies -- bash -c '"$0" run small.yaml --out lies; exit 9' "$PETAVOX"

# One that stays though its processes were killed is ended, and the run goes on.
cat >stays.sh <<'SCRIPT'
n=$(cat stays_launches 2>/dev/null || echo 0)
echo $((n + 1)) >stays_launches
[ "$n" -gt 0 ] && exec "$1" run small.yaml --out stays
sleep 1000 &
sleep 1.5
kill -KILL $!
exec sleep 1000 # has not waited for what it started, like mpirun that has lost it
SCRIPT
expect 0 timeout 100 "$PETAVOX" supervise --end-grace 1 --wait 0.1 --dir stays -- bash stays.sh "$PETAVOX"
says err "no process of the launch is left"
same "$(cat stays_launches)" 2 "launches of a command that stayed alone"

# What does not get better is given up; what is wrong is not tried again.
expect 3 "$PETAVOX" supervise --tries 2 --wait 0.1 --dir never -- false
says err "2 in a row made no progress"
expect 2 "$PETAVOX" supervise -- "$PETAVOX" run small.yaml --out wrong --set blocks.shape=[0,0,0]
expect 2 "$PETAVOX" supervise --dir wrong -- ./no_such_launcher
says err "cannot execute"
expect 2 "$PETAVOX" supervise -- true
says err "give --dir DIR"

# Asked to stop: 75 and no other launch, then on to the end. Status sees it work, and says that it was stopped.
cat >slow.yaml <<'YAML'
petavox: 1
input: {phantom: {shape: [48, 64, 64], seed: 3}}
blocks: {shape: [16, 16, 16]}
output: {dir: slow, final: {shard_shape: [48, 64, 64], chunk_shape: [16, 16, 16]}}
stages:
  fault: {fault: none, sleep_ms: 100}
YAML
for signal in USR1 TERM INT; do
  "$PETAVOX" supervise -- "$PETAVOX" run slow.yaml --plugin "$PLUGIN" --out "stop_$signal" >out 2>err &
  for _ in $(seq 200); do
    "$PETAVOX" status "stop_$signal" --json >seen 2>/dev/null && grep -qE '"done":[1-9]' seen && break
    sleep 0.05
  done
  checks=$((checks + 1))
  grep -q '"state":"running"' seen || fail "status does not see the run work: $(cat seen)"
  kill -$signal $!
  wait $!
  code=$?
  same $code 75 "SIG$signal"
  expect 0 "$PETAVOX" status "stop_$signal" --json
  same "$(field state)" stopped "state after SIG$signal"
done
expect 0 "$PETAVOX" supervise -- "$PETAVOX" run slow.yaml --plugin "$PLUGIN" --out stop_TERM

# A block that aborts its rank: launches die until it is set aside, and the others finish.
sed 's/fault: none, sleep_ms: 100/fault: abort, at: [30, 40, 40]/' slow.yaml >poison.yaml
if [ -n "$MPIRUN" ]; then
  expect 4 "$PETAVOX" supervise --wait 0.1 -- $MPIRUN -n 3 "$PETAVOX" run poison.yaml --plugin "$PLUGIN" --out poison
  expect 0 "$PETAVOX" status poison --json
  same "$(field state)" failed "state of a run with a poison block"
  same "$(field quarantined)" 1 "quarantined blocks"
  same "$(field died)" 3 "charges"
  # mpirun itself is killed: what its ranks leave in /dev/shm is removed, but for the run's own directory; and the next
  # launch completes the run.
  memory=$(mktemp -d /dev/shm/petavox_supervise.XXXXXX)
  "$PETAVOX" supervise --wait 0.1 -- $MPIRUN -n 3 "$PETAVOX" run slow.yaml --plugin "$PLUGIN" --out "$memory" >out 2>err &
  for _ in $(seq 200); do
    "$PETAVOX" status "$memory" --json 2>/dev/null | grep -qE '"done":[1-9]' && break
    sleep 0.05
  done
  kill -KILL "$(pgrep -P $! | head -n 1)"
  wait $!
  same $? 0 "mpirun killed"
  says err "left by a killed launch"
  matches err "launch 2: .*mpi"
  # Those of this run alone: others may be at work, or may have left theirs.
  segments=$(sed -nE 's/.*removed (.*), left by a killed launch/\1/p' err)
  same "$(wc -w <<<"$segments")" 3 "segments of three ranks"
  for segment in $segments; do [ ! -e "$segment" ] || fail "$segment is still there"; done
  rm -r "$memory"
fi

# Metrics while it works.
"$PETAVOX" run slow.yaml --plugin "$PLUGIN" --out metrics --metrics 0 >out 2>err &
for _ in $(seq 100); do grep -q 'metrics at' err && break; sleep 0.05; done
sleep 1.5
url=$(sed -n 's/.*metrics at //p' err)
checks=$((checks + 1))
/usr/bin/env python3 - "$url" <<'PYTHON' || fail "no metrics at $url"
import sys, urllib.request
text = urllib.request.urlopen(sys.argv[1], timeout=5).read().decode()
assert 'petavox_tasks{step="fault.image",state="done"}' in text, text
assert "petavox_workers 1" in text, text
PYTHON
kill -TERM $!
wait $!
expect 2 "$PETAVOX" run slow.yaml --plugin "$PLUGIN" --out refused --metrics nowhere:1
says err "is no [ADDR:]PORT"
finish
