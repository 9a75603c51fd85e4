#!/usr/bin/env bash
# must_not_compile.sh FILE COMPILER FOLDER:...: FILE must fail to compile with these folders for headers, and the first
# error must contain what its line "// EXPECT: ..." says, with no page of notes before it. A line "// OPTIONS: ..." adds
# options of the compiler.
set -euo pipefail
file=$1 compiler=$2 notes=24
IFS=: read -ra folders <<<"$3"
expected=$(sed -n 's|^// EXPECT: ||p' "$file")
[[ -n $expected ]] || { echo "$file: no line // EXPECT: ..."; exit 1; }
read -ra options <<<"$(sed -n 's|^// OPTIONS: ||p' "$file")"
if output=$("$compiler" -std=c++20 "${options[@]}" "${folders[@]/#/-I}" -fsyntax-only -fdiagnostics-color=never "$file" 2>&1); then
  echo "$file: compiles, but must not"
  exit 1
fi
first=$(grep -m 1 -E ' (fatal )?error: ' <<<"$output" || true)
if [[ $first != *"$expected"* ]]; then
  echo "$file: the first error is"
  echo "  $first"
  echo "and not"
  echo "  $expected"
  exit 1
fi
before=$(sed -n -E '/ (fatal )?error: /q;p' <<<"$output" | wc -l)
((before <= notes)) || { echo "$file: $before lines come before the first error:"; echo "$output"; exit 1; }
