# report.html in a real browser, wide and on a phone: drawn, without errors, nothing wider than the screen.
. "$(dirname "$0")/lib.sh"
browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome) || {
  echo "skipped: no chromium on this machine"
  exit 77
}
/usr/bin/python3 -c 'import numpy' 2>/dev/null || {
  echo "skipped: no numpy for /usr/bin/python3 on this machine"
  exit 77
}
cp "$SOURCE/tests/cli/small.yaml" .
expect 0 "$PETAVOX" run small.yaml --loopback 2

cat > look.py <<'PYTHON'
# look.py PNG WIDTH: the picture is as wide as asked for and shows bars of several stages and a section of EM.
import struct, sys, zlib, numpy as np
data = open(sys.argv[1], "rb").read()
assert data[:8] == b"\x89PNG\r\n\x1a\n"
at, body = 8, b""
while at < len(data):
    size, kind = struct.unpack(">I4s", data[at:at + 8])
    if kind == b"IHDR":
        width, height, depth, color = struct.unpack(">IIBB", data[at + 8:at + 18])
    if kind == b"IDAT":
        body += data[at + 8:at + 8 + size]
    at += 12 + size
channels = {2: 3, 6: 4}[color]
assert depth == 8 and width == int(sys.argv[2]), (width, depth)
raw, length = zlib.decompress(body), width * channels
rows, up = [], bytearray(length)
for y in range(height):
    kind, line = raw[y * (length + 1)], bytearray(raw[y * (length + 1) + 1:(y + 1) * (length + 1)])
    if kind == 1:
        for x in range(channels, length):
            line[x] = (line[x] + line[x - channels]) & 255
    elif kind == 2:
        line = bytearray((np.frombuffer(line, np.uint8) + np.frombuffer(up, np.uint8)).tobytes())
    elif kind == 3:
        for x in range(length):
            line[x] = (line[x] + ((line[x - channels] if x >= channels else 0) + up[x]) // 2) & 255
    elif kind == 4:
        for x in range(length):
            left, corner = (line[x - channels], up[x - channels]) if x >= channels else (0, 0)
            a, b, c = abs(up[x] - corner), abs(left - corner), abs(left + up[x] - 2 * corner)
            line[x] = (line[x] + (left if a <= b and a <= c else up[x] if b <= c else corner)) & 255
    rows.append(line)
    up = line
rows = np.frombuffer(b"".join(rows), np.uint8)
image = rows.reshape(height, width, channels)[:, :, :3].astype(int)
stages = [(0x3b, 0x82, 0xc4), (0xe0, 0x7b, 0x39), (0x3f, 0x9d, 0x6b), (0xc9, 0xa2, 0x27)]
for stage in stages:
    assert (abs(image - stage).sum(axis=2) < 12).sum() > 30, f"no bar of the colour {stage}"
assert len(np.unique(image.reshape(-1, 3), axis=0)) > 500, "no picture"
# The right edge is margin: nothing runs out of the page.
edge = image[:, -2:].reshape(-1, 3)
assert (edge == edge[0]).all(), "something is wider than the screen"
PYTHON
for width in 390 1000; do
  rm -f shot.png
  expect 0 timeout 120 "$browser" --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --hide-scrollbars \
    --user-data-dir="$WORK/profile$width" --enable-logging=stderr --v=0 --window-size=$width,2600 \
    --virtual-time-budget=2000 --screenshot="$WORK/shot.png" "file://$WORK/run/report.html"
  checks=$((checks + 1))
  grep -q "CONSOLE" err && fail "the browser's console is not empty at width $width"
  checks=$((checks + 1))
  /usr/bin/python3 look.py shot.png $width >out 2>err || fail "the picture at width $width"
done
finish
