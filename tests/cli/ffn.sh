# Flood filling by the whole program, with a small network made by hand: one digest for every cutting, scores, errors.
. "$(dirname "$0")/lib.sh"

"$PETAVOX" stages ffn | grep -q 'none.*what must compute it' && { echo "built without oneDNN"; exit 77; }
expect 0 "$PYTHON" "$SOURCE/tests/cli/flood_model.py" flood.pvm
expect 0 "$PETAVOX" phantom --shape 40,48,56 --seed 5 --out em
cat >ffn.yaml <<'YAML'
petavox: 1
input: {path: em/phantom.h5, dataset: /raw}
blocks: {shape: [64, 64, 64]}
output: {dir: out}
stages:
  ffn:
    model_path: flood.pvm
    subvolume: [24, 24, 32]
    overlap: 8
    min_segment_size: 50
    disco_seed_threshold: 1
YAML
run() {
  expect 0 "$PETAVOX" run ffn.yaml --out "$@"
}
run one --serial
whole=$(digest)
run two --set blocks.shape=[11,16,20] --loopback 3
same "$(digest)" "$whole" "other blocks and ranks"
expect 0 $MPIRUN -n 3 "$PETAVOX" run ffn.yaml --out three --set blocks.shape=[64,13,64]
same "$(digest)" "$whole" "ranks of MPI"
run four --serial --set stages.ffn.consensus=true
[ "$(digest)" != "$whole" ] || fail "the consensus is the segmentation itself"
expect 0 "$PETAVOX" score --labels one:stitched --truth em/phantom.h5:/labels
cat out

# Agglomeration by resegmentation, behind it: fewer splits than without, the same answer for every cutting.
cat >>ffn.yaml <<'YAML'
  resegment:
    model_path: flood.pvm
    subvolume: [24, 24, 32]
    radius: 8
    analysis_radius: 6
    exclusion_radius: 3
    disco_seed_threshold: 1
YAML
# Subvolumes are not stitched, so that there is something to join.
cut=(--set stages.ffn.iou_threshold=1 --set output.keep=all)
run five --serial "${cut[@]}"
joined=$(digest)
run six --set blocks.shape=[13,16,20] --loopback 3 "${cut[@]}"
same "$(digest)" "$joined" "resegmentation, other blocks and ranks"
expect 0 $MPIRUN -n 2 "$PETAVOX" run ffn.yaml --out seven --set blocks.shape=[40,11,64] "${cut[@]}"
same "$(digest)" "$joined" "resegmentation, ranks of MPI"
count() {
  expect 0 "$PETAVOX" score --labels "$1" --truth em/phantom.h5:/labels --json
  "$PYTHON" -c 'import json; print(json.load(open("out"))["voi_split"])'
}
before=$(count five:stitched)
after=$(count five:segments)
"$PYTHON" -c "import sys; sys.exit(not $after < $before)" || fail "nothing was joined: split $after bits, $before before"
expect 2 "$PETAVOX" plan ffn.yaml --out bad --set stages.resegment.radius=4
says err "no room to move"

# The lattice and the model are part of what a result is; what is wrong is said before any work.
expect 2 "$PETAVOX" run ffn.yaml --out bad --set stages.ffn.overlap=3
says err "use at least 4"
expect 2 "$PETAVOX" plan ffn.yaml --out bad --set input.box=0:8,0:48,0:56
says err "8 voxels on axis 0"
expect 2 "$PETAVOX" plan ffn.yaml --out bad --set stages.ffn.model_path=none.pvm
says err "cannot open"
head -c 500 flood.pvm >cut.pvm
expect 2 "$PETAVOX" plan ffn.yaml --out bad --set stages.ffn.model_path=cut.pvm
says err "cut short"
expect 2 "$PETAVOX" plan ffn.yaml --out bad --set stages.ffn.model_digest=00
says err "has the digest"
# Checkpoints that are none, or damaged.
convert() {
  expect 1 "$PYTHON" -B "$SOURCE/stages/network/train/convert_ffn.py" --out x.pvm --checkpoint "$1"
}
head -c 300 /dev/zero >zero.index
convert zero
says err "is not the index of a checkpoint"
convert absent
finish
