// A span of bytes together with what keeps it alive.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>

namespace manta {

/// Read-only bytes, owned by `keepalive` (a mapping, a vector, a tensor's storage).
///
/// **Threading**: immutable. **Ownership**: the bytes live as long as any copy of keepalive.
struct Buffer {
  const std::byte* data = nullptr;
  std::size_t size_bytes = 0;
  std::shared_ptr<const void> keepalive;
};

/// Bytes in this process' part of the node's object memory, to be filled and then stored by put without a copy.
///
/// **Threading**: one thread at a time. **Ownership**: the memory; it goes back if put does not take it. Destroy it,
/// and use its bytes, only while the Runtime lives.
///
///     manta::UniqueBuffer image = manta::create_buffer(width * height);
///     render(image.bytes());
///     manta::Ref<manta::Buffer> ref = manta::put(std::move(image));
class UniqueBuffer {
 public:
  UniqueBuffer() noexcept = default;
  UniqueBuffer(UniqueBuffer&& other) noexcept { swap(other); }
  UniqueBuffer& operator=(UniqueBuffer&& other) noexcept {
    UniqueBuffer(std::move(other)).swap(*this);
    return *this;
  }
  ~UniqueBuffer();
  void swap(UniqueBuffer& other) noexcept {
    std::swap(bytes_, other.bytes_);
    std::swap(block_, other.block_);
    std::swap(runtime_, other.runtime_);
  }

  /// Aligned to 64 bytes; what they hold at first is not defined.
  std::span<std::byte> bytes() const noexcept { return bytes_; }

 private:
  friend struct InPlace;
  std::span<std::byte> bytes_;
  std::uint64_t block_ = 0;
  std::uint64_t runtime_ = 0;  // 0: there is no block
};

/// **Errors**: throws Error(exhausted) where the store is full, unavailable without a runtime.
[[nodiscard]] UniqueBuffer create_buffer(std::size_t size_bytes);

}  // namespace manta
