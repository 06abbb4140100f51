#!/bin/bash
# The same run on 1, 2, 4, … nodes, for a strong-scaling plot:
#     slurm/scaling.sh my.yaml 16 --ranks-per-node 32 --time 2:00:00
# submits them; when they have ended,
#     slurm/scaling.sh --table my-scaling
# prints nodes, seconds and efficiency, as the journals have them. Further options go to `petavox slurm submit`.
set -eu
if [ "${1:-}" = --table ]; then
  [ $# = 2 ] || { echo "usage: scaling.sh --table DIR" >&2; exit 2; }
  printf '%6s %10s %11s\n' nodes seconds efficiency
  first=""
  number() { sed -nE "s/.*\"$1\":([0-9.e+]+),.*/\1/p" <<<"$status"; }
  for n in $(ls "$2" | sed 's/^nodes//' | sort -n); do
    status=$(petavox status "$2/nodes$n" --json | sed 's/"steps".*//')
    if ! grep -q '"state":"complete"' <<<"$status" || [ "$(number launches)" != 1 ]; then
      printf '%6s %10s\n' "$n" "not complete in one launch"
      continue
    fi
    seconds=$(awk -v a="$(number started_unix_s)" -v b="$(number last_record_unix_s)" 'BEGIN { print b - a }')
    [ -n "$first" ] || first=$(awk -v n="$n" -v s="$seconds" 'BEGIN { print n * s }')
    awk -v n="$n" -v s="$seconds" -v f="$first" 'BEGIN { printf "%6d %10.1f %10.0f%%\n", n, s, 100 * f / (n * s) }'
  done
  exit 0
fi
[ $# -ge 2 ] || { echo "usage: scaling.sh CONFIG MAX_NODES [options of petavox slurm submit]" >&2; exit 2; }
config=$1
most=$2
shift 2
directory=$(basename "$config" .yaml)-scaling
for ((n = 1; n <= most; n *= 2)); do
  petavox slurm submit "$config" --nodes "$n" --out "$PWD/$directory/nodes$n" "$@"
done
echo "afterwards: $0 --table $directory"
