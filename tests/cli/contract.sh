# The command line itself: help, unknown words, exit codes before any work.
. "$(dirname "$0")/lib.sh"

expect 0 "$PETAVOX" --help
says out "Exit codes: 0 done"
for command in run plan verify score info stages phantom render export sweep profile ingest; do
  expect 0 "$PETAVOX" "$command" --help
  says out "Examples:"
done
expect 0 "$PETAVOX" --version
matches out '^petavox [0-9]+\.[0-9]+\.[0-9]+$'

expect 2 "$PETAVOX"
expect 2 "$PETAVOX" nonsense
expect 2 "$PETAVOX" run
expect 2 "$PETAVOX" run --no-such-option x.yaml
expect 2 "$PETAVOX" run no_such.yaml
says err "cannot be read (no such file)"
expect 2 "$PETAVOX" run --serial --loopback 2 no_such.yaml

expect 0 "$PETAVOX" stages
matches out '^watershed '
matches out '^score '
expect 0 "$PETAVOX" stages watershed
says out "threshold_low"
says out "halo"
expect 2 "$PETAVOX" stages watershd
says err "did you mean 'watershed'?"
expect 0 "$PETAVOX" stages --json
/usr/bin/env python3 -c 'import json,sys; json.load(sys.stdin)' <out || fail "stages --json is not JSON"
for stage in $("$PETAVOX" stages | cut -d' ' -f1); do
  expect 0 "$PETAVOX" stages "$stage"
  says out "origin built-in"
done
finish
