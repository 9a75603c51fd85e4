#!/usr/bin/env bash
# consumer_test.sh CMAKE BUILD_DIR CONSUMER_DIR [TORCH_DIR]: installs the build into an empty folder, then configures,
# builds and runs the consumer against that folder alone.
set -euo pipefail
cmake=$1 build=$2 consumer=$3 torch=${4:-}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

"$cmake" --install "$build" --prefix "$tmp/installed" >"$tmp/log"
# The installed headers must be enough: the consumer is built from a copy, away from this repository.
cp -r "$consumer" "$tmp/src"
"$cmake" -S "$tmp/src" -B "$tmp/build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_PREFIX_PATH="$tmp/installed" \
  ${torch:+-DTorch_DIR="$torch"} >>"$tmp/log" 2>&1 || { cat "$tmp/log"; exit 1; }
"$cmake" --build "$tmp/build"
out=$("$tmp/build/example-app")
expected=$(sed -n 's/^# Prints: //p' "$consumer/CMakeLists.txt")
[[ $out == "$expected" ]] || { echo "the consumer printed '$out', not '$expected'"; exit 1; }
