// A span of bytes together with what keeps it alive.
#pragma once

#include <cstddef>
#include <memory>

namespace manta {

/// Read-only bytes, owned by `keepalive` (a mapping, a vector, a tensor's storage).
///
/// **Threading**: immutable. **Ownership**: the bytes live as long as any copy of keepalive.
struct Buffer {
  const std::byte* data = nullptr;
  std::size_t size_bytes = 0;
  std::shared_ptr<const void> keepalive;
};

}  // namespace manta
