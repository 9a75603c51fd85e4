#!/usr/bin/env bash
# Ray and Manta, one after the other on this machine: prints a Markdown table. Results stay in bench/results/*.jsonl.
#
#   bench/compare.sh [BUILD]     BUILD: build/release
#
# PEERS: the folder of the peers' scripts (../shared/peers). PEERS_VENV: a virtual environment that has Ray; without it
# one is made in .deps/peers. PEERS_ONLY: parts of names, "a|b" (the task cases). SECONDS_EACH: length of a run (1).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

bench=${1:-build/release}/bin/manta_bench
peers=$(cd "${PEERS:-../shared/peers}" && pwd)
venv=${PEERS_VENV:-$PWD/.deps/peers}
export PEERS_ONLY=${PEERS_ONLY:-single client tasks|multi client tasks|wait 1k refs|100k no-op tasks|chain of 1000|tree reduce|actor|kill -9|Plasma|10k refs|1 GB|cold start|memory}
[[ -x $bench ]] || { echo "compare.sh: no $bench: build it, or name the build folder" >&2; exit 2; }

if [[ ! -x $venv/bin/python ]] || ! "$venv/bin/python" -c 'import ray, numpy, psutil' 2>/dev/null; then
  [[ -z ${PEERS_VENV:-} ]] || { echo "compare.sh: $venv lacks ray, numpy or psutil" >&2; exit 2; }
  python3 -m venv "$venv"
  "$venv/bin/pip" install -q -c "$peers/constraints.txt" "ray[default]==2.60.0" numpy psutil
fi

results=$PWD/bench/results
mkdir -p "$results"
load() { echo "load before $1: $(cut -d' ' -f1-3 /proc/loadavg)" >&2; }

load Ray
(cd "$peers" && PYTHONDONTWRITEBYTECODE=1 timeout 1800 ./lo.sh "$venv/bin/python" ray_core.py 2>"$results/ray_core.err") |
  grep '^{"bench"' >"$results/ray_core.new" ||
  { echo "compare.sh: Ray's script failed:" >&2; tail -n 20 "$results/ray_core.err" >&2; exit 1; }
load Manta
"$bench" core --only "$PEERS_ONLY|idle CPU" --seconds "${SECONDS_EACH:-1}" >"$results/manta_core.new"
for name in ray_core manta_core; do mv "$results/$name.new" "$results/$name.jsonl"; done
rm -f "$results/ray_core.err"
python3 bench/table.py "$results/ray_core.jsonl" "$results/manta_core.jsonl"
