#!/usr/bin/env bash
# check_output.sh PROGRAM SOURCE: runs the program and compares what it prints with what the comment at the head of its
# source promises: the indented lines between "// prints" and the end of the comment.
set -euo pipefail
program=$1 source=$2

expected=$(awk '/^\/\/ prints$/ { on = 1; next } !/^\/\// { exit } on && sub(/^\/\/   /, "")' "$source")
[[ -n $expected ]] || { echo "$source promises no output: there is no \"// prints\" in its first comment"; exit 1; }
printed=$("$program")
diff <(echo "$expected") <(echo "$printed") || { echo "$program prints something else than $source says (see above)"; exit 1; }
