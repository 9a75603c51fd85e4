#!/usr/bin/env bash
# The peers and Manta, one after the other on this machine: prints a Markdown table. Results stay in bench/results/*.jsonl.
#
#   bench/compare.sh [AREA [BUILD]]     AREA: core, examples or serve (Ray), train (torchrun with gloo), tune (Ray, Optuna),
#                                       rl (Gymnasium, EnvPool, Stable-Baselines3, RLlib); BUILD: build/release
#
# PEERS: the folder of the peers' scripts (../shared/peers). PEERS_VENV: a virtual environment that has what they need; without
# it one is made in .deps/peers. PEERS_ONLY: parts of names, "a|b". SECONDS_EACH: length of a run of a rate (1).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

area=${1:-core}
bench=${2:-build/release}/bin/manta_bench
peers=$(cd "${PEERS:-../shared/peers}" && pwd)
venv=${PEERS_VENV:-$PWD/.deps/peers} arguments=()
case $area in
  core)
    packages=("ray[default]==2.60.0" numpy psutil) modules="ray, numpy, psutil"
    theirs="single client tasks|multi client tasks|wait 1k refs|100k no-op tasks|chain of 1000|tree reduce|actor|kill -9|Plasma|10k refs|1 GB|cold start|memory"
    ours="${PEERS_ONLY:-$theirs}|idle CPU"
    ;;
  examples)
    packages=("ray[default]==2.60.0" numpy psutil scikit-learn) modules="ray, numpy, psutil, sklearn"
    theirs="sum|ps|forests|search" ours=${PEERS_ONLY:-sum of 1e8|parameter server|forests}
    ;;
  train)
    packages=("torch==2.13.0" numpy scikit-learn) modules="torch, sklearn"
    theirs="torchrun|all_reduce" ours=${PEERS_ONLY:-mlp|cnn|all_reduce}
    ;;
  serve)
    packages=("ray[serve]==2.60.0" "torch==2.13.0" numpy psutil fastapi uvicorn) modules="ray.serve, torch, psutil, fastapi, uvicorn"
    theirs="http|serve" ours=${PEERS_ONLY:-http|serve}
    ;;
  tune)
    packages=("ray[tune]==2.60.0" optuna numpy psutil scikit-learn joblib) modules="ray.tune, optuna, psutil, sklearn"
    theirs=":" ours=${PEERS_ONLY:-tune:|SVC} arguments=(optuna tune)
    ;;
  rl)
    packages=("torch==2.13.0" "ray[rllib]==2.60.0" stable-baselines3 envpool) modules="ray.rllib, stable_baselines3, envpool"
    theirs=":" ours=${PEERS_ONLY:-:}
    ;;
  *) echo "compare.sh: no area '$area': core, examples, train, serve, tune or rl" >&2; exit 2 ;;
esac
export PEERS_ONLY=${PEERS_ONLY:-$theirs}
[[ -x $bench ]] || { echo "compare.sh: no $bench: build it, or name the build folder" >&2; exit 2; }

if [[ ! -x $venv/bin/python ]] || ! "$venv/bin/python" -c "import $modules" 2>/dev/null; then
  [[ -z ${PEERS_VENV:-} ]] || { echo "compare.sh: $venv lacks one of $modules" >&2; exit 2; }
  [[ -x $venv/bin/python ]] || python3 -m venv "$venv"
  "$venv/bin/pip" install -q -c "$peers/constraints.txt" "${packages[@]}"
fi

results=$PWD/bench/results
mkdir -p "$results"
load() { echo "load before $1: $(cut -d' ' -f1-3 /proc/loadavg)" >&2; }

load "the peer"
(cd "$peers" && PYTHONDONTWRITEBYTECODE=1 timeout 1800 ./lo.sh "$venv/bin/python" "ray_$area.py" "${arguments[@]}" 2>"$results/peer_$area.err") |
  grep '^{"bench"' >"$results/peer_$area.new" ||
  { echo "compare.sh: the peer's script failed:" >&2; tail -n 20 "$results/peer_$area.err" >&2; exit 1; }
if [[ $area == tune ]]; then # the support vector machines are in another of the peers' scripts
  (cd "$peers" && PEERS_ONLY=search PYTHONDONTWRITEBYTECODE=1 timeout 1800 ./lo.sh "$venv/bin/python" ray_examples.py 2>>"$results/peer_$area.err") |
    grep '^{"bench"' >>"$results/peer_$area.new" || true
fi
load Manta
"$bench" "$area" --only "$ours" --seconds "${SECONDS_EACH:-1}" >"$results/manta_$area.new"
for name in "peer_$area" "manta_$area"; do mv "$results/$name.new" "$results/$name.jsonl"; done
rm -f "$results/peer_$area.err"
python3 bench/table.py "$results/peer_$area.jsonl" "$results/manta_$area.jsonl"
