#!/usr/bin/env bash
# From a fresh machine to the main job: a convolutional network learns all of MNIST, data-parallel on two worker processes,
# to 99 % of the test images. Checkpoint, TensorBoard log, result.json and progress.csv are then in manta_results/.
#
#   ./quickstart.sh [ARG ...]   installs what is missing, builds what the job needs, runs it
#
# ARG ... goes to the job, in place of --workers 2: --workers N, --epochs N, --batch-size N, --lr X, --seed N, --out FOLDER,
# --name RUN, --resume (build/release/bin/mnist_data_parallel --help says more). --help prints this. Without root, the one
# line that root must run is printed when a Debian package is missing. A LibTorch named by CMAKE_PREFIX_PATH is used
# instead of a downloaded one.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
job=mnist_data_parallel

case ${1:-} in
  -h | --help) sed -n '2,11s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 0 ;;
esac
(($#)) || set -- --workers 2

"$root/cmake/deps.sh" system torch mnist
cd "$root"
# Once configured, the build configures again by itself whenever it must.
[[ -f build/release/build.ninja ]] || cmake --preset release -DMANTA_TORCH=ON
if ! cmake --build --preset release --target "$job"; then
  echo "quickstart.sh: $job does not build (see above). Next: remove build/release, then run this again." >&2
  exit 1
fi
exec "build/release/bin/$job" --data "${MANTA_DEPS_DIR:-.deps}/mnist" "$@"
