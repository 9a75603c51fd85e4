#!/usr/bin/env bash
# symbols.sh ROOT OBJECTS: a room of the core refers to no symbol that only rooms to its right define. layering.sh sees
# includes; this sees what a declaration in a public header hides. OBJECTS: a file with the paths of the core's objects.
# A symbol that several rooms define (an inline function, a template) counts as the leftmost one's.
set -euo pipefail
rooms=$(sed -nE 's/^rooms="(.*)"$/\1/p' "$1/tests/setup/layering.sh" | head -n 1)

mapfile -t objects <"$2"
symbols=$(nm -AC "${objects[@]}") || { echo "symbols: not all objects of $2 are built"; exit 1; }
found=$(awk -v rooms="$rooms" '
  BEGIN { n = split(rooms, order, " "); for (i = 1; i <= n; i++) at[order[i]] = i }
  { # OBJECT:ADDRESS KIND SYMBOL; the object is in the folder of its room, or named unity_core_ROOM_N
    end = index($0, ".o:")
    room = substr($0, 1, end)
    if (!sub(/.*\/unity_core_/, "", room)) sub(/.*\.dir\/(\.\/)?/, "", room)
    sub(/[_\/].*/, "", room)
    if (!(room in at)) { print "no room " room; next }
    rest = substr($0, end + 3)
    sub(/^[0-9a-f]* */, "", rest)
    kind = substr(rest, 1, 1)
    symbol = substr(rest, 3)
    if (kind ~ /[Uwv]/) wanted[room SUBSEP symbol]
    else if (kind ~ /[A-Zu]/ && (!(symbol in defined) || at[room] < at[defined[symbol]])) defined[symbol] = room
  }
  END {
    for (key in wanted) {
      split(key, part, SUBSEP)
      if (part[2] in defined && at[defined[part[2]]] > at[part[1]])
        print part[1] " -> " defined[part[2]] ": " part[2]
    }
  }' <<<"$symbols" | sort -u)

[[ -z $found ]] || { sed 's/^/symbols: a room calls to its right: /' <<<"$found"; exit 1; }
