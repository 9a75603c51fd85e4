// A reference to a value that may not exist yet: the result of a task, or what was put.
#pragma once

#include <manta/detail/require_cpp20.h>

#include <atomic>
#include <cstddef>
#include <functional>
#include <type_traits>
#include <utility>

#include <manta/detail/runtime_api.h>
#include <manta/error.h>
#include <manta/serialize.h>

namespace manta {

/// Refers to a T that a task returns (void: only its completion) or that put() stored. The value is immutable.
///
/// A Ref is given to other tasks in place of the value, also before there is one, and travels inside values. The object
/// lives as long as any Ref to it, in any process.
///
/// **Threading**: like a std::shared_ptr: copies may be used on different threads, one Ref on one thread at a time.
/// **Ownership**: counts; 8 bytes. A default-constructed or moved-from Ref is empty and may only be assigned,
/// destroyed, compared and tested. **Errors**: using an empty one throws Error(invalid_argument).
///
///     manta::Ref<int> four = manta::remote<square>(2);
///     manta::Ref<int> sixteen = manta::remote<square>(four);
///     int value = manta::get(sixteen);
template <class T>
class Ref {
  static_assert(std::is_same_v<T, std::remove_cvref_t<T>>, "manta: a Ref refers to a plain type, without const or &");

 public:
  using value_type = T;

  constexpr Ref() noexcept = default;
  Ref(const Ref& other) noexcept : entry_(other.entry_) {
    if (entry_ != nullptr) detail::retain(entry_);
  }
  Ref(Ref&& other) noexcept : entry_(std::exchange(other.entry_, nullptr)) {}
  Ref& operator=(const Ref& other) noexcept {
    Ref(other).swap(*this);
    return *this;
  }
  Ref& operator=(Ref&& other) noexcept {
    Ref(std::move(other)).swap(*this);
    return *this;
  }
  ~Ref() {
    if (entry_ != nullptr) detail::release(entry_);
  }
  void swap(Ref& other) noexcept { std::swap(entry_, other.entry_); }

  /// False for an empty Ref.
  explicit operator bool() const noexcept { return entry_ != nullptr; }
  /// Whether the value (or its error) is known here, so that get() does not wait. Does not block.
  [[nodiscard]] bool ready() const { return entry().resolved.load(std::memory_order_acquire); }
  /// Whether both refer to the same object; its value is not looked at.
  friend bool operator==(const Ref& a, const Ref& b) noexcept { return a.entry_ == b.entry_; }

  /// For the runtime. Takes over one reference.
  static Ref adopt(detail::EntryHead* entry) noexcept {
    Ref ref;
    ref.entry_ = entry;
    return ref;
  }
  /// For the runtime. Throws if empty.
  detail::EntryHead& entry() const {
    if (entry_ == nullptr) [[unlikely]]
      detail::throw_empty_ref();
    return *entry_;
  }
  detail::EntryHead* entry_or_null() const noexcept { return entry_; }

 private:
  detail::EntryHead* entry_ = nullptr;
};

namespace detail {

template <class T>
inline constexpr bool is_ref = false;
template <class T>
inline constexpr bool is_ref<Ref<T>> = true;

}  // namespace detail

/// Inside a value, a Ref travels as the object's identity; a process that decodes it becomes a holder.
template <class T>
struct serial::Codec<Ref<T>> {
  static void save(Writer& writer, const Ref<T>& ref) { writer.put_ref(ref.entry_or_null()); }
  static void load(Reader& reader, Ref<T>& ref) { ref = Ref<T>::adopt(reader.get_ref()); }
};

}  // namespace manta

template <class T>
struct std::hash<manta::Ref<T>> {
  std::size_t operator()(const manta::Ref<T>& ref) const noexcept {
    return std::hash<const void*>()(ref.entry_or_null());
  }
};
