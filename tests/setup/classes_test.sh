#!/usr/bin/env bash
# classes_test.sh ROOT FOLDER ...: the repository's classes keep the limits of classes.py, and a planted breach of each
# is found. FOLDER: of headers that stand elsewhere, those that CMake writes among them.
set -euo pipefail
root=$1
folders=("${@:2}")
clang=$(command -v clang++-14 || command -v clang++) ||
  { echo "no clang++: skipped (apt-get install clang-14)"; exit 77; }
check() { python3 "$root/tests/setup/classes.py" --clang "$clang" "$@"; }
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
failed=0

# plant EXPECTED KNOWN: checks core/net/planted.h of the tree. KNOWN lists classes over a limit. EXPECTED: a regex that
# a line of the output matches, or `clean`.
plant() {
  local output result=clean
  printf '%b' "$2" >"$tree/known"
  output=$(check --known "$tree/known" "$tree" 2>&1) || result=$output
  if [[ $1 == clean ]]; then
    [[ $result == clean ]] || { echo "classes_test: expected no breach: $result"; failed=1; }
  else
    grep -qE "$1" <<<"$result" || { echo "classes_test: expected '$1', not: $result"; failed=1; }
  fi
}
# methods NUMBER: as many declarations; what does not count stands around them.
methods() {
  echo 'namespace manta::net { class Wide { public: Wide(); ~Wide(); Wide& operator=(const Wide&) = default;'
  echo 'operator bool() const;'
  echo 'struct Nested { void one(); void two(); };'
  seq -f 'void method_%g();' $(($1 - 3))
  echo 'private: static int overloaded(int); int overloaded(long) const; template <class T> void generic(T) {} };'
  echo 'inline void use(Wide& wide);'
  echo 'template <class T> struct Instance { void method() {} }; inline Instance<int> one; inline Instance<long> two; }'
}
# parts NUMBER: a class that refers to as many others, and has what does not count.
parts() {
  echo '#include <memory>'
  echo 'namespace manta { struct Plain { int i; }; template <class T> struct Table { void add(); };'
  seq "$1" | sed 's/.*/class Part& { public: virtual ~Part&() = default; virtual void act() = 0; };/'
  echo 'class Whole { struct Own { void act(); }; Part1* again_; const Part1& first_;'
  echo 'Plain* data_; Own* own_; Table<int> value_;'
  seq "$1" | sed 's/.*/std::unique_ptr<const Part&> part&_;/'
  echo '}; }'
}
mkdir -p "$tree/core/net"
planted=$tree/core/net/planted.h
methods 40 >"$planted" && plant clean ''
methods 41 >"$planted" && plant 'planted.h: CLASS-1: net::Wide has 41 member functions; at most 40' ''
plant clean 'CLASS-1 41 net::Wide\n'
plant 'CLASS-1: net::Wide has 41 .*fewer than the 42 in .*set it to 41' 'CLASS-1 42 net::Wide\n'
methods 40 >"$planted" && plant 'CLASS-1: net::Wide has 40 .*delete the line' 'CLASS-1 41 net::Wide\n'
plant 'CLASS-1: there is no class net::Gone' 'CLASS-1 41 net::Gone\n'
parts 6 >"$planted" && plant clean ''
parts 7 >"$planted" && plant 'CLASS-2: Whole has 7 collaborators \(Part1, ' ''

friend() { # friend TEXT: a class that contains the text, and a class of another file
  printf 'namespace manta { class Other { public: void act(); }; }' >"$tree/core/net/other.h"
  printf '#include "core/net/other.h"\nnamespace manta {\n' >"$planted"
  printf 'class Near; class Holder { %s }; class Near { void act(); }; }' "$1" >>"$planted"
}
friend 'friend Near; friend bool operator==(Holder, Holder); friend void swap(Holder&, Holder&) {}' && plant clean ''
friend 'friend class Other;' && plant 'CLASS-3: Holder has 1 friends elsewhere \(Other\)' ''
friend 'friend void Other::act();' && plant 'CLASS-3: Holder has 1' ''
echo 'namespace manta { struct Two { Two(); Two(int i) : a(((void)i, i)) { while (i > 0) --i; } int a; }; }' >"$planted"
plant 'CLASS-4: Two has 1 comma' ''
printf '#include "core/net/missing.h"\n' >"$planted" && plant 'clang did not read all files' ''

check --known "$root/tests/setup/classes.txt" "${folders[@]/#/-I}" "$root" || failed=1
exit $failed
