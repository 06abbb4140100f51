# report.html: there after every run, whole, closed in itself, and safe whatever the names in it are.
. "$(dirname "$0")/lib.sh"
cp "$SOURCE/tests/cli/small.yaml" .

cat > check.py <<'PYTHON'
# check.py FILE TEXT…: the file is well-formed, refers to nothing outside, and its text holds each TEXT.
import html.parser, re, sys
text = open(sys.argv[1], encoding="utf-8").read()
void = {"meta", "img", "rect", "line", "polyline", "polygon", "br"}

class Parser(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.stack, self.words = [], []
    def handle_starttag(self, tag, attributes):
        assert tag not in ("script", "iframe", "link", "object", "form", "a", "base"), tag
        for name, value in attributes:
            assert not name.startswith("on"), (tag, name)
            assert name not in ("href", "xlink:href", "srcset"), (tag, name)
            if name == "src":
                assert value.startswith("data:image/png;base64,"), value[:40]
        if tag not in void:
            self.stack.append(tag)
    def handle_endtag(self, tag):
        if tag in void:
            return
        assert self.stack and self.stack.pop() == tag, (tag, self.getpos())
    def handle_data(self, data):
        self.words.append(data)

parser = Parser()
parser.feed(text)
parser.close()
assert parser.stack == [], parser.stack
assert not re.search(r"(url\(|@import|https?:)", re.sub(r"<pre>.*?</pre>", "", text, flags=re.S)), "a link"
words = "".join(parser.words)
for wanted in sys.argv[2:]:
    assert wanted in words, wanted
assert len(text) < 4_000_000, len(text)
PYTHON
checked() {
  checks=$((checks + 1))
  /usr/bin/env python3 check.py "$@" >out 2>err || fail "the report is not as it must be: $*"
}

expect 0 "$PETAVOX" run small.yaml --loopback 2
checked run/report.html Complete "$(tail -n 1 out | cut -d' ' -f2)" "Timeline of workers" "watershed.fragments" \
  "Planned and actual" "Cost over the volume" "voi_split" "Launches" "segments" "Failures, retries, repairs"
matches run/report.html 'data:image/png;base64,[A-Za-z0-9+/]{200}'
matches run/report.html '<rect [^>]*class="c1"'

# Names are text, whatever they look like.
expect 0 "$PETAVOX" run small.yaml --out '<img src=x onerror=alert(1)>&"'
checked '<img src=x onerror=alert(1)>&"/report.html' '<img src=x onerror=alert(1)>&"'

# A run that was stopped has a report too; it can be made anew, anywhere.
"$PETAVOX" run small.yaml --out stopped --set blocks.shape=[4,8,8] >out 2>err &
pid=$!
for _ in $(seq 100); do [ -n "$(ls stopped/packs 2>/dev/null)" ] && break; sleep 0.05; done
kill -TERM $pid
wait $pid
code=$?
[ $code = 75 ] || [ $code = 0 ] || fail "exit code $code after SIGTERM"
checked stopped/report.html "Launches"
[ $code = 0 ] || checked stopped/report.html "Not finished"
expect 0 "$PETAVOX" run small.yaml --out stopped --set blocks.shape=[4,8,8]
rm stopped/report.html
expect 0 "$PETAVOX" report stopped
checked stopped/report.html Complete
expect 0 "$PETAVOX" report stopped --out elsewhere.html
checked elsewhere.html Complete
[ $code = 0 ] || checked elsewhere.html "a new launch"

expect 3 "$PETAVOX" report nowhere
mkdir empty
expect 3 "$PETAVOX" report empty
says err "run the same command again"
printf '{"steps": 3' > stopped/prediction.json
expect 3 "$PETAVOX" report stopped
finish
