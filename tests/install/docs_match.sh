#!/bin/bash
# Code blocks of the documentation that name a file must be that file. Usage: docs_match.sh SOURCE_DIR
cd "$1" || exit 1
failures=0 checks=0
for page in docs/*.md README.md; do
  files=$(sed -nE 's/^<!-- file: (.*) -->$/\1/p' "$page")
  for file in $files; do
    checks=$((checks + 1))
    # The first fenced block after the mark, compared with the file.
    if ! awk -v mark="<!-- file: $file -->" '$0 == mark {found = 1; next}
        found && /^```/ {if (inside) exit; inside = 1; next} inside' "$page" | cmp -s - "$file"; then
      failures=$((failures + 1))
      echo "$page shows another $file" >&2
    fi
  done
done
echo "$checks checks, $failures failed"
[ $checks -gt 0 ] && [ $failures = 0 ]
