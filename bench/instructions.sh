#!/usr/bin/env bash
# Instructions per no-op task and per no-op actor call, from submit to get, in the driver and in the worker, counted by
# callgrind: within 2 % the same on a busy machine as on an idle one. JSON lines, as manta_bench prints.
#
#   bench/instructions.sh [--top N] [--blocks N] [BUILD]   BUILD: build/release, with the target tasks_only
#                                                          --top: the N costliest functions, too
#
# Counted is user space. One worker, spin off, all processes on one CPU: a side that waits sleeps and the other one runs.
# async: blocks of 1,000 tasks at once, all threads of the process; the median of the blocks is printed.
# sync:  blocks of 200 tasks one after the other, the main thread. How often a side sleeps in a block depends on the
#        machine, so a line is fitted through the blocks; its value at one sleep a task is printed.
# Valgrind is not part of CI: apt-get install valgrind.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

top=0 blocks=30
while [[ ${1:-} == --* ]]; do
  case $1 in
    --top) top=$2 ;;
    --blocks) blocks=$2 ;;
    *) sed -n '2,12s/^# \{0,1\}//p' "$0"; exit 2 ;;
  esac
  shift 2
done
program=${1:-build/release}/bin/tasks_only
[[ -x $program ]] || { echo "instructions.sh: no $program: build the target tasks_only" >&2; exit 2; }
command -v valgrind >/dev/null || { echo "instructions.sh: no valgrind: apt-get install valgrind" >&2; exit 2; }
cpu=$(taskset -cp $$ | sed 's/.*[ ,-]//')
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

# by_function FILE TASKS: what each function spends itself, whatever files its lines come from. Frames that were there
# before counting began show everything below them: left out.
by_function() {
  callgrind_annotate --auto=no --threshold=100 --show-percs=no "$1" 2>/dev/null |
    awk -v tasks="$2" '
      !/^ *[0-9,]+  / { next }
      { n = $1; gsub(",", "", n); n += 0 }
      /PROGRAM TOTALS/ { total = n }
      n > total * 0.9 || /0x[0-9a-f]{16}|below main|libc_start|start_thread|_State_impl/ { next }
      { sub(/^ *[0-9,]+ +/, ""); sub(/^[^:]*:/, ""); sub(/ \[[^[]*\]$/, ""); sum[$0] += n }
      END { for (f in sum) printf "  %6.1f %s\n", sum[f] / tasks, substr(f, 1, 110) }' | sort -rn | sed -n "1,${top}p"
}

# measure TASKS FILE: instructions and sleeps per task of one block.
measure() {
  awk -v tasks="$1" '
    match($0, /^c?fn=\([0-9]+\)/) {
      id = substr($0, RSTART, RLENGTH)
      sub(/^c?fn=/, "", id)
      if (length($0) > RLENGTH) name[id] = substr($0, RLENGTH + 2)
      called = $0 ~ /^c/ ? name[id] : ""
    }
    /^calls=/ && called ~ /^manta::.*futex_wait\(/ { sub(/calls=/, "", $1); sleeps += $1 }
    /^totals:/ { total = $2 }
    END { printf "%.3f %.4f %s\n", total / tasks, sleeps / tasks, FILENAME }' "$2"
}

count() { # count KIND NAME
  local kind=$1 name=$2 sync='' side file files tasks
  [[ $kind != *-sync ]] || sync=yes
  tasks=$(taskset -c "$cpu" valgrind -q --tool=callgrind --separate-threads="${sync:-no}" \
    --callgrind-out-file="$out/$kind.%p" "$program" count "$kind" "$blocks" 2>"$out/log") ||
    { cat "$out/log" >&2; exit 1; }
  for side in driver worker; do
    mapfile -t files < <(grep -l "^desc: Trigger: Client Request: $side\$" "$out/$kind".*${sync:+-01})
    ((${#files[@]} == blocks)) ||
      { echo "instructions.sh: ${#files[@]} blocks of the $side, not $blocks; no valgrind/callgrind.h?" >&2; exit 1; }
    for file in "${files[@]}"; do measure "$tasks" "$file"; done | sort -n >"$out/each"
    awk -v name="$name" -v side="$side" -v sync="$sync" '
      function median(list, n, i, j, last) {
        for (i = 2; i <= n; i++) {
          last = list[i]
          for (j = i - 1; j > 0 && list[j] > last; j--) list[j + 1] = list[j]
          list[j + 1] = last
        }
        return list[int((n + 1) / 2)]
      }
      { cost[NR] = $1; sleeps[NR] = $2 }
      END {
        for (i in cost) at_one[i] = cost[i]
        if (sync) { # Theil and Sen: the median of the slopes of all pairs
          for (i = 1; i < NR; i++)
            for (j = i + 1; j <= NR; j++)
              if (sleeps[i] != sleeps[j]) slopes[++n] = (cost[i] - cost[j]) / (sleeps[i] - sleeps[j])
          slope = n ? median(slopes, n) : 0
          for (i in cost) at_one[i] += slope * (1 - sleeps[i])
        }
        printf "{\"bench\": \"instructions per %s, %s\", \"value\": %d", name, side, median(at_one, NR) + 0.5
        printf ", \"unit\": \"instructions\", \"min\": %d, \"max\": %d, \"n\": %d}\n", cost[1], cost[NR], NR
      }' "$out/each"
    ((top == 0)) || by_function "$(awk -v half=$(((blocks + 1) / 2)) 'NR == half { print $3 }' "$out/each")" "$tasks"
  done
}

count tasks-async "task, async"
count tasks-sync "task, sync"
count calls-async "actor call, async"
count calls-sync "actor call, sync"
