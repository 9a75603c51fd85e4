#!/usr/bin/env bash
# mnist_test.sh TRAIN SERVE ASK DATA PACKAGES: a network that was just trained is as good over HTTP as it is without.
set -euo pipefail
train=$1 serve=$2 ask=$3 data=$4
export PYTHONPATH=$5
[[ -f $data/train-images-idx3-ubyte ]] || { echo "no MNIST in $data: skipped (cmake/deps.sh mnist brings it)"; exit 77; }
python3 -c 'import tritonclient.http' 2>/dev/null || { echo "no tritonclient: skipped (cmake/deps.sh python brings it)"; exit 77; }
tmp=$(mktemp -d)
server=
trap '[[ -z $server ]] || kill -9 $server 2>/dev/null; rm -rf "$tmp"' EXIT
"$train" --data "$data" --limit 4000 --batch-size 32 --epochs 1 --out "$tmp" --name run >/dev/null
: >"$tmp/out" # the server's shell may come to it later than we look
"$serve" "$tmp/run/checkpoint_000000" --data "$data" --port 0 >"$tmp/out" &
server=$!
for _ in {1..300}; do
  address=$(sed -nE 's|^http://([^/]+)/.*|\1|p' "$tmp/out")
  [[ -z $address ]] || break
  kill -0 $server || { cat "$tmp/out"; exit 1; }
  sleep 0.1
done
python3 "$ask" "$address" "$data" >>"$tmp/out"
cat "$tmp/out"
offline=$(sed -nE 's/^accuracy on .*: ([0-9.]+) %/\1/p' "$tmp/out") online=$(sed -nE 's/^accuracy over .*: ([0-9.]+) %/\1/p' "$tmp/out")
[[ -n $offline && $offline == "$online" ]] || { echo "FAILED: $offline offline, $online over HTTP"; exit 1; }
[[ ${offline%.*} -ge 80 ]] || { echo "FAILED: it has learnt nothing"; exit 1; }

# One image by curl, as JSON.
python3 - "$data" >"$tmp/image.json" <<'PYTHON'
import json, sys
pixels = open(f"{sys.argv[1]}/t10k-images-idx3-ubyte", "rb").read()[16:16 + 784]
print(json.dumps({"inputs": [{"name": "images", "datatype": "UINT8", "shape": [1, 28, 28], "data": list(pixels)}]}))
PYTHON
curl -fsS --data-binary "@$tmp/image.json" "$address/v2/models/digits/infer" >"$tmp/answer.json"
python3 - "$tmp/answer.json" <<'PYTHON'
import json, sys
scores = json.load(open(sys.argv[1]))["outputs"][0]["data"]
assert len(scores) == 10 and scores.index(max(scores)) == 7, scores
print("by curl: a 7")
PYTHON
kill -TERM $server
wait $server
server=
