#!/usr/bin/env bash
# thread_safety_test.sh SOURCE_FOLDER INCLUDE_FOLDER:...: what a mutex guards is used only while it is held, says clang, and clang
# finds an access without it. Looked at is what needs no LibTorch.
set -euo pipefail
cd "$1"
IFS=: read -ra folders <<<"$2"
clang=$(command -v clang++-14 || command -v clang++) || { echo "no clang: see cmake/deps.sh"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
shopt -s nullglob
includes=(-I. "${folders[@]/#/-I}")
for folder in {core/*,tune,rl,serve}/include; do includes+=(-I"$folder"); done

# analyse FILE: clang's messages are in $work/out.
analyse() {
  "$clang" -std=c++20 -fsyntax-only -Wno-everything -Wthread-safety -Werror=thread-safety "${includes[@]}" "$1" >"$work/out" 2>&1
}

# All files of a room at once, which takes a tenth of the time; one by one where they have a name in common.
room() { # room NAME FILE ...
  local file
  printf "#include \"$PWD/%s\"\n" "${@:2}" >"$work/$1.cc"
  ! analyse "$work/$1.cc" || return 0
  for file in "${@:2}"; do
    analyse "$file" || { cat "$work/out"; echo "Next: hold the mutex there, or annotate what needs none."; exit 1; }
  done
}
rooms=0
for folder in core/*/; do
  folder=${folder%/}
  sources=("$folder"/*.cc)
  [[ $folder != core/torch ]] || sources=(core/torch/operation_queue.cc core/torch/nccl_peers.cc)
  grep -qwE 'Mutex|MutexLock' "$folder"/*.{h,cc} || continue
  room "${folder#core/}" "${sources[@]}"
  rooms=$((rooms + 1))
done
((rooms >= 5)) || { echo "only $rooms rooms of the core have a mutex: what this test looks for has another name now"; exit 1; }
room libraries tune/trial/session.cc rl/vector_env/step_threads.cc serve/replica/heart.cc

# found FILE LINE: without its first line that matches, the file is refused for what that guards.
found() {
  mkdir -p "$work/planted"
  sed "0,/$2/{/$2/d}" "$1" >"$work/planted/planted.cc"
  ! cmp -s "$1" "$work/planted/planted.cc" || { echo "$1 has no line $2"; exit 1; }
  if analyse "$work/planted/planted.cc" || ! grep -q '\[-Werror,-Wthread-safety-analysis\]' "$work/out"; then
    cat "$work/out"
    echo "$1 without its line $2 is not refused"
    exit 1
  fi
}
found core/client/outbox.cc 'MutexLock guard(mutex_)'        # a member of the same class
found core/client/stream_reader.cc 'OwnerLock guard(state_)'   # what a pointer points to, and an interface that needs it
found core/worker/streaming.cc 'MutexLock guard(stream.mutex)' # another object's mutex
