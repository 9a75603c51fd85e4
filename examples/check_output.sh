#!/usr/bin/env bash
# check_output.sh PROGRAM SOURCE [ARG ...]: runs the program and compares what it prints with what the comment at the head
# of its source promises: the indented lines between "// prints..." and the end of the comment. A # there stands for a number
# that is another one each time, a line "..." for further lines like the one before it.
#
# NEEDS: a file without which there is nothing to test.
set -euo pipefail
program=$1 source=$2
shift 2
[[ -z ${NEEDS:-} || -e $NEEDS ]] || { echo "no $NEEDS: skipped (cmake/deps.sh brings it)"; exit 77; }

expected=$(awk '/^\/\/ prints/ { on = 1; next } !/^\/\// { exit } on && sub(/^\/\/   /, "")' "$source")
[[ -n $expected ]] || { echo "$source promises no output: there is no \"// prints\" in its first comment"; exit 1; }
printed=$("$program" "$@")

# The promise, with what the program printed where it is left open.
promised=$(awk '
  function fits(line, promise) {
    gsub(/[][\\.*+?(){}|^$]/, "\\\\&", promise)
    gsub(/#/, "-?[0-9][0-9.,]*", promise)
    return line ~ "^" promise "$"
  }
  NR == FNR { promise[++promises] = $0; next }
  FNR == 1 { next_one = 1 }
  {
    if (promise[next_one] == "..." && !fits($0, promise[next_one + 1]) && fits($0, promise[next_one - 1])) { print; next }
    next_one += promise[next_one] == "..."
    print fits($0, promise[next_one]) ? $0 : promise[next_one]
    ++next_one
  }
  END { for (; next_one <= promises; ++next_one) if (promise[next_one] != "...") print promise[next_one] }
' <(echo "$expected") <(echo "$printed"))
diff <(echo "$promised") <(echo "$printed") || { echo "$program prints something else than $source says (see above)"; exit 1; }
