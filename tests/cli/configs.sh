# Every shipped configuration can be planned as it is and with the overrides that scripts rely on, and the small ones
# run.
. "$(dirname "$0")/lib.sh"

expect 0 "$PETAVOX" phantom --shape 24,48,48 --seed 2 --out em
raw=$WORK/em/phantom.h5
expect 0 "$PETAVOX" phantom --tiles --from "$raw:/raw" --tile 32,32 --overlap-px 12 --out tiles
# A network that users bring themselves.
expect 0 "$PYTHON" "$SOURCE/tests/cli/flood_model.py" flood.pvm
for config in "$SOURCE"/configs/*.yaml "$SOURCE"/configs/stages/*.yaml; do
  name=$(basename "$config" .yaml)
  own=()
  for stage in ffn resegment; do
    grep -q "^  $stage:" "$config" && own+=(--set "stages.$stage.model_path=flood.pvm")
  done
  if grep -q '^  tiles:' "$config"; then
    expect 0 "$PETAVOX" plan "$config" "${own[@]}" --out "$WORK/plan_$name" --set input.tiles=tiles/tiles.csv
    continue
  fi
  # Real data lie beside the repository; without them only the replaced input can be planned.
  if grep -q 'shared/data' "$config" && [ ! -d "$SOURCE/../shared/data" ]; then
    echo "$name: not run as it is, ../shared/data is absent"
  else
    expect 0 "$PETAVOX" plan "$config" "${own[@]}" --out "$WORK/plan_$name"
    expect 0 "$PETAVOX" plan "$config" "${own[@]}" --out "$WORK/plan_$name" --set blocks.shape=[64,64,64]
  fi
  expect 0 "$PETAVOX" plan "$config" "${own[@]}" --out "$WORK/plan_$name" --set input.path="$raw" --set input.dataset=/raw \
    --set input.box=0:24,8:40,0:48 --set input.mask="$raw:/labels" --set blocks.shape=[64,64,64]
done
for config in "$SOURCE"/configs/stages/*.yaml; do
  name=$(basename "$config" .yaml)
  expect 0 "$PETAVOX" run "$config" --out "$WORK/run_$name"
  whole=$(digest)
  expect 0 "$PETAVOX" run "$config" --out "$WORK/again_$name" --loopback 2 --set blocks.shape=[11,37,64]
  same "$(digest)" "$whole" "$name with other blocks"
done
# Serial sections from raw to segments at the resolution of the input, by the network that comes with petavox. Small
# windows, because a whole one is computed however little of it the volume fills.
config=$SOURCE/configs/segment_serial.yaml
windows=(--set stages.network.window=[16,64,64] --set stages.network.margin=[2,16,16])
expect 0 "$PETAVOX" run "$config" --out "$WORK/serial" "${windows[@]}"
whole=$(digest)
expect 0 "$PETAVOX" run "$config" --out "$WORK/serial_again" "${windows[@]}" --loopback 2 --set blocks.shape=[7,100,64]
same "$(digest)" "$whole" "segment_serial with other blocks"
expect 0 "$PETAVOX" info "$WORK/serial:segments"
finish
