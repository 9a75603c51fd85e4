// Bytes that are made where they are stored.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

namespace manta {

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
  /// Where the bytes lie. Not for users.
  struct Place {
    std::span<std::byte> bytes;
    std::uint64_t block = 0;
    std::uint64_t runtime = 0;  // 0: there is no block
  };

  UniqueBuffer() noexcept = default;
  explicit UniqueBuffer(const Place& place) noexcept : place_(place) {}
  UniqueBuffer(UniqueBuffer&& other) noexcept { swap(other); }
  UniqueBuffer& operator=(UniqueBuffer&& other) noexcept {
    UniqueBuffer(std::move(other)).swap(*this);
    return *this;
  }
  ~UniqueBuffer();
  void swap(UniqueBuffer& other) noexcept { std::swap(place_, other.place_); }

  /// Aligned to 64 bytes; what they hold at first is not defined.
  std::span<std::byte> bytes() const noexcept { return place_.bytes; }
  const Place& place() const noexcept { return place_; }
  /// The memory belongs to the caller from now on.
  void release() noexcept { place_.runtime = 0; }

 private:
  Place place_;
};

/// **Errors**: throws Error(exhausted) where the store is full, unavailable without a runtime.
[[nodiscard]] UniqueBuffer create_buffer(std::size_t size_bytes);

}  // namespace manta
