// The encoded value of an object (or of a task's arguments), wherever it lies.
//
// Threading: none of its own; immutable once its entry is resolved, except that the owner moves a stored value to its
// spill file and back: a thread that finds either kind without the owner's lock must look again with it. Ownership:
// owns heap bytes and errors. A stored value's block or extent is freed by the owner, through its effects, never by
// this class.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <utility>

#include <manta/error.h>
#include <manta/ids.h>

namespace manta::owner {

// A block in a client's arena.
struct StoredLocation {
  ClientId arena;
  std::uint64_t offset = 0;
  std::uint64_t size_bytes = 0;
  friend auto operator<=>(const StoredLocation&, const StoredLocation&) = default;
};

// A part of the owning process' spill file.
struct SpilledExtent {
  std::uint64_t offset = 0;
  std::uint64_t size_bytes = 0;
  friend auto operator<=>(const SpilledExtent&, const SpilledExtent&) = default;
};

class Value {
 public:
  enum class Kind : std::uint8_t { none, inline_bytes, heap, stored, error, spilled };
  static constexpr std::size_t kInlineBytes = 32;

  Value() noexcept : kind_(Kind::none) {}
  // Space for size bytes, to be filled through mutable_bytes().
  static Value with_space(std::size_t size, bool framed) {
    Value v;
    v.size_ = static_cast<std::uint32_t>(size);
    v.framed_ = framed;
    if (size <= kInlineBytes) {
      v.kind_ = Kind::inline_bytes;
    } else {
      v.kind_ = Kind::heap;
      v.heap_ = new std::byte[size];
    }
    return v;
  }
  static Value copy_of(std::span<const std::byte> bytes, bool framed) {
    Value v = with_space(bytes.size(), framed);
    if (!bytes.empty()) std::memcpy(v.mutable_bytes(), bytes.data(), bytes.size());
    return v;
  }
  static Value at(const StoredLocation& location, bool framed) {
    Value v;
    v.kind_ = Kind::stored;
    v.framed_ = framed;
    v.stored_ = location;
    return v;
  }
  static Value of(Error error) {
    Value v;
    v.kind_ = Kind::error;
    v.error_ = new Error(std::move(error));
    return v;
  }

  Value(Value&& other) noexcept { take(other); }
  Value& operator=(Value&& other) noexcept {
    if (this != &other) {
      drop();
      take(other);
    }
    return *this;
  }
  ~Value() { drop(); }

  Kind kind() const noexcept { return std::atomic_ref<Kind>(const_cast<Kind&>(kind_)).load(std::memory_order_relaxed); }
  bool framed() const noexcept { return framed_; }
  bool failed() const noexcept { return kind() == Kind::error; }
  const Error& error() const noexcept { return *error_; }
  const StoredLocation& stored() const noexcept { return stored_; }
  const SpilledExtent& spilled() const noexcept { return spilled_; }
  // Of a stored value, and back.
  void move_to(const SpilledExtent& extent) noexcept {
    spilled_ = extent;
    std::atomic_ref<Kind>(kind_).store(Kind::spilled, std::memory_order_relaxed);
  }
  void move_to(const StoredLocation& location) noexcept {
    stored_ = location;
    std::atomic_ref<Kind>(kind_).store(Kind::stored, std::memory_order_relaxed);
  }
  // Only for inline_bytes and heap (and none: empty); with the lock, or after a look at kind().
  std::span<const std::byte> bytes() const noexcept {
    if (kind_ == Kind::inline_bytes) return {inline_, size_};
    if (kind_ == Kind::heap) return {heap_, size_};
    return {};
  }
  std::byte* mutable_bytes() noexcept { return kind_ == Kind::inline_bytes ? inline_ : heap_; }
  // A copy; heap bytes are copied, a stored location is copied as a location. Not of spilled ones.
  Value clone() const {
    switch (kind_) {
      case Kind::none:
        return {};
      case Kind::stored:
        return at(stored_, framed_);
      case Kind::error:
        return of(*error_);
      default:
        return copy_of(bytes(), framed_);
    }
  }

 private:
  void take(Value& other) noexcept {
    std::memcpy(static_cast<void*>(this), static_cast<const void*>(&other), sizeof(Value));
    other.kind_ = Kind::none;
  }
  // Most values have no memory of their own: that is found out without a call.
  void drop() noexcept {
    if (kind_ == Kind::heap || kind_ == Kind::error) free_memory();
    kind_ = Kind::none;
  }
  [[gnu::noinline]] void free_memory() noexcept {
    if (kind_ == Kind::heap) delete[] heap_;
    if (kind_ == Kind::error) delete error_;
  }

  Kind kind_;
  bool framed_ = false;
  std::uint32_t size_ = 0;
  union {
    std::byte inline_[kInlineBytes];
    std::byte* heap_;
    StoredLocation stored_;
    SpilledExtent spilled_;
    Error* error_;
  };
};
static_assert(sizeof(Value) == 40);

}  // namespace manta::owner
