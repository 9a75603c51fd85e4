#!/usr/bin/env bash
# check_output.sh PROGRAM SOURCE [ARG ...]: runs the program and compares what it prints with what the comment at the head
# of its source promises: the indented lines between "// prints..." and the end of the comment. A # there stands for a number
# that is another one each time.
set -euo pipefail
program=$1 source=$2
shift 2

expected=$(awk '/^\/\/ prints/ { on = 1; next } !/^\/\// { exit } on && sub(/^\/\/   /, "")' "$source")
[[ -n $expected ]] || { echo "$source promises no output: there is no \"// prints\" in its first comment"; exit 1; }
printed=$("$program" "$@")

# Line by line, what the program prints where the promise leaves it open is taken for the promise.
same=$(paste -d $'\n' <(echo "$expected") <(echo "$printed") | awk '
  NR % 2 { promise = pattern = $0; gsub(/[][\\.*+?(){}|^$]/, "\\\\&", pattern); gsub(/#/, "-?[0-9][0-9.,]*", pattern); next }
  { print $0 ~ "^" pattern "$" ? $0 : promise }')
diff <(echo "$same") <(echo "$printed") || { echo "$program prints something else than $source says (see above)"; exit 1; }
