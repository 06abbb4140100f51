# Helpers of the command-line tests. Each script is called with the program, the source directory and mpirun's
# command line, works in a directory of its own, and ends with the number of checks that failed.
set -u
PETAVOX=$1
SOURCE=$2
MPIRUN=${3:-}
PYTHON=$(command -v /usr/bin/python3 || command -v python3)
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
cd "$WORK" || exit 1
checks=0
failures=0

fail() {
  failures=$((failures + 1))
  echo "FAILED: $1" >&2
  sed 's/^/  out| /' out | head -20 >&2
  sed 's/^/  err| /' err | head -20 >&2
}

# expect CODE command…: runs it with output in the files out and err, and checks its exit code.
expect() {
  local want=$1
  shift
  checks=$((checks + 1))
  "$@" >out 2>err </dev/null
  local code=$?
  [ "$code" = "$want" ] || fail "exit code $code instead of $want: $*"
}

# says FILE TEXT: FILE (out or err) holds the text.
says() {
  checks=$((checks + 1))
  grep -qF -- "$2" "$1" || fail "no \"$2\" in $1"
}

# matches FILE REGEX: a line of FILE matches.
matches() {
  checks=$((checks + 1))
  grep -qE -- "$2" "$1" || fail "no line like $2 in $1"
}

# same A B WHAT: two texts are equal and not empty.
same() {
  checks=$((checks + 1))
  [ -n "$1" ] && [ "$1" = "$2" ] || fail "$3: '$1' is not '$2'"
}

# The last line of what was printed, which must be a digest.
digest() {
  checks=$((checks + 1))
  tail -n 1 out | grep -qE '^digest [0-9a-f]{32}$' || fail "the last line is no digest"
  tail -n 1 out
}

finish() {
  echo "$checks checks, $failures failed"
  exit $((failures > 0))
}
