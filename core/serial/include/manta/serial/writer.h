// Values to bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <new>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include <manta/buffer.h>
#include <manta/detail/entry.h>
#include <manta/serial/byte_writer.h>
#include <manta/serial/traits.h>

namespace manta::serial {

/// An output archive, used like any of cereal's: writer(a, b, c).
///
/// Small data is copied into the writer's own buffer (no allocation below kInlineBytes). Contiguous data of
/// kOutOfBandBytes and more (strings, vectors and arrays of plain numbers or structs, cereal::binary_data, put_buffer)
/// is only recorded: encode_into makes the one copy. So **what was written must stay alive and unchanged until
/// encode_into** or clear(). Data that a user's own save() or serialize() makes on the way (a local, a temporary) is
/// recognised because it does not lie inside the object, and copied at once; the same goes for what hangs behind a
/// pointer there. A class with a large block behind a pointer passes it without a copy by put_buffer.
///
/// **Threading**: one thread at a time. **Ownership**: holds the entry of each manta::Ref that was written (refs()),
/// and what emplace() made, until clear() or its own end; borrows the rest. **Errors**: manta::Error where a value
/// nests deeper than kMaxDepth, and whatever the user's functions throw; then only clear() and the destructor may be
/// called.
///
///     serial::Writer writer;
///     writer(number, text, tensor_like);
///     std::vector<std::byte> bytes(writer.encoded_size());
///     writer.encode_into(bytes.data());
class Writer final : private cereal::MantaOutputArchive, public ByteWriter {
 public:
  using is_saving = std::true_type;
  using is_loading = std::false_type;

  Writer() noexcept = default;
  ~Writer() { clear(); }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  template <class... Ts>
  Writer& operator()(Ts&&... values) {
    (process(std::forward<Ts>(values)), ...);
    return *this;
  }
  template <class T>
  Writer& operator&(T&& value) {
    process(std::forward<T>(value));
    return *this;
  }
  template <class T>
  Writer& operator<<(T&& value) {
    process(std::forward<T>(value));
    return *this;
  }

  /// Entries of the refs that were written, in order, repeated where they were; each is held.
  std::span<manta::detail::EntryHead* const> refs() const { return refs_; }
  /// Moves the holds to the caller, which must release each.
  std::vector<manta::detail::EntryHead*> take_refs() { return std::exchange(refs_, {}); }

  /// Forgets everything written and held; keeps the buffer's memory.
  void clear() {
    rewind();
    if (framed() || !refs_.empty() || destroy_ != nullptr || tables_ != nullptr) [[unlikely]]
      drop();
    stable_ = true;
    depth_ = 0;
    scope_ = {};
  }

  // --- for Codec specialisations and the front end ---

  /// A reference, null included; the entry is held.
  void put_ref(manta::detail::EntryHead* entry);

  /// Constructs make()'s value in the writer, which keeps it until clear(): a result that must outlive the function
  /// that made it. One value at a time.
  template <class Make>
  auto& emplace(Make&& make) {
    using T = std::remove_cv_t<std::invoke_result_t<Make>>;
    static_assert(!std::is_reference_v<T>);
    if (destroy_ != nullptr) drop_kept();
    if constexpr (sizeof(T) <= kKeptBytes && alignof(T) <= alignof(std::max_align_t)) {
      T* value = ::new (static_cast<void*>(kept_)) T(std::forward<Make>(make)());
      destroy_ = [](std::byte* place) { std::launder(reinterpret_cast<T*>(place))->~T(); };
      return *value;
    } else {
      T* value = new T(std::forward<Make>(make)());
      std::memcpy(kept_, &value, sizeof value);
      destroy_ = [](std::byte* place) {
        T* kept = nullptr;
        std::memcpy(&kept, place, sizeof kept);
        delete kept;
      };
      return *value;
    }
  }

  // --- what cereal's headers call; not for users ---

  std::uint32_t registerSharedPointer(const std::shared_ptr<const void>& pointer);
  std::uint32_t registerPolymorphicType(const char* name);
  void serializeDeferments();

 private:
  static constexpr std::size_t kKeptBytes = 96;
  // Addresses [begin, end) of the object whose own function is running; empty: no such function is.
  struct Scope {
    const void* begin = nullptr;
    const void* end = nullptr;
  };
  struct Tables;

  // save.h
  template <class T>
  void process(T&& value) {
    pass<std::is_lvalue_reference_v<T>>(std::as_const(value));
  }
  template <bool IsLvalue, class T>
  void pass(const T& value);
  template <class T>
  void write(const T& value);  // not "save", which would hide the user's free functions of that name
  template <class T>
  void save_std(const T& value);
  template <class T>
  void save_fields(const T& value);
  template <class T>
  void save_own(const T& value);
  template <class T>
  void call_own(const T& value);
  template <class T>
  void save_elements(const T& container);
  template <class T>
  void save_unique(const T& pointer);
  template <class T>
  void save_shared(const T& pointer);
  template <class T>
  std::uint32_t class_version();

  bool in_scope(const void* p) const {
    return scope_.end == nullptr || (std::less_equal<>()(scope_.begin, p) && std::less<>()(p, scope_.end));
  }

  void enter() {
    if (++depth_ > kMaxDepth) [[unlikely]]
      too_deep();
  }
  void leave() { --depth_; }
  void drop();
  void drop_kept();
  [[noreturn]] static void too_deep();
  [[noreturn]] static void refuse_valueless();
  Tables& tables();
  // Number of a shared object, from 1; true where it is new.
  std::pair<std::uint32_t, bool> number_shared(std::shared_ptr<const void> pointer, const std::type_info& type);
  bool first_virtual_base(const void* base, std::size_t type_hash);
  bool first_version(std::size_t type_hash);
  void defer(std::function<void()> write);

  std::uint32_t depth_ = 0;
  Scope scope_;
  std::vector<manta::detail::EntryHead*> refs_;
  void (*destroy_)(std::byte*) = nullptr;  // of the value in kept_ (or of the pointer to it there)
  Tables* tables_ = nullptr;               // made when first needed, which is rare
  alignas(std::max_align_t) std::byte kept_[kKeptBytes];
};

}  // namespace manta::serial

#include <manta/serial/save.h>
