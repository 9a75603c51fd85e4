// The encoded value of an object (or of a task's arguments), wherever it lies.
//
// Threading: none of its own; immutable once its entry is resolved, except that the owner moves a stored value, to its
// spill file and back: the location is read with the owner's lock. Ownership: owns heap bytes and errors. What is at a
// location is freed by the owner, through its effects, never by this class.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <type_traits>
#include <utility>

#include <manta/error.h>

#include "core/owner/location.h"

namespace manta::owner {

class Value {
 public:
  enum class Kind : std::uint8_t { none, inline_bytes, heap, stored, error };
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
  static Value at(const StoredLocation& block, bool framed) { return at(Location(block), framed); }
  static Value at(const Location& location, bool framed) {
    Value v;
    v.kind_ = Kind::stored;
    v.framed_ = framed;
    std::construct_at(&v.location_, location);
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

  Kind kind() const noexcept { return kind_; }
  bool framed() const noexcept { return framed_; }
  bool failed() const noexcept { return kind_ == Kind::error; }
  const Error& error() const noexcept { return *error_; }

  // --- of a stored value, with the lock
  const Location& location() const noexcept { return location_; }
  void move_to(const Location& location) noexcept { location_ = location; }
  // Whether the value is stored, and in an arena.
  bool in_arena() const noexcept { return kind_ == Kind::stored && std::holds_alternative<StoredLocation>(location_); }
  bool spilled() const noexcept { return kind_ == Kind::stored && std::holds_alternative<SpilledExtent>(location_); }
  // Only of one that is in an arena.
  const StoredLocation& stored() const noexcept { return *std::get_if<StoredLocation>(&location_); }
  // The process in whose arena it lies; none: it is in no arena.
  ClientId arena() const noexcept { return in_arena() ? stored().arena : ClientId(); }

  // Only for inline_bytes and heap (and none: empty).
  std::span<const std::byte> bytes() const noexcept {
    if (kind_ == Kind::inline_bytes) return {inline_, size_};
    if (kind_ == Kind::heap) return {heap_, size_};
    return {};
  }
  std::byte* mutable_bytes() noexcept { return kind_ == Kind::inline_bytes ? inline_ : heap_; }
  // A copy; heap bytes are copied, a location is copied as a location.
  Value clone() const {
    switch (kind_) {
      case Kind::none:
        return {};
      case Kind::stored:
        return at(location_, framed_);
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
  [[gnu::always_inline]] void drop() noexcept {
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
    Location location_;
    Error* error_;
  };
};
static_assert(sizeof(Value) == 40);
static_assert(std::is_trivially_copyable_v<Location>);  // take() copies its bytes

}  // namespace manta::owner
