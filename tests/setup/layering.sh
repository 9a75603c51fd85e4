#!/usr/bin/env bash
# layering.sh ROOT: what a file of this repository may include and contain. Prints each breach as FILE:LINE: RULE.
set -euo pipefail
cd "$1"
shopt -s globstar nullglob

rooms=" base settings files serial sched owner head net store gpu observe node client worker collective api torch report http testing "
breaches=0
breach() { echo "$1"; breaches=$((breaches + 1)); }

# reject WHY REGEX FILE ...: no line matches, comments that fill the end of a line left out.
reject() {
  local why=$1 regex=$2 found
  shift 2
  (($#)) || return 0
  while IFS= read -r found; do
    breach "$(cut -d: -f1,2 <<<"$found"): $why: $(cut -d: -f3- <<<"$found")"
  done < <(awk '{ sub(/(^|[^:"])\/\/.*/, ""); print FILENAME ":" FNR ":" $0 }' "$@" | grep -E "^[^:]+:[0-9]+:.*($regex)" || true)
}

# LAYER-1: a file has at most 500 lines.
while read -r lines file; do
  [[ $file == total ]] || ((lines <= 500)) || breach "$file:501: LAYER-1: $lines lines; at most 500"
done < <(wc -l /dev/null {core,train,tune,data,serve,rl,examples,bench,tests,cmake}/**/*.{h,cc,cu,sh,cmake,txt})

# LAYER-16: comments, pages and names of tests name the thread, process or node that they mean, and use the field's terms:
# a standby owner has no "heir". What stands in quotes or backticks is left out. A line with a comment has at most 120
# columns, but for lines that a test reads (EXPECT).
words='told|lends?|lending|who|whom|whoever|somebody|nobody|everybody|anybody|heirs?|estates?|bequeath(s|ed)?|bequests?|goodbyes?|lent|loans?|news'
in_names=$(sed -E 's/(^|\|)([a-z])/\1\U\2/g' <<<"$words")
unfinished=()
prose=()
for file in {,docs/}*.md {core,train,tune,data,serve,rl,examples,bench,tests}/**/*.{h,cc,cu,cpp,md,py,sh,txt} cmake/*; do
  for folder in "${unfinished[@]}"; do [[ $file != "$folder"* ]] || continue 2; done
  [[ -f $file && $file != tests/setup/layering* ]] && prose+=("$file")
done
while IFS= read -r found; do breach "$found"; done < <(((${#prose[@]} == 0)) || awk -v words="$words" -v in_names="$in_names" '
  FNR == 1 { fenced = 0; cpp = FILENAME ~ /\.(h|cc|cu|cpp)$/; page = FILENAME ~ /\.md$/ }
  page && /^```/ { fenced = !fenced }
  {
    text = $0
    if (cpp || page && fenced) {
      comment = match(text, /(^|[^:"])\/\//)
      text = comment ? substr(text, RSTART) : ""
      if (cpp && comment && length($0) > 120 && $0 !~ /^\/\/ EXPECT/)
        print FILENAME ":" FNR ": LAYER-16: a line with a comment has " length($0) " columns; at most 120"
    } else if (!page) {
      text = match(text, /(^|[ \t])#/) ? substr(text, RSTART) : ""
    }
    gsub(/"[^"]*"|`[^`]*`/, "", text)
    if (match(tolower(" " text " "), "[^a-z0-9_](" words ")[^a-z0-9_]"))
      print FILENAME ":" FNR ": LAYER-16: not a plain word: " substr(" " text " ", RSTART + 1, RLENGTH - 2)
    if (cpp && match($0, "^ *(TYPED_)?TEST(_F|_P)?\\(.*[a-z0-9_ ](" in_names ")([A-Z0-9_)]|$)"))
      print FILENAME ":" FNR ": LAYER-16: not a plain name: " $0
  }' "${prose[@]}")

# LAYER-2: a room includes only itself and rooms to its left; private includes are written from the repository's root.
position() { local left=${rooms%% "$1" *}; at=${#left}; } # sets `at`: how far to the right a room stands
while IFS=: read -r file line text; do
  room=${file#core/} room=${room%%/*} path=${text#*\"} path=${path%%\"*} other=${path#core/} other=${other%%/*}
  position "$room" && here=$at
  position "$other"
  if [[ $path != core/*/* || $rooms != *" $other "* || $rooms != *" $room "* ]]; then
    breach "$file:$line: LAYER-2: \"$path\" is not written as \"core/ROOM/...\", or the list of rooms lacks one"
  elif ((at > here)); then
    breach "$file:$line: LAYER-2: $room includes $other, which stands to its right"
  elif [[ " sched owner head " == *" $room "* && " $room base serial " != *" $other "* && $path != core/sched/resources.h ]]; then
    breach "$file:$line: LAYER-2: $room includes only base, serial and core/sched/resources.h, not \"$path\""
  fi
done < <(grep -nE '^ *# *include *"' /dev/null core/**/*.{h,cc,cu} || true)
# A public header stands in the room that implements it, in core/ROOM/include, and counts as that room's.
public=(core/*/include/manta/**/*.h)
while IFS= read -r found; do breach "$found"; done < <(awk -v rooms="$rooms" -v public="${public[*]}" '
  BEGIN {
    n = split(rooms, order, " "); for (i = 1; i <= n; i++) at[order[i]] = i
    n = split(public, files, " ")
    for (i = 1; i <= n; i++) { split(files[i], part, "/"); name = files[i]; sub(/.*\/include\//, "", name); in_room[name] = part[2] }
  }
  match($0, /^ *# *include *<manta\/[^>]*>/) {
    name = substr($0, 1, RLENGTH - 1); sub(/.*</, "", name)
    split(FILENAME, part, "/"); here = part[2]; other = in_room[name]
    if (other == "" && name != "manta/version.h") print FILENAME ":" FNR ": LAYER-2: no room has <" name ">"
    else if (at[other] > at[here]) print FILENAME ":" FNR ": LAYER-2: " here " includes <" name "> of " other ", which stands to its right"
    else if (here ~ /^(sched|owner|head)$/ && other != here && other !~ /^(base|serial)$/)
      print FILENAME ":" FNR ": LAYER-2: " here " includes public headers of base and serial only, not <" name ">"
  }' /dev/null core/**/*.{h,cc,cu})
# The same within libraries; what they may include of others, LAYER-5 says.
within() { # within LIBRARY ROOM ...: from left to right
  local library=$1 file line text room path other here
  shift
  rooms=" $* "
  while IFS=: read -r file line text; do
    room=${file#"$library"/} room=${room%%/*} path=${text#*\"} path=${path%%\"*} other=${path#"$library"/} other=${other%%/*}
    [[ $room != include && $path != core/* && $path != half_cheetah_xml.h ]] || continue # made by CMake
    position "$room" && here=$at
    position "$other"
    if [[ $path != "$library"/*/* || $rooms != *" $other "* || $rooms != *" $room "* ]]; then
      breach "$file:$line: LAYER-2: \"$path\" is not written as \"$library/ROOM/...\", or the list of rooms lacks one"
    elif ((at > here)); then
      breach "$file:$line: LAYER-2: $room includes $other, which stands to its right"
    fi
  done < <(grep -nE '^ *# *include *"' /dev/null "$library"/**/*.{h,cc,cu} || true)
}
within train checkpoint sampler group ddp session
within tune space searchers schedulers trial storage tuner
within data schema engine operators plan source executor loader
within serve replica protocols router server torch cli
within rl env vector_env buffer perceptron policy rollout log evaluation algorithms

# LAYER-3: sched, owner and head do no I/O, read no clock, start no thread, and iterate in no hash or pointer order: a
# hash table, or an ordered one keyed by pointers, must say `looked up, never walked` on its line, and must not be walked.
# What does I/O is rejected also in the public headers that they include.
io_headers='thread|mutex|shared_mutex|condition_variable|future|semaphore|latch|barrier|fstream|iostream|filesystem'
io_headers+='|csignal|ctime|(time|pthread|unistd|fcntl|poll|signal|spawn)\.h|(sys|netinet|arpa|linux|boost/asio)/[^>]*'
io="# *include *<($io_headers)>|::now *\(|std::(jthread|thread|mutex|this_thread|async|random_device)|random_device|getenv *\("
table='unordered_|std::(map|set|multimap|multiset) *<[^,<>]*\*'
marker='looked up, never walked'
tables() { # tables FILE ROOM: the rule on hash and pointer order
  local line name
  grep -Eq "($table).*$marker" "$1" || reject "LAYER-3: no hash tables but lookups" '# *include *<[^>]*unordered_' "$1"
  while IFS= read -r line; do
    name=$(sed -nE 's/.*[ >]([A-Za-z_0-9]+) *(;|\{).*/\1/p' <<<"${line%%//*}")
    if [[ $line != *"$marker"* || -z $name ]]; then
      breach "$1:${line%%:*}: LAYER-3: a lookup alone, marked '// $marker', may be in hash or pointer order: ${line#*:}"
    else
      reject "LAYER-3: $name is said to be never walked" \
        "(\<for *\(.*[^:]: *|\<(erase_if|for_each) *\(|ranges::[a-z_]+ *\() *$name *[,)|]|\<$name *\. *(c?begin|visit_all|cvisit_all) *\(" \
        core/"$2"/**/*.{h,cc}
    fi
  done < <(grep -nE "$table" "$1" | grep -vE '^[0-9]+: *(//|# *include)' || true)
}
declare -A seen=()
follow() { # follow FILE: checks the public headers that it includes, each once
  local header
  while IFS= read -r header; do
    [[ -z ${seen[$header]:-} ]] || continue
    seen[$header]=1
    for header in core/*/include/"$header"; do
      reject "LAYER-3: reached from $1, which does no I/O" "$io" "$header"
      follow "$header"
    done
  done < <(sed -nE 's/^ *# *include *[<"](manta\/[^>"]*)[>"].*/\1/p' "$1")
}
reject "LAYER-3: not in a room without I/O" "$io" core/{sched,owner,head}/**/*.{h,cc}
for room in sched owner head; do
  for source in core/"$room"/**/*.{h,cc}; do
    tables "$source" "$room"
    follow "$source"
  done
done

# LAYER-4: a public header includes no private header and no CUDA, UCX, Boost (but PFR), SQLite, OpenSSL or log header, and
# JSON and Boost.Asio only where they are the point, in manta/serve/json.h and manta/asio.h;
# torch only in those of core/torch.
public=()
for file in {core/*,train,tune,data,serve,rl}/include/**/*.h; do
  [[ $file == serve/include/manta/serve/json.h || $file == core/api/include/manta/asio.h ]] || public+=("$file")
done
reject "LAYER-4: a public header includes by <manta/...> only" '# *include *"' "${public[@]}"
reject "LAYER-4: not in a public header" \
  '# *include *<(cuda|nccl|ucp/|uct/|ucs/|sqlite3|openssl/|spdlog/|fmt/|nlohmann/|CLI/|boost/([^p]|p[^f]))' "${public[@]}"
plain=()
for file in core/*/include/**/*.h; do
  [[ $file == core/torch/* ]] || plain+=("$file")
done
reject "LAYER-4: torch belongs to <manta/torch.h>" '# *include *<(torch|ATen|c10)/' "${plain[@]}"

# LAYER-5: the libraries include the core's public headers only.
reject "LAYER-5: a library includes <manta/...>, not the core's private headers" '# *include *"core/' \
  {train,tune,data,serve,rl,examples}/**/*.{h,cc,cu}

# LAYER-21: mutexes are those of <manta/detail/mutex.h>, whose use clang checks (thread_safety_test.sh). LibTorch's
# generators have one of the standard library.
locking=()
for file in {core,train,tune,data,serve,rl}/**/*.{h,cc,cu}; do
  case $file in
    core/base/include/manta/detail/mutex.h | core/torch/threads.cc | core/torch/process_group.cc | train/checkpoint/state.cc) ;;
    *) locking+=("$file") ;;
  esac
done
reject "LAYER-21: use Mutex, MutexLock and CondVar of core/base/mutex.h, and annotate what the mutex guards" \
  '# *include *<(mutex|shared_mutex|condition_variable)>|std::([a-z_]*mutex|[a-z]+_lock|lock_guard|condition_variable)|pthread_(mutex|cond)' \
  "${locking[@]}"
# LAYER-6: one file reads and changes the environment; all else goes through the accessors of core/settings/read.h.
environment=()
for file in {core,train,tune,data,serve,rl}/**/*.{h,cc,cu}; do
  [[ $file == core/settings/environment.cc ]] || environment+=("$file")
done
reject "LAYER-6: the environment belongs to core/settings/environment.cc" \
  '\<((secure_)?getenv|setenv|unsetenv|putenv|clearenv) *\(|\<environ\>' "${environment[@]}"

((breaches == 0)) || { echo "layering: $breaches breaches; the rules are in ${BASH_SOURCE[0]##*/}"; exit 1; }
