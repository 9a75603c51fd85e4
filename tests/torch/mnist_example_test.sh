#!/usr/bin/env bash
# mnist_example_test.sh PROGRAM DATA: what a user of the MNIST example sees.
set -euo pipefail
program=$1 data=$2
[[ -f $data/train-images-idx3-ubyte ]] || { echo "no MNIST in $data: skipped (cmake/deps.sh mnist brings it)"; exit 77; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
bad=0
fail() { echo "FAILED: $*"; bad=1; }

# A short training learns, saves, and does the same again.
short=(--data "$data" --limit 2000 --batch-size 32 --seed 7 --out "$tmp/runs")
for run in 1 2; do
  "$program" "${short[@]}" --epochs 1 --name "$run" >"$tmp/$run" || fail "run $run exited with $?"
  ls "$tmp/runs/$run"/events.out.tfevents.* >/dev/null || fail "run $run left no curves"
done
cat "$tmp/1"
accuracy=$(sed -nE 's/^test accuracy ([0-9]+)\.[0-9]+ %.*/\1/p' "$tmp/1")
((${accuracy:-0} >= 80)) || fail "accuracy $accuracy % after one pass over 2,000 images"
network=checkpoint_000000/model.safetensors
cmp "$tmp/runs/1/$network" "$tmp/runs/2/$network" || fail "two runs with one seed gave different networks"
grep -Eq 'epoch 1/1  step +63/63  loss [0-9.]+ .* +[0-9]+ images/s +0 s left' "$tmp/1" || fail "no live line"
if "$program" "${short[@]}" --name 1 >"$tmp/out" 2>&1; then fail "a run was overwritten"; fi
grep -q 'RunConfig::resume' "$tmp/out" || fail "an earlier run is refused without a word of resuming"
# Its epoch is done, so that nothing is left but to say so.
"$program" "${short[@]}" --epochs 1 --name 1 --resume >"$tmp/out" || fail "resuming exited with $?"

"$program" --help >"$tmp/help" || fail "--help exited with $?"
for option in data out name resume workers epochs batch-size lr limit seed; do
  grep -q -- "--$option" "$tmp/help" || fail "--help says nothing of --$option"
done

# refused WHAT TEXT ARG ...: exits with an error that has the text and, unless the command line was wrong, a next step.
refused() {
  local what=$1 text=$2
  shift 2
  if timeout 60 "$program" "$@" >"$tmp/out" 2>&1; then fail "$what: accepted"; fi
  grep -qF -- "$text" "$tmp/out" || { fail "$what: says nothing of '$text':"; cat "$tmp/out"; }
  [[ $what == *option* ]] || grep -q 'Next: ' "$tmp/out" || fail "$what: no next step"
}
copy() { rm -rf "$tmp/data" && mkdir "$tmp/data" && ln -s "$data"/*ubyte "$tmp/data/"; }
broken() { copy && rm "$tmp/data/$1"; } # broken FILE: a folder without it; the caller writes another

refused "no folder" "$tmp/nowhere: is no folder" --data "$tmp/nowhere" --out "$tmp/x"
broken train-labels-idx1-ubyte
refused "a file is missing" "$tmp/data/train-labels-idx1-ubyte: cannot be opened" --data "$tmp/data" --out "$tmp/x"
broken t10k-images-idx3-ubyte && head -c 100000 "$data/t10k-images-idx3-ubyte" >"$tmp/data/t10k-images-idx3-ubyte"
refused "cut images" "t10k-images-idx3-ubyte: has 99984 bytes after its header, which announces 7840000" --data "$tmp/data" --out "$tmp/x"
broken train-images-idx3-ubyte && head -c 7 "$data/train-images-idx3-ubyte" >"$tmp/data/train-images-idx3-ubyte"
refused "cut header" "train-images-idx3-ubyte: ends within its header" --data "$tmp/data" --out "$tmp/x"
broken train-images-idx3-ubyte && gzip -c "$data/t10k-labels-idx1-ubyte" >"$tmp/data/train-images-idx3-ubyte"
refused "wrong magic" "instead of 2051, so it is no idx file of this kind" --data "$tmp/data" --out "$tmp/x"
broken train-labels-idx1-ubyte && cp "$data/t10k-labels-idx1-ubyte" "$tmp/data/train-labels-idx1-ubyte"
refused "labels of another set" "has 10000 labels for the 60000 images" --data "$tmp/data" --out "$tmp/x"
refused "no place for the run" "/proc/nowhere" --data "$data" --out /proc/nowhere
refused "option: no worker" "--workers" --workers 0
refused "option: unknown" "--wrong" --wrong 1
exit $bad
