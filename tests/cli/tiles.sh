# From tiles with known truth to sections: places to a quarter of a pixel, damaged lists, one digest for every cutting.
. "$(dirname "$0")/lib.sh"

expect 0 "$PETAVOX" phantom --tiles --shape 4,200,220 --voxel-size-nm 40,4,4 --seed 3 --tile 96,104 --overlap-px 24 \
  --tile-jitter-px 4 --tile-noise 3 --damage lost --out t
says out "36 tiles of 4 sections"
expect 3 "$PETAVOX" phantom --tiles --shape 4,200,220 --out t
says err "--overwrite"
expect 0 "$PETAVOX" phantom --tiles --shape 4,200,220 --voxel-size-nm 40,4,4 --seed 3 --tile 96,104 --overlap-px 24 \
  --tile-jitter-px 4 --tile-noise 3 --damage lost --out again
checks=$((checks + 1))
cmp -s t/truth.json again/truth.json && cmp -s t/tiles/s0001_t005.png again/tiles/s0001_t005.png || fail "two phantoms of one seed differ"
expect 2 "$PETAVOX" phantom --tiles --shape 4,80,80 --out small
says err "choose smaller ones"

# What is wrong with a list is listed, and left out.
cp -r t/tiles bad_tiles && mkdir bad && mv bad_tiles bad/tiles
head -c 3000 bad/tiles/s0000_t000.png >bad/cut.png
printf 'not an image' >bad/text.png
{
  cat t/tiles.csv
  printf 'cut.png,0,300,0,1\ntext.png,0,0,300,1\ntiles/s0000_t001.png,0,500,0,1\nnone.png,0,1,1,1\n../x.png,0,1,2,1\n'
  printf 'tiles/s0003_t000.png,7,0,0,1\ntiles/s0002_t002.png,2,10,600,1\nwhat,ever\n'
} >bad/tiles.csv
expect 0 "$PETAVOX" ingest bad/tiles.csv --table table.csv
says out "tile text.png of section 0 is left out"
says out "tile tiles/s0000_t001.png of section 0 is left out: it is listed twice"
says out "tile none.png of section 0 is left out"
says out "tile ../x.png of section 0 is left out: it lies outside the directory of the list"
says out "sections 4 to 6 are missing and stay blank"
says out "tile cut.png of section 0 is blank or damaged"
says out "section, x or y is not a number"
says table.csv "tiles/s0000_t000.png,0,0,good"
expect 2 "$PETAVOX" ingest bad/text.png
printf 'file,section,x,y\nnone.png,0,0,0\n' >nothing.csv
expect 2 "$PETAVOX" ingest nothing.csv
says err "has no usable tile"
expect 3 "$PETAVOX" ingest absent.csv

run() {
  expect 0 "$PETAVOX" run "$SOURCE/configs/tiles.yaml" --set input.tiles=t/tiles.csv --out "$@"
}
run one --set blocks.shape=[1,400,400] --serial
whole=$(digest)
run two --set blocks.shape=[3,61,128] --loopback 3
same "$(digest)" "$whole" "sections with other blocks and ranks"

cat >score.py <<'PY'
import json, statistics, sys
import h5py, numpy as np
truth = json.load(open(sys.argv[1] + "/truth.json"))
places = h5py.File(sys.argv[2])["positions"][...]
errors = []
for z in range(truth["volume_shape"][0]):
    tiles = [t for t in truth["tiles"] if t["section"] == z and not t["lost"]]
    found = places[1:3, z, : len(tiles), 0].T / 1024.0
    true = np.array([[t["y"], t["x"]] for t in tiles])
    shift = found - true
    errors += list(np.hypot(*(shift - np.median(shift, 0)).T))
print(f"median {statistics.median(errors):.3f} largest {max(errors):.3f}")
sys.exit(1 if statistics.median(errors) > 0.25 else 0)
PY
expect 0 "$PETAVOX" export one:tile_positions --to positions.h5:/positions --codec gzip
expect 0 "$PYTHON" score.py t positions.h5
cat out

# Two sections, one section, and bad words.
for sections in 2 1; do
  awk -F, -v n=$sections '/^[#f]/ || $2 < n' t/tiles.csv >t/few.csv
  expect 0 "$PETAVOX" run "$SOURCE/configs/tiles.yaml" --set input.tiles=t/few.csv --out few$sections --serial
done
expect 2 "$PETAVOX" plan "$SOURCE/configs/tiles.yaml" --set input.tiles=t/tiles.csv --set input.phantom.seed=1
says err "keep one"
finish
