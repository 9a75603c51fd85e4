#!/usr/bin/env bash
# compilers_test.sh PROGRAM COMPILER FOLDER:... LIBRARY...: PROGRAM with compile options that Manta cannot have is refused
# with the reason in the first error.
set -euo pipefail
program=$1 compiler=$2
IFS=: read -ra folders <<<"$3"
libraries=("${@:4}")
includes=("${folders[@]/#/-I}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fails() { echo "$1"; cat "$work/out"; exit 1; }

refused() { # refused TEXT OPTION...: the first error says TEXT
  if "$compiler" "${includes[@]}" -fsyntax-only -fdiagnostics-color=never "${@:2}" "$program" >"$work/out" 2>&1; then
    fails "compiles with ${*:2}"
  fi
  grep -m 1 -E 'error: ' "$work/out" | grep -qF "$1" || fails "with ${*:2} the first error does not say: $1"
}
refused 'manta: C++20 is needed' -std=c++17
refused 'manta: run-time type information is needed' -std=c++20 -fno-rtti
refused 'manta: exceptions are needed' -std=c++20 -fno-exceptions

link=(-Wl,--build-id=sha1 -lpthread -ldl)
if "$compiler" -std=c++20 -O0 "${includes[@]}" -D_GLIBCXX_DEBUG "$program" "${libraries[@]}" "${link[@]}" -o "$work/debug" \
  >"$work/out" 2>&1; then
  "$work/debug" || fails "links with -D_GLIBCXX_DEBUG, and fails"  # Manta was compiled with it too
else
  grep -q '_GLIBCXX_DEBUG_must_be_the_same_in_program_and_manta' "$work/out" ||
    fails "-D_GLIBCXX_DEBUG does not link, without a reason"
fi

# Whole-program optimisation of the program alone: lld must not lose what program and library both define.
for clang in clang++ clang++-14; do
  command -v "$clang" >"$work/out" && command -v "ld.lld${clang#clang++}" >"$work/out" || continue
  nm "${libraries[0]}" >"$work/symbols" 2>"$work/out"
  ! grep -q '__asan_init\|__tsan_init' "$work/symbols" || continue
  for lto in full thin; do
    "$clang" -std=c++20 -O2 -flto=$lto "-fuse-ld=lld${clang#clang++}" "${includes[@]}" "$program" "${libraries[@]}" \
      "${link[@]}" -o "$work/lto" >"$work/out" 2>&1 || fails "does not link with $clang -flto=$lto"
    "$work/lto" >"$work/out" 2>&1 || fails "fails with $clang -flto=$lto"
  done
done
