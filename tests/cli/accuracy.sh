# Raw to segments on real data, as docs/accuracy.md has it: the embedded default and the models that come with petavox. No parameter
# was chosen on what is scored, but where that page says so. Where the data are absent, only that is said.
. "$(dirname "$0")/lib.sh"

data=$SOURCE/../shared/data
if [ ! -d "$data" ]; then
  echo "skipped: $data is absent"
  exit 77
fi

# reaches NAME CONFIG RAW VOXEL_SIZE TRUTH VOI RAND [options of score]: the run of CONFIG on RAW (file:/dataset) has a VOI sum and an
# adapted Rand error against TRUTH of at most these. The default is exact: a change of its third digit is a change of the method, and
# belongs into docs/accuracy.md. Networks have room for the last bits of another processor or library, no more.
reaches() {
  local name=$1 config=$2 raw=$3 size=$4 truth=$5 voi=$6 rand=$7
  shift 7
  # shellcheck disable=SC2086
  expect 0 $MPIRUN -n 2 "$PETAVOX" run "$SOURCE/configs/$config" --set input.path="${raw%%:*}" --set input.dataset="${raw#*:}" \
    --set input.voxel_size_nm="$size" --out "$WORK/$name"
  digest >/dev/null
  expect 0 "$PETAVOX" score --labels "$WORK/$name:segments" --truth "$truth" "$@" --json
  checks=$((checks + 1))
  "$PYTHON" - out "$voi" "$rand" <<'PY' || fail "$name: the score is worse than recorded"
import json, sys
score = json.load(open(sys.argv[1]))
print({key: score[key] for key in ("voi_split", "voi_merge", "adapted_rand_error")})
sys.exit(score["voi_split"] + score["voi_merge"] > float(sys.argv[2]) or score["adapted_rand_error"] > float(sys.argv[3]))
PY
}

fib25=$data/fib25_training2/fib25_training2.h5
gala=$data/gala_mini/gala_train.h5
isbi=$data/isbi2012_vnc/isbi2012_sections_00_23.h5
part=(--box 190:250,0:250,0:250)
# Recorded: 1.144 + 0.840 bits, 0.274.
reaches default fib25.yaml "$fib25:/raw" [10,10,10] "$fib25:/labels" 1.985 0.275 "${part[@]}"
# 0.671 + 0.487, 0.082.
reaches fib25 segment_fibsem.yaml "$fib25:/raw" [10,10,10] "$fib25:/labels" 1.25 0.10 "${part[@]}"
# 0.245 + 0.109, 0.033.
reaches gala segment_fibsem.yaml "$gala:/raw" [10,10,10] "$gala:/labels" 0.41 0.045
# 1.028 + 0.408, 0.150.
reaches isbi segment_serial.yaml "$isbi:/raw" [50,4,4] "$isbi:/labels_cc" 1.52 0.17 --ignore-mask "$isbi:/unlabelled"
# The first sections turned within a black frame, as an aligned stack lies in its canvas: 0.837 + 0.559, 0.160.
expect 0 "$PYTHON" "$SOURCE/tests/cli/black_frame.py" "$isbi" frame.h5
reaches frame segment_serial.yaml frame.h5:/raw [50,4,4] frame.h5:/labels 1.48 0.18
finish
