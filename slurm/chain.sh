#!/bin/bash
# Runs one after the other, each on what the one before has made, each with the nodes that suit it:
#     slurm/chain.sh "tiles.yaml --nodes 8 --time 12:00:00 --mem 64G" \
#                    "align.yaml --nodes 2 --time 4:00:00 --mem 128G" \
#                    "segment.yaml --nodes 16 --time 2-0 --mem 64G"
# Each argument is what `petavox slurm submit` is given; words are split at spaces. A job begins when the one before is
# complete, and is cancelled if that failed. --mem is needed from the second on: what it reads does not exist yet, so
# that nothing can be planned. A job that is queued again after its warning signal counts as one job.
set -eu
[ $# -ge 1 ] || { echo "usage: chain.sh \"CONFIG OPTIONS…\" …" >&2; exit 2; }
previous=""
for run in "$@"; do
  read -r -a words <<<"$run"
  previous=$(petavox slurm submit "${words[@]}" --id ${previous:+--after "$previous"})
  echo "job $previous: $run"
done
