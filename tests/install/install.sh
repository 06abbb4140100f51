# The installed package, used as others use it: the tutorial stage is built outside the tree, listed, checked by the
# conformance kit and run in a pipeline, on ranks too; and a client program links the libraries.
# Usage: install.sh PROGRAM SOURCE_DIR MPIRUN BUILD_DIR GENERATOR CXX
. "$(dirname "$0")/../cli/lib.sh"
BUILD=$4
export CMAKE_GENERATOR=$5
export CXX=$6

expect 0 cmake --install "$BUILD" --prefix "$WORK/prefix"
export PATH=$WORK/prefix/bin:$PATH
same "$(command -v petavox)" "$WORK/prefix/bin/petavox" "the installed program"

# docs/first_stage.md, step by step.
cp -r "$SOURCE/stages/example" example
expect 0 cmake -S example -B example/build -DCMAKE_BUILD_TYPE=Release -DCMAKE_PREFIX_PATH="$WORK/prefix"
expect 0 cmake --build example/build
expect 0 ctest --test-dir example/build --no-tests=error --output-on-failure
expect 0 petavox stages box_blur --plugin example/build/libbox_blur.so
says out "half the side of the cube, in voxels"
says out "halo 1"
says out "libbox_blur.so"
expect 0 petavox run example/blur.yaml
serial=$(digest)
matches out '^digest blurred '
expect 0 petavox run example/blur.yaml --out again --set blocks.shape=[9,64,17] --loopback 2
same "$(digest)" "$serial" "the plugin on other blocks"
expect 0 petavox run example/blur.yaml --isolation process --out isolated
same "$(digest)" "$serial" "the plugin in a process of its own"
if [ -n "$MPIRUN" ]; then
  expect 0 $MPIRUN -n 3 petavox run example/blur.yaml --out ranks --set blocks.shape=[9,64,17]
  same "$(digest)" "$serial" "the plugin on ranks"
fi
expect 0 petavox render example/run:blurred --out blurred.png
[ -s blurred.png ] || fail "no picture"
# Named on the command line instead of in the configuration; and what a wrong parameter says.
sed -i '/^plugins:/d' example/blur.yaml
expect 2 petavox run example/blur.yaml --out without
says err "box_blur"
expect 0 petavox run example/blur.yaml --out with --plugin example/build/libbox_blur.so
same "$(digest)" "$serial" "--plugin"
expect 2 petavox run example/blur.yaml --out wrong --plugin example/build/libbox_blur.so --set stages.box_blur.radius=99
says err "radius is 99"

# A program of one's own.
expect 0 cmake -S "$SOURCE/tests/install/client" -B client -DCMAKE_BUILD_TYPE=Release \
  -DCMAKE_PREFIX_PATH="$WORK/prefix"
expect 0 cmake --build client
expect 0 petavox phantom --shape 16,32,32 --out em
expect 0 client/client "$SOURCE/configs/stages/components.yaml" em/phantom.h5 /raw
digest >/dev/null
finish
