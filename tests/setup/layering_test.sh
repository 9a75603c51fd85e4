#!/usr/bin/env bash
# layering_test.sh ROOT: the repository keeps the layering rules, and each planted breach of them is found.
set -euo pipefail
root=$1
check=$root/tests/setup/layering.sh
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
failed=0

# plant found|clean FILE TEXT: checks a tree that holds only this file and a public header with a thread in it.
plant() {
  rm -rf "${tree:?}"/*
  mkdir -p "$tree/$(dirname "$2")" "$tree/core/base/include/manta/detail"
  printf '#include <manta/detail/threaded.h>\n' >"$tree/core/base/include/manta/outer.h"
  printf '#include <thread>\n' >"$tree/core/base/include/manta/detail/threaded.h"
  printf '%b\n' "$3" >"$tree/$2"
  local result=clean
  "$check" "$tree" >/dev/null || result=found
  [[ $result == "$1" ]] || { echo "layering_test: $2 with '$3' was $result, expected $1"; failed=1; }
}

plant found core/net/a.h '// A message to the heir.'
plant found core/net/a.h 'int x;  // whoever reads it'
plant found core/net/a.cc 'TEST(Ring, NobodyWaits) {'
plant found core/net/a.cc '// NEWS of a ring'
plant found core/net/a.h '// A worker that is told to end.'
plant found serve/a.md 'Somebody answers.'
plant found train/a.py 'x = 1  # lent to another'
plant found core/net/a.h "// $(printf 'x%.0s' {1..118})"
plant clean core/net/a.h "// $(printf 'x%.0s' {1..117})"
plant clean core/net/a.cc 'TEST(Ring, ReadsAWholeRecord) {  // the name "nobody", a `loan`'
plant clean core/net/a.cc 'const Borrower* lent = find("heir");'
plant clean core/net/a.cc '#include "core/base/b.h"\n#include "core/net/c.h"\n#include <thread>'
plant found core/base/a.cc '#include "core/net/b.h"'
plant found core/net/a.cc '#include "b.h"'
plant clean core/http/a.cc '#include "core/base/b.h"\n#include "core/http/c.h"'
plant found core/node/a.cc '#include "core/http/b.h"'
plant found serve/server/a.cc '#include "core/http/b.h"'
plant clean core/owner/a.cc '#include "core/sched/resources.h"\n#include "core/owner/b.h"\n#include <map> // not <mutex>'
plant found core/owner/a.cc '#include "core/sched/node_scheduler.h"'
plant found core/head/a.h '#include "core/owner/owner.h"'
plant found core/sched/a.h '#include <mutex>'
plant found core/sched/a.h '#include <sys/socket.h>'
plant found core/sched/a.h 'auto t = std::chrono::steady_clock::now();'
plant found core/head/a.cc 'std::unordered_map<int, int> m;'
plant found core/head/a.cc '#include <unordered_map>'
plant clean core/head/a.cc '#include <unordered_map>\nstd::unordered_map<int, int> m_;  // looked up, never walked'
plant found core/head/a.cc 'std::unordered_map<int, int> m_;  // looked up, never walked\nfor (auto& [k, v] : m_) {'
plant found core/head/a.cc 'std::unordered_map<int, int> m_;  // looked up, never walked\nauto it = m_.begin();'
plant clean core/head/a.cc 'std::unordered_map<int, int> m_;  // looked up, never walked\nm_.find(x) == m_.end() ? a : Phase::m_);'
plant clean core/head/a.cc 'std::chrono::steady_clock::time_point deadline;'
plant found core/head/a.cc 'std::set<Node*> nodes;'
plant clean core/head/a.cc 'std::map<NodeId, Node*> nodes;'
plant found core/head/a.cc '#include <manta/outer.h>'
plant found core/base/include/manta/a.h '#include <sqlite3.h>'
plant found core/base/include/manta/a.h '#include "core/base/b.h"'
plant found core/base/include/manta/a.h '#include <torch/torch.h>'
plant clean core/torch/include/manta/torch.h '#include <torch/torch.h>'
plant clean core/base/include/manta/a.h '#include <boost/pfr.hpp>'
plant found core/base/include/manta/a.h '#include <boost/asio.hpp>'
plant clean core/net/include/manta/a.h '#include <manta/outer.h>'
plant found core/net/a.h '#include <manta/missing.h>'
plant found core/net/include/manta/a.h '#include <manta/missing.h>'
plant found train/session/a.cc '#include "core/base/b.h"'
plant clean train/session/a.cc '#include "train/checkpoint/b.h"'
plant found train/checkpoint/a.cc '#include "train/report/b.h"'
plant found train/checkpoint/a.cc '#include "b.h"'
plant clean rl/vector_env/a.cc '#include "rl/env/b.h"'
plant found rl/env/a.cc '#include "rl/vector_env/b.h"'
plant clean tune/tuner/a.cc '#include "tune/space/b.h"'
plant found tune/space/a.cc '#include "tune/tuner/b.h"'
plant found tune/space/a.cc '#include "train/sampler/b.h"'
plant found core/net/a.cc '#include <mutex>'
plant found core/net/a.h 'std::mutex mutex_;'
plant found tune/trial/a.cc 'const std::lock_guard lock(mutex_);'
plant found core/node/a.h 'std::condition_variable_any changed_;'
plant clean core/net/a.h '#include "core/base/mutex.h"\nMutex mutex_;  // not std::mutex'
plant found core/net/a.cc 'const char* text = std::getenv("MANTA_LOG");'
plant found rl/env/a.cc '::setenv("X", "1", 1);'
plant found core/node/a.cc 'extern char** environ;'
plant clean core/settings/environment.cc 'const char* text = std::getenv("MANTA_LOG");'
plant clean tests/e2e/a.cc 'const char* text = std::getenv("MANTA_ROLE");'
plant found core/net/long.cc "$(printf '\\n%.0s' {1..501})"

"$check" "$root" || failed=1
exit $failed
