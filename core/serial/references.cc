#include "core/serial/references.h"

#include <cassert>

namespace manta::serial {

namespace {
constinit References* g_references = nullptr;
}

UseReferences::UseReferences(References& references) noexcept { g_references = &references; }

References& references() noexcept {
  assert(g_references != nullptr);
  return *g_references;
}

}  // namespace manta::serial
