#!/usr/bin/env bash
# format_test.sh SOURCE_FOLDER DEPS_FOLDER: all C++ is as the .clang-format of the source folder has it.
set -euo pipefail
cd "$1"
clang_format=$2/format/clang-format
if [[ ! -x $clang_format ]]; then
  clang_format=$(command -v clang-format-14) || { echo "no clang-format 14: see cmake/deps.sh"; exit 77; }
fi
# A file list of git's, or of what is there where the sources came without it.
files() {
  git ls-files -z -- '*.h' '*.cc' '*.cpp' '*.cu' 2>/dev/null ||
    find core train tune data serve rl bench examples tests -name '*.h' -print0 -o -name '*.cc' -print0 -o -name '*.cpp' -print0 -o -name '*.cu' -print0
}
if ! files | xargs -0 "$clang_format" --dry-run -Werror; then
  echo "Next: $clang_format -i FILE for each file above."
  exit 1
fi
