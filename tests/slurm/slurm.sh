# petavox on a real Slurm of three nodes: submitted, run on two nodes by mpirun and by srun, cancelled, run again after
# a node went down, stopped by the warning signal and resumed; every result is that of a serial run.
# Usage: slurm.sh PETAVOX SOURCE PLUGIN [walltime]; with walltime, a time limit is really reached (two minutes).
. "$(dirname "$0")/cluster.sh"
missing=$(cluster_missing)
if [ -n "$missing" ]; then
  echo "SKIPPED: $missing"
  exit 77
fi
PLUGIN=$3
KIND=${4:-short}
set -- "$1" "$2"
. "$(dirname "$0")/../cli/lib.sh"
CLUSTER=$(mktemp -d /tmp/pvslurm.XXXXXX)
trap 'cluster_down "$CLUSTER"; rm -rf "$CLUSTER" "$WORK"' EXIT
# The nodes are this machine: more ranks than cores.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1
export OMPI_MCA_hwloc_base_binding_policy=none OMPI_MCA_mpi_yield_when_idle=1
cluster_up "$CLUSTER" 3 4 || { echo "the cluster did not come up"; exit 1; }

# 48 blocks of 0.3 s: some seconds on four ranks.
cat >slow.yaml <<'YAML'
petavox: 1
input: {phantom: {shape: [48, 64, 64], seed: 3}}
blocks: {shape: [16, 16, 16]}
output: {dir: slow, final: {shard_shape: [48, 64, 64], chunk_shape: [16, 16, 16]}}
run: {lease_s: 60}
stages:
  fault: {fault: none, sleep_ms: 300}
YAML
expect 0 "$PETAVOX" run slow.yaml --plugin "$PLUGIN" --threads 16 --out reference
reference=$(digest)

# submit DIR OPTION…: the number of the job in `job`.
submit() {
  local dir=$1
  shift
  expect 0 "$PETAVOX" slurm submit slow.yaml --plugin "$PLUGIN" --out "$dir" --nodes 2 --ranks-per-node 2 --time 5 --id "$@"
  job=$(cat out)
}
# until_true SECONDS COMMAND…
until_true() {
  local n=$(($1 * 5))
  shift
  for _ in $(seq $n); do
    "$@" && return 0
    sleep 0.2
  done
  fail "waited in vain: $*; $(scontrol -o show job "$job" 2>&1); $(tail -n 30 "$dir"/slurm/*.log 2>/dev/null)"
  return 1
}
# state DIR WORD
state() { "$PETAVOX" status "$1" --json 2>/dev/null | grep -q "\"state\":\"$2\""; }
works() { "$PETAVOX" status "$1" --json 2>/dev/null | grep -qE '"state":"running".*"done":([3-9]|[1-9][0-9])'; }
job_is() { scontrol -o show job "$1" | grep -q "JobState=$2 "; }
# A job that is queued again waits two minutes, which a test need not.
# Not before the end of its first script has been taken note of: it would count as that of the second.
nothing_completes() {
  [ -z "$(squeue -h -t COMPLETING)" ] && ! sinfo -h -o %T | grep -q completing
}
start_now() {
  until_true 60 job_is "$1" PENDING && until_true 60 nothing_completes && sleep 2 && scontrol update JobId="$1" StartTime=now
}
complete() {
  until_true 90 job_is "$job" COMPLETED
  expect 0 "$PETAVOX" run slow.yaml --plugin "$PLUGIN" --out "$@"
  same "$(digest)" "$reference" "$1"
}

if [ "$KIND" = walltime ]; then
  # Minutes of time for three minutes of work on a rank: the limit's warning comes, up to a minute early.
  dir=limit
  expect 0 "$PETAVOX" slurm submit slow.yaml --plugin "$PLUGIN" --out $dir --nodes 1 --ranks-per-node 1 --time 2 --warn 30 \
    --set stages.fault.sleep_ms=4000 --id
  job=$(cat out)
  for _ in $(seq 500); do
    job_is "$job" COMPLETED && break
    job_is "$job" PENDING && scontrol update JobId="$job" StartTime=now 2>/dev/null
    sleep 1
  done
  complete $dir --set stages.fault.sleep_ms=4000
  expect 0 "$PETAVOX" status $dir --json
  matches out '"exit_code":75,"asked_to_stop":true'
  finish
fi

dir=mpirun
submit $dir
echo "submitted $job"
expect 0 grep -c . $dir/slurm/job.sbatch
matches $dir/slurm/job.sbatch '^#SBATCH --mem=[1-9][0-9]*M$'
until_true 60 works $dir
expect 0 "$PETAVOX" slurm status $dir
matches out 'run: running, '
matches out "job $job: RUNNING, .*pv\[1-2\]"
complete $dir
expect 0 "$PETAVOX" status $dir --log
matches out ' on pv1 info: rank 0 begins'
matches out ' on pv2 info: rank 2 begins'
expect 0 "$PETAVOX" slurm status $dir
matches out 'JobState=COMPLETED'

dir=srun
submit $dir --launcher srun
complete $dir

# Cancelled: the run stops, stays stopped, and goes on when it is submitted again.
dir=cancelled
submit $dir
until_true 60 works $dir
scancel "$job"
until_true 40 job_is "$job" CANCELLED
until_true 40 state $dir stopped
submit $dir
complete $dir

# The warning before the time limit: stopped cleanly, queued again by itself, resumed.
dir=warned
submit $dir
until_true 60 works $dir
scancel --batch --signal=USR1 "$job"
start_now "$job"
complete $dir
scontrol -o show job "$job" >out
matches out 'Restarts=1 '
expect 0 "$PETAVOX" status $dir --json
matches out '"launches":2,'
matches out '"exit_code":75,"asked_to_stop":true'

# The scripts that are shipped, as their first lines say. They are warned five minutes before their end, so it is later than that. An array of
# independent runs:
PATH=$(dirname "$PETAVOX"):$PATH
printf '%s\n' "--plugin $PLUGIN --out array-1" "--plugin $PLUGIN --out array-2 --set blocks.shape=[24,32,32]" >groups.txt
dir=array-1
expect 0 sbatch --parsable --array=1-2 --ntasks=2 --mem=1G --time=20 "$SOURCE/slurm/array.sbatch" slow.yaml groups.txt
job=$(cat out)
both_are() { [ "$(scontrol -o show job "$job" | grep -c "JobState=$1 ")" = 2 ]; }
until_true 120 both_are COMPLETED
complete array-1
complete array-2 --set blocks.shape=[24,32,32]
expect 0 "$PETAVOX" status array-2 --json
matches out '"launches":1,'

# A chain: the second run reads what the first has made.
sed 's|^input: .*|input: {path: chain-1/volumes/'"$(basename reference/volumes/*.h5)"', dataset: /data}|' slow.yaml >second.yaml
dir=chain-2
small="--plugin $PLUGIN --nodes 1 --ranks-per-node 2 --time 5"
expect 0 bash "$SOURCE/slurm/chain.sh" "slow.yaml --out chain-1 $small" "second.yaml --out chain-2 --mem 1G $small"
cp out jobs
job=$(sed -nE '2s/^job ([0-9]+): .*/\1/p' jobs)
scontrol -o show job "$job" >out
matches out "Dependency=afterok:$(sed -nE '1s/^job ([0-9]+): .*/\1/p' jobs)"
until_true 120 job_is "$job" COMPLETED
expect 0 "$PETAVOX" run second.yaml --plugin "$PLUGIN" --out chain-2
same "$(digest)" "$reference" chain-2

# If the first fails the second is cancelled.
dir=chain-4
expect 0 bash "$SOURCE/slurm/chain.sh" "slow.yaml --out chain-3 --set stages.fault.fault=throw $small" \
  "second.yaml --out chain-4 --mem 1G $small"
job=$(sed -nE '2s/^job ([0-9]+): .*/\1/p' out)
until_true 120 job_is "$job" CANCELLED
[ ! -e chain-4/journal ] || fail "the second run of a broken chain began"

# Scaling: on one node and on two, and the table.
dir=slow-scaling/nodes2
expect 0 bash "$SOURCE/slurm/scaling.sh" slow.yaml 2 --plugin "$PLUGIN" --ranks-per-node 2 --time 5
scaled() { state slow-scaling/nodes1 complete && state slow-scaling/nodes2 complete; }
until_true 120 scaled
expect 0 bash "$SOURCE/slurm/scaling.sh" --table slow-scaling
matches out '^ +1 +[0-9.]+ +100%$'
matches out '^ +2 +[0-9.]+ +[0-9]+%$'

# A node goes down: Slurm takes the job away and queues it again, it goes on with what there is.
dir=down
submit $dir
until_true 60 works $dir
scontrol update NodeName=pv2 State=DOWN Reason=test
start_now "$job"
until_true 60 job_is "$job" RUNNING
complete $dir
scontrol -o show job "$job" >out
matches out 'NodeList=pv\[1,3\]'
expect 0 "$PETAVOX" status $dir --json
matches out '"launches":2,'

# A time limit that is none, and a cluster that refuses.
expect 2 "$PETAVOX" slurm submit slow.yaml --plugin "$PLUGIN" --out refused --time soon
says err "is no time limit"
expect 2 "$PETAVOX" slurm submit slow.yaml --plugin "$PLUGIN" --out refused --time 5 --partition none
says err "sbatch refused the job"
finish
