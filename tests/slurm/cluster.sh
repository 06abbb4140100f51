# A Slurm of several nodes on this machine, for tests: own munge, own slurmctld, one slurmd for each node, all of it
# below one directory and gone with it. Sourced; needs root (slurmd starts jobs as users) and the packages slurm-wlm
# and munge. Each slurmd has a host name of its own, as MPI names its shared memory after the host.

# cluster_missing: why there can be none here, or nothing.
cluster_missing() {
  local program
  for program in munged slurmctld slurmd sbatch scontrol squeue sinfo unshare; do
    command -v "$program" >/dev/null || { echo "no $program here (packages slurm-wlm and munge)"; return; }
  done
  [ "$(id -u)" = 0 ] || { echo "not root, as whom slurmd must run"; return; }
  unshare --uts true 2>/dev/null || echo "this container may not make host names (unshare --uts)"
}

# cluster_ports COUNT: the first of COUNT ports in a row that nobody uses, below those that the system gives to
# connections: one of these that happens to be open when a daemon binds its port keeps the daemon from it.
cluster_ports() {
  local count=$1 end start port used
  read -r end _ </proc/sys/net/ipv4/ip_local_port_range
  [ "$end" -ge 16000 ] || end=32768
  used=" $(awk 'FNR > 1 {split($2, at, ":"); print at[2]}' /proc/net/tcp /proc/net/tcp6 2>/dev/null | tr '\n' ' ')"
  start=$((end - 12000 + $$ % 11000))
  for ((port = start; port < end - count; port++)); do
    local free=yes i
    for ((i = port; i < port + count; i++)); do
      case "$used" in *" $(printf %04X "$i") "*) free= ;; esac
    done
    [ -n "$free" ] && { echo "$port"; return 0; }
  done
  echo "no $count free ports in a row from $start to $end" >&2
  return 1
}

# cluster_up DIR NODES CPUS: DIR short, as it holds sockets. Afterwards SLURM_CONF names it.
cluster_up() {
  local dir=$1 nodes=$2 cpus=$3 host memory port i
  host=$(hostname -s)
  memory=$(awk '/MemTotal/ {print int($2 / 1024) - 64}' /proc/meminfo)
  port=$(cluster_ports $((nodes + 1))) || return 1
  mkdir -p "$dir/state" "$dir/log" "$dir/munge" "$dir/socket"
  chmod 755 "$dir" "$dir/socket"
  chmod 700 "$dir/munge"
  head -c 1024 /dev/urandom >"$dir/munge/key"
  chmod 600 "$dir/munge/key"
  munged --force --num-threads=2 --key-file="$dir/munge/key" --socket="$dir/socket/munge" \
    --pid-file="$dir/munge/munged.pid" --seed-file="$dir/munge/seed" --log-file="$dir/log/munged.log" || return 1
  {
    echo "ClusterName=petavox"
    echo "SlurmctldHost=$host(127.0.0.1)"
    echo "SlurmctldPort=$port"
    echo "SlurmUser=root"
    echo "SlurmdUser=root"
    echo "AuthType=auth/munge"
    echo "AuthInfo=socket=$dir/socket/munge"
    echo "CredType=cred/munge"
    echo "StateSaveLocation=$dir/state"
    echo "SlurmdSpoolDir=$dir/spool-%n"
    echo "TmpFS=$dir/tmp-%n"
    echo "SlurmctldPidFile=$dir/slurmctld.pid"
    echo "SlurmdPidFile=$dir/slurmd-%n.pid"
    echo "SlurmctldLogFile=$dir/log/slurmctld.log"
    echo "SlurmdLogFile=$dir/log/slurmd-%n.log"
    # Nothing of the machine's control groups, accounting or topology is touched.
    echo "ProctrackType=proctrack/linuxproc"
    echo "TaskPlugin=task/none"
    echo "JobAcctGatherType=jobacct_gather/none"
    echo "AccountingStorageType=accounting_storage/none"
    echo "SwitchType=switch/none"
    echo "MpiDefault=none"
    echo "SelectType=select/cons_tres"
    echo "SelectTypeParameters=CR_Core"
    echo "SlurmdParameters=config_overrides"
    echo "PropagateResourceLimits=NONE"
    # Quick decisions.
    echo "SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=0,bf_interval=1"
    echo "KillWait=15"
    echo "MinJobAge=600"
    echo "MessageTimeout=30"
    echo "ReturnToService=0"
    for i in $(seq "$nodes"); do
      mkdir -p "$dir/spool-pv$i" "$dir/tmp-pv$i"
      echo "NodeName=pv$i NodeHostname=pv$i NodeAddr=127.0.0.1 Port=$((port + i)) CPUs=$cpus Boards=1" \
        "SocketsPerBoard=1 CoresPerSocket=$cpus ThreadsPerCore=1 RealMemory=$memory"
    done
    echo "PartitionName=main Nodes=pv[1-$nodes] Default=YES MaxTime=INFINITE State=UP"
  } >"$dir/slurm.conf"
  printf 'CgroupAutomount=no\nCgroupPlugin=cgroup/v1\nConstrainCores=no\nConstrainRAMSpace=no\nConstrainDevices=no\n' \
    >"$dir/cgroup.conf"
  export SLURM_CONF=$dir/slurm.conf
  slurmctld -c -f "$SLURM_CONF" || return 1
  for i in $(seq "$nodes"); do
    unshare --uts sh -c "hostname pv$i && exec slurmd -N pv$i -f $SLURM_CONF" || return 1
  done
  for i in $(seq 300); do
    [ "$(sinfo -h -N -t idle -o %N 2>/dev/null | wc -l)" = "$nodes" ] && return 0
    sleep 0.1
  done
  sinfo >&2
  tail -n 20 "$dir"/log/*.log >&2
  return 1
}

# cluster_down DIR: ends its jobs and daemons, and nothing else.
cluster_down() {
  local dir=$1 file pid
  if [ -s "$dir/slurmctld.pid" ]; then
    timeout 10 scancel --user="$(id -un)" 2>/dev/null
    for _ in $(seq 100); do
      [ -z "$(timeout 5 squeue -h 2>/dev/null)" ] && break
      sleep 0.1
    done
  fi
  for file in "$dir"/slurmd-*.pid "$dir/slurmctld.pid" "$dir/munge/munged.pid"; do
    [ -s "$file" ] || continue
    pid=$(cat "$file")
    kill -TERM "$pid" 2>/dev/null || continue
    for _ in $(seq 100); do
      kill -0 "$pid" 2>/dev/null || break
      sleep 0.1
    done
    kill -KILL "$pid" 2>/dev/null
  done
  return 0
}
