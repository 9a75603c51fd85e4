#!/usr/bin/env bash
# Installs what is missing, builds, and runs the tests that CI runs. The last line is `N passed, N failed`.
#
#   ./test.sh          release: unit, sim, e2e; then ASan+UBSan on the same without LibTorch; then TSan on unit
#   ./test.sh --fast   release: unit
#   ./test.sh --all    the same as without an option, and the stress tests in release
#   ./test.sh --long   release: long, the tests that take minutes (soaks, whole tables, differential runs)
#   ./test.sh --gpu    release: gpu, with the LibTorch and CUDA that CMake finds here; installs nothing
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

mode=${1:-ci}
case $mode in
  ci | --fast | --all | --long | --gpu) (($# <= 1)) || { echo "test.sh: one option at a time" >&2; exit 2; } ;;
  -h | --help) sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 0 ;;
  *) echo "test.sh: unknown option '$mode'; see ./test.sh --help" >&2; exit 2 ;;
esac

# g++ 12's ThreadSanitizer does not start where the kernel randomises more than 28 bits of an address.
unrandomised=()
(($(cat /proc/sys/vm/mmap_rnd_bits 2>/dev/null || echo 0) <= 28)) || unrandomised=(setarch --addr-no-randomize)

jobs=$(nproc) passed=0 failed=0 skipped=0
note() { printf '\n=== %s [%d s]\n' "$*" "$SECONDS"; }

# run PRESET LABELS TARGET [CMAKE_ARG ...]: builds the target and runs the tests that carry one of the labels (a regex).
run() {
  local preset=$1 labels=$2 target=$3 log summary
  shift 3
  log=build/$preset.log
  note "$preset: build"
  # -Werror here and not in the preset: a newer compiler's warnings stop our CI, not a user's build.
  if ! { cmake --preset "$preset" -DMANTA_WERROR=ON "$@" >"$log" 2>&1 || { cat "$log"; false; }; } ||
    ! cmake --build --preset "$preset" --target "$target" -j"$jobs"; then
    echo "test.sh: preset $preset does not build (see above); its tests count as one failure"
    failed=$((failed + 1))
    return
  fi
  note "$preset: tests labelled $labels"
  "${unrandomised[@]}" ctest --preset "$preset" -j"$jobs" --no-tests=error -L "$labels" 2>&1 | tee "$log" || true
  summary=$(grep -Eo '[0-9]+ tests failed out of [0-9]+' "$log" | tail -n 1) || summary="1 tests failed out of 1"
  local bad=${summary%% *} all=${summary##* } skips disabled
  skips=$(grep -Fc '***Skipped' "$log") || true               # ctest counts these as passed,
  disabled=$(grep -Fc '***Not Run (Disabled)' "$log") || true # and these not at all
  failed=$((failed + bad)) passed=$((passed + all - bad - skips)) skipped=$((skipped + skips + disabled))
}

mkdir -p build
if [[ $mode == --gpu ]]; then
  run release '^gpu$' tests_gpu
else
  note "what is missing"
  cmake/deps.sh
  [[ $mode != --long ]] || cmake/deps.sh pytorch
  case $mode in
    --fast) run release '^unit$' all ;;
    --long) run release '^long$' all -DMANTA_TORCH=ON ;;
    *)
      run release "^(unit|sim|e2e$([[ $mode != --all ]] || echo '|stress'))\$" all -DMANTA_TORCH=ON
      run asan '^(unit|sim|e2e)$' all
      run tsan '^unit$' tests_unit
      ;;
  esac
fi

note "done; disk used and free: $(du -sh build "${MANTA_DEPS_DIR:-.deps}" 2>/dev/null | awk '{printf "%s %s, ", $2, $1}')" \
  "$(df -h --output=avail . | tail -n 1 | tr -d ' ')"
echo "$passed passed, $failed failed$( ((skipped == 0)) || echo ", $skipped skipped")"
((failed == 0))
