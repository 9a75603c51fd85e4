#!/usr/bin/env bash
# symbols_test.sh ROOT OBJECTS CXX: the core keeps the layering by symbols, and a planted call to the right is found.
set -euo pipefail
root=$1 objects=$2 compiler=$3
check=$root/tests/setup/symbols.sh
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
failed=0

# plant found|clean LEFT RIGHT: base holds the source LEFT, net the source RIGHT.
plant() {
  local result=clean
  mkdir -p "$tree"/x.dir/{base,Unity}
  "$compiler" -c -o "$tree/x.dir/base/left.cc.o" -x c++ - <<<"$2"
  "$compiler" -c -o "$tree/x.dir/Unity/unity_core_net_0_cxx.cxx.o" -x c++ - <<<"$3"
  printf '%s\n' "$tree"/x.dir/*/*.o >"$tree/objects"
  "$check" "$root" "$tree/objects" >"$tree/log" || result=found
  [[ $result == "$1" ]] || { echo "symbols_test: '$2' and '$3' were $result, expected $1:"; cat "$tree/log"; failed=1; }
}
plant found 'void right(int); void left() { right(1); }' 'void right(int) {}'
plant clean 'void left() {}' 'void left(); void right() { left(); }'
plant clean 'inline void both() {} void left() { both(); }' 'inline void both() {} void right() { both(); }'
plant clean 'void other(); void left() { other(); }' 'void right() {}'
plant found 'extern int right; int left() { return right; }' 'int right = 1;'
echo "$tree/missing.o" >"$tree/objects"
if "$check" "$root" "$tree/objects" >"$tree/log" 2>&1 || ! grep -q 'not all objects' "$tree/log"; then
  echo "symbols_test: an object that is missing was not noticed"
  failed=1
fi

"$check" "$root" "$objects" || failed=1
exit $failed
