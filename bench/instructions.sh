#!/usr/bin/env bash
# Instructions per task in the driver and in the worker, counted by callgrind: the same on a noisy machine as on a calm one.
#
#   bench/instructions.sh [--top N] [BUILD]     BUILD: build/release; --top: the N costliest functions of each
#
# One worker, spin off. What is not counted: the kernel. What varies by a few per cent: how often a side has to sleep.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

top=0
if [[ ${1:-} == --top ]]; then top=$2; shift 2; fi
bench=${1:-build/release}/bin/manta_bench
[[ -x $bench ]] || { echo "instructions.sh: no $bench: build it, or name the build folder" >&2; exit 2; }
command -v valgrind >/dev/null || { echo "instructions.sh: valgrind is missing: apt-get install valgrind" >&2; exit 2; }

out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

# by_function FILE TASKS: what each function spends itself, whatever files its lines come from. Frames that were already
# there when counting began show everything below them: left out.
by_function() {
  callgrind_annotate --auto=no --threshold=100 --show-percs=no "$1" 2>/dev/null |
    awk -v tasks="$2" '
      !/^ *[0-9,]+  / { next }
      { n = $1; gsub(",", "", n); n += 0 }
      /PROGRAM TOTALS/ { total = n }
      n > total * 0.9 { next }
      { sub(/^ *[0-9,]+ +/, ""); sub(/^[^:]*:/, ""); sub(/ \[[^[]*\]$/, ""); sum[$0] += n }
      END { for (f in sum) printf "  %6.1f %s\n", sum[f] / tasks, substr(f, 1, 110) }' | sort -rn | sed -n "1,${top}p"
}

count() { # count PROBE TASKS
  local probe=$1 tasks=$2 side file total
  valgrind -q --tool=callgrind --separate-threads=yes --callgrind-out-file="$out/$probe.%p" \
    "$bench" probe "$probe" "$tasks" --spin 0 --cpus 1 2>"$out/log" || { cat "$out/log" >&2; exit 1; }
  for side in driver worker; do
    file=$(grep -l "^desc: Trigger: Client Request: $side\$" "$out/$probe".*-01 | head -n 1)  # the main thread's
    [[ -n $file ]] || { echo "instructions.sh: the $side counted nothing; built without valgrind/callgrind.h?" >&2; exit 1; }
    total=$(awk '/^totals:/ { print $2; exit }' "$file")
    printf '{"bench": "instructions per task: %s, %s", "value": %d, "unit": "instructions"}\n' \
      "$probe" "$side" $((total / tasks))
    ((top == 0)) || by_function "$file" "$tasks"
  done
}

count sync 2000
count async 20000
