#!/usr/bin/env bash
# debugging_test.sh PAGE APP APP_WITH_ASAN: the commands of docs/debugging.md do what it says. A command is the line of the
# page that ends with "# NAME..."; tools that are not there are left out.
set -euo pipefail
page=$1 app=$2 asan=$3
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
tried=0

command_of() { # command_of NAME: with our program, process and files in it
  local line
  line=$(sed -n -E "s/^(.*[^ ]) +# $1(:.*)?$/\1/p" "$page")
  [[ -n $line ]] || { echo "$page has no command named $1" >&2; exit 1; }
  line=${line//.\/app/$program}
  line=${line//FILE/$folder\/file}
  line=${line//CORE/$folder\/file.$pid}
  echo "${line//PID/$pid}"
}
fails() { echo "$1"; exit 1; }
has() { command -v "$1" >/dev/null; }

if has gdb; then
  program=$app pid=0
  command=$(command_of local)
  eval "${command//FUNCTION/returns_twice}" >"$folder/out" 2>&1 || true
  if ! grep -q 'ptrace: ' "$folder/out"; then
    grep -q 'hit Breakpoint.*returns_twice' "$folder/out" || { cat "$folder/out"; fails "gdb does not stop in the task's function"; }
    grep -q '#[0-9]* .*main (' "$folder/out" || { cat "$folder/out"; fails "the stack does not show what submitted the task"; }
    tried=$((tried + 1))
  fi
fi

# A worker that waits.
program=$app pid=0
"$app" wait "$folder" &
driver=$!
for ((i = 0; i < 3000; ++i)); do [[ -f $folder/pid ]] && break; kill -0 "$driver" || break; read -r -t 0.01 <> <(:) || true; done
[[ -f $folder/pid ]] || fails "the task did not start"
pid=$(<"$folder/pid")
grep -qx "$pid" <<<"$(eval "$(command_of workers)")" || fails "pgrep does not find worker $pid"
if has gdb && gdb -batch -p "$pid" >"$folder/out" 2>&1 && ! grep -q 'ptrace: ' "$folder/out"; then
  eval "$(command_of attach)" >"$folder/out" 2>&1 || true
  grep -q 'waits_for_go' "$folder/out" || { cat "$folder/out"; fails "gdb does not show the task's function"; }
  tried=$((tried + 1))
  if has gcore; then
    eval "$(command_of snapshot)" >"$folder/out" 2>&1 || { cat "$folder/out"; fails "gcore failed"; }
    eval "$(command_of core)" >"$folder/out" 2>&1 || true
    grep -q 'waits_for_go' "$folder/out" || { cat "$folder/out"; fails "the core file does not show the task's function"; }
    rm -f "$folder/file.$pid"
    tried=$((tried + 1))
  fi
fi
touch "$folder/go"
wait "$driver" || fails "the program did not go on after gdb"
(eval "$(command_of cores)") || fails "ulimit -c failed"
eval "$(command_of pattern)" >/dev/null

if [[ -x $asan ]]; then
  program=$asan
  eval "$(command_of asan)" >"$folder/out" 2>&1 && fails "AddressSanitizer found nothing"
  grep -q 'pid=.*heap-buffer-overflow' "$folder/out" || { cat "$folder/out"; fails "no report of AddressSanitizer"; }
  grep -q 'writes_behind_its_end' "$folder/out" || { cat "$folder/out"; fails "the report does not name the function"; }
  tried=$((tried + 1))
fi
if has valgrind; then
  program=$app
  eval "$(command_of valgrind)" >"$folder/out" 2>&1 || true
  grep -l 'Invalid write' "$folder"/file.* | xargs grep -q 'writes_behind_its_end' ||
    { cat "$folder/out"; head -n 40 "$folder"/file.*; fails "Valgrind does not name the function"; }
  tried=$((tried + 1))
fi
echo "$tried tools tried"
((tried > 0)) || exit 77
