# From tiles to segments with one configuration: sections turned and bent are placed and aligned; a run that is killed and
# resumed ends with the digest of one that was not, and so does one with other blocks and ranks. Then align by itself,
# killed within its passes.
. "$(dirname "$0")/lib.sh"

expect 0 "$PETAVOX" phantom --tiles --shape 4,200,200 --voxel-size-nm 40,4,4 --seed 5 --tile 112,112 --overlap-px 24 \
  --tile-jitter-px 3 --tile-noise 2 --out t
CONFIG="$SOURCE/configs/tiles_to_segments.yaml"
run=("$PETAVOX" run "$CONFIG" --set input.tiles=t/tiles.csv --set stages.align.levels=[2,1] --set stages.align.patch=48
  --set stages.align.spacing=16 --set stages.place_sections.reach=2 --out)
expect 0 "${run[@]}" one --serial
says out "placements.sections_unplaced 0"
says out "placements.sections_misplaced 0"
says out "alignment.sections 4"
whole=$(digest)
expect 0 "${run[@]}" two --set blocks.shape=[3,61,128] --loopback 3
same "$(digest)" "$whole" "digest with other blocks and ranks"

# kill_at STEP DIR command…: kills the command, which works in DIR, as soon as the journal holds a task of STEP. At each step once: a
# block that is killed three times is set aside, as it should be.
kill_at() {
  local step=$1 dir=$2
  shift 2
  "$@" >out 2>err </dev/null &
  local victim=$!
  until "$PETAVOX" status "$dir" 2>/dev/null | grep -qE "^$step +map +[1-9]" || ! kill -0 "$victim" 2>/dev/null; do
    sleep 0.02
  done
  kill -KILL "$victim" 2>/dev/null
  wait "$victim" 2>/dev/null
  same $? 137 "exit code of the run killed at $step"
}

for step in place_sections.place_near align.placed_1 boundary.affinities; do
  kill_at "$step" killed "${run[@]}" killed --serial
done
expect 0 "${run[@]}" killed --serial
same "$(digest)" "$whole" "digest after kills"

# Align alone, killed within its passes: as soon as the journal holds a task of the step.
expect 0 "$PETAVOX" phantom --shape 6,256,256 --voxel-size-nm 40,4,4 --section-jitter-nm 20 --seed 3 --out p
cat >alone.yaml <<'END'
petavox: 1
input: {path: p/phantom.h5, dataset: /raw}
blocks: {shape: [3, 64, 96]}
output: {keep: [aligned, displacement, quality]}
stages: {align: {levels: [4, 2, 2, 1, 1], patch: 64, spacing: 16}}
END
alone=("$PETAVOX" run alone.yaml --serial --out)
expect 0 "${alone[@]}" undisturbed
whole=$(digest)
for step in align.flow_1 align.field_3 align.placed_5; do
  kill_at "$step" broken "${alone[@]}" broken
done
expect 0 "${alone[@]}" broken
same "$(digest)" "$whole" "digest of align after kills"
finish
