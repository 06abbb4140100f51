# Plugins in processes of their own: the same results, no plugin in any rank, and nothing left behind.
FAULT=$4
BUILTIN=$5
. "$(dirname "$0")/lib.sh"
export PETAVOX_ISOLATION_MARK=$$-$RANDOM

# Every process that this script started and that still runs, but itself.
marked() {
  grep -lzs "^PETAVOX_ISOLATION_MARK=$PETAVOX_ISOLATION_MARK$" /proc/[0-9]*/environ | grep -o '[0-9]*' | while read -r pid; do
    grep -qs petavox "/proc/$pid/comm" && echo "$pid"
  done
}
none_left() {
  checks=$((checks + 1))
  for _ in $(seq 50); do
    [ -z "$(marked)" ] && return
    sleep 0.1
  done
  fail "processes are left: $(marked | tr '\n' ' ')"
}

# What a plugin says of itself is the same.
expect 0 "$PETAVOX" stages fault --plugin "$FAULT"
mv out direct
expect 0 "$PETAVOX" stages fault --plugin "$FAULT" --isolation process
same "$(cat out)" "$(cat direct)" "the description of an isolated stage"
none_left

# Every kind of port, reductions and summaries: the built-in stages as a plugin.
cat >own.yaml <<'YAML'
petavox: 1
input: {phantom: {shape: [24, 48, 48], seed: 2}}
inputs: {truth: {phantom: labels}}
blocks: {shape: [16, 24, 24]}
output: {dir: run}
run: {isolation: process}
stages:
  boundary: {stage: own_boundary}
  watershed: {stage: own_watershed}
  region_graph: {stage: own_region_graph}
  agglomerate: {stage: own_agglomerate, threshold: 0.5}
  score: {stage: own_score}
YAML
expect 0 "$PETAVOX" run own.yaml --plugin "$BUILTIN" --isolation none --out direct_run
want=$(digest)
expect 0 "$PETAVOX" run own.yaml --plugin "$BUILTIN" --serial
same "$(digest)" "$want" "isolated, serial"
expect 0 "$PETAVOX" run own.yaml --plugin "$BUILTIN" --loopback 2 --threads 2 --out loopback --set blocks.shape=[9,48,17]
same "$(digest)" "$want" "isolated, loopback"
# shellcheck disable=SC2086
expect 0 $MPIRUN -n 3 "$PETAVOX" run own.yaml --plugin "$BUILTIN" --out mpi
same "$(digest)" "$want" "isolated, MPI"
none_left

# The plan counts helpers, and refuses what they cannot hold.
expect 0 "$PETAVOX" plan own.yaml --plugin "$BUILTIN"
matches out '^peak of plugins +[0-9.]+ .?B in 1 helpers a rank'
expect 2 "$PETAVOX" plan own.yaml --plugin "$BUILTIN" --set memory.isolated_mb=16 \
  --set input.phantom.shape=[128,128,128] --set blocks.shape=128
says err "memory.isolated_mb allows 16"
# A parameter that the stage refuses, with its place in the file.
sed 's/threshold: 0.5/treshold: 0.5/' own.yaml >bad.yaml
expect 2 "$PETAVOX" run bad.yaml --plugin "$BUILTIN"
says err "bad.yaml:11:"
says err "did you mean 'threshold'?"

# No rank has the plugin in its memory, the master least of all; without isolation all have it.
cat >fault.yaml <<'YAML'
petavox: 1
input: {phantom: {shape: [48, 64, 64], seed: 3}}
blocks: {shape: [16, 16, 16]}
output: {dir: fault_run}
stages: {fault: {sleep_ms: 60}}
YAML
for isolation in process none; do
  # shellcheck disable=SC2086
  $MPIRUN -n 3 "$PETAVOX" run fault.yaml --plugin "$FAULT" --isolation $isolation --out "seen_$isolation" >out 2>err &
  launcher=$!
  for _ in $(seq 300); do
    [ -e "seen_$isolation/running" ] && [ "$(ls "seen_$isolation/running" | wc -l)" = 3 ] && break
    sleep 0.05
  done
  sleep 0.3
  ranks=0 with=0 helpers=0
  for pid in $(marked); do
    case $(cat "/proc/$pid/comm" 2>/dev/null) in
      petavox)
        ranks=$((ranks + 1))
        grep -qs libpetavox_fault "/proc/$pid/maps" && with=$((with + 1)) ;;
      petavox-helper) helpers=$((helpers + 1)) ;;
    esac
  done
  checks=$((checks + 1))
  case $isolation in
    process) [ $ranks = 3 ] && [ $with = 0 ] && [ $helpers -ge 2 ] || fail "process: $ranks ranks, $with with the plugin, $helpers helpers" ;;
    none) [ $ranks = 3 ] && [ $with = 3 ] && [ $helpers = 0 ] || fail "none: $ranks ranks, $with with the plugin, $helpers helpers" ;;
  esac
  wait $launcher
  same "$?" 0 "the run with isolation: $isolation"
done
same "$(tail -n 1 out)" "$("$PETAVOX" run fault.yaml --plugin "$FAULT" --isolation process --out seen_process 2>/dev/null | tail -n 1)" \
  "the digests with and without isolation"

# A program that is killed takes its helpers with it; what it had done isolated is taken up without isolation.
"$PETAVOX" run fault.yaml --plugin "$FAULT" --isolation process --serial >out 2>err &
run=$!
for _ in $(seq 100); do
  [ -n "$(ls fault_run/packs 2>/dev/null)" ] && break
  sleep 0.05
done
kill -9 $run
wait $run 2>/dev/null
none_left
expect 0 "$PETAVOX" run fault.yaml --plugin "$FAULT"
same "$(digest)" "$(tail -n 1 out)" "resumed without isolation"
finish
