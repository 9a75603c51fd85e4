#!/usr/bin/env bash
# installed_manta_test.sh CMAKE BUILD_DIR WRITER: the installed program manta runs from any folder: it is installed, moved,
# and serves a model.
set -euo pipefail
cmake=$1 build=$2 writer=$3
tmp=$(mktemp -d)
server=
trap '[[ -z $server ]] || kill "$server" 2>/dev/null || true; rm -rf "$tmp"' EXIT

"$cmake" --install "$build" --prefix "$tmp/installed" >"$tmp/log"
mv "$tmp/installed" "$tmp/moved"
"$writer" "$tmp/model.pt"
cd /
mkfifo "$tmp/out"
env -u LD_LIBRARY_PATH "$tmp/moved/bin/manta" serve "$tmp/model.pt" --name m --port 0 >"$tmp/out" &
server=$!
read -r line <"$tmp/out" || { echo "it printed nothing"; exit 1; }
[[ $line == *"http://127.0.0.1:"*"/v2/models/m"* ]] || { echo "it printed '$line'"; exit 1; }
kill -TERM "$server"
wait "$server"
server=
