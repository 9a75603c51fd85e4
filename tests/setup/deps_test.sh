#!/usr/bin/env bash
# deps_test.sh ROOT: what cmake/deps.sh says and leaves behind when it cannot do its work. Needs no network.
set -euo pipefail
root=$1
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
fail() { echo "deps_test: $*"; cat "$tmp/out" "$tmp/err" 2>/dev/null; exit 1; }

# Stand-ins first in PATH: no package is installed, pip and npm reach nothing.
mkdir "$tmp/bin"
printf '#!/bin/sh\nexit 1\n' | tee "$tmp/bin/dpkg-query" "$tmp/bin/npm" >"$tmp/bin/apt-get"
printf '#!/bin/sh\ncase "$*" in *download*) echo "no network" >&2; exit 1;; *-c*) echo 311;; esac\n' >"$tmp/bin/python3"
chmod +x "$tmp/bin"/*
unset CMAKE_PREFIX_PATH Torch_DIR Torch_ROOT
deps() { env MANTA_DEPS_DIR="$tmp/deps" PATH="$tmp/bin:$PATH" "$@" >"$tmp/out" 2>"$tmp/err"; }

for pair in torch:torch mnist:mnist duckdb:@duckdb flights:vega-datasets housing:pyarrow digits:scikit-learn python:safetensors rl:gymnasium nccl:nvidia-nccl-cu13 \
  sklearn:scikit-learn format:clang-format http:uvicorn; do
  part=${pair%:*}
  deps "$root/cmake/deps.sh" $part && fail "$part without a network should fail"
  grep -q "deps.sh: .*could not download ${pair#*:}.* Next: " "$tmp/err" || fail "$part: the message should name it and the next step"
  [[ -z $(find "$tmp/deps" -mindepth 1 -maxdepth 1 ! -name .lock ! -name download) ]] || fail "$part left something behind"
done

mkdir -p "$tmp/own/share/cmake/Torch" && touch "$tmp/own/share/cmake/Torch/TorchConfig.cmake"
deps env CMAKE_PREFIX_PATH="/nowhere:$tmp/own" "$root/cmake/deps.sh" torch || fail "a LibTorch of the user's own should be enough"

deps "$root/cmake/deps.sh" tensorflow && fail "an unknown part should fail"
grep -q "unknown part 'tensorflow'" "$tmp/err" || fail "the message should name the unknown part"

# Without root: one line on the standard output, for root to run.
deps=(env MANTA_DEPS_DIR="$tmp/deps" PATH="$tmp/bin:$PATH" bash "$tmp/src/cmake/deps.sh" system)
mkdir "$tmp/src" && cp -r "$root/cmake" "$tmp/src/"
if ((EUID == 0)); then
  chmod -R a+rX "$tmp"
  deps=(setpriv --reuid 65534 --regid 65534 --clear-groups "${deps[@]}")
fi
"${deps[@]}" >"$tmp/out" 2>"$tmp/err" && fail "missing packages without root should fail"
[[ $(wc -l <"$tmp/out") == 1 && $(<"$tmp/out") == "apt-get update && apt-get install -y "*libcereal-dev* ]] || fail "one line for root"
