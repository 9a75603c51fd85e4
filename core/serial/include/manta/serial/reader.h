// Bytes to values.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <typeinfo>
#include <utility>
#include <vector>

#include <manta/buffer.h>
#include <manta/detail/entry.h>
#include <manta/serial/byte_reader.h>
#include <manta/serial/traits.h>

namespace manta::serial {

/// The input archive for what Writer wrote, used like any of cereal's: reader(a, b, c), or decode<T>(reader).
///
/// The bytes are not trusted (ByteReader): nesting is limited, too, and bools and indices are checked. One exception is
/// cereal's own code for *polymorphic* shared pointers, which believes the type of a repeated pointer.
///
/// **Threading**: one thread at a time. **Ownership**: as ByteReader. **Errors**: manta::Error with code
/// invalid_argument, saying what was expected and at which offset; values read so far are valid but unspecified, and
/// the reader can only be destroyed.
class Reader final : private cereal::MantaInputArchive, public ByteReader {
 public:
  using is_saving = std::false_type;
  using is_loading = std::true_type;

  using ByteReader::ByteReader;
  ~Reader() {
    if (tables_ != nullptr) [[unlikely]]
      drop();
  }
  /// Only before anything was read: to keep readers in a vector.
  Reader(Reader&&) = default;
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  template <class... Ts>
  Reader& operator()(Ts&&... values) {
    (process(values), ...);
    return *this;
  }
  template <class T>
  Reader& operator&(T&& value) {
    process(value);
    return *this;
  }
  template <class T>
  Reader& operator>>(T&& value) {
    process(value);
    return *this;
  }

  /// Number of refs that were read, null ones not counted.
  std::size_t refs() const { return refs_; }

  // --- for Codec specialisations and the front end ---

  /// The caller owns one reference of the result; null for a null ref.
  manta::detail::EntryHead* get_ref();

  // --- what cereal's headers call; not for users ---

  std::shared_ptr<void> getSharedPointer(std::uint32_t id);
  void registerSharedPointer(std::uint32_t id, std::shared_ptr<void> pointer);
  std::string getPolymorphicName(std::uint32_t id);
  void registerPolymorphicName(std::uint32_t id, const std::string& name);
  void serializeDeferments();
  template <class T>
  std::uint32_t loadClassVersion();

 private:
  struct Tables;

  // load.h
  template <class T>
  void process(T& value);
  template <class T>
  void read(T& value);  // not "load", which would hide the user's free functions of that name
  template <class T>
  void load_std(T& value);
  template <class T>
  void load_block(T& container);
  template <class T>
  void load_elements(T& container);
  template <class T>
  void load_element(T& container);
  template <class T>
  void load_variant(T& value);
  template <class T>
  void load_unique(T& pointer);
  template <class T>
  void load_shared(T& pointer);
  template <class T>
  void load_fields(T& value);
  template <class T>
  void load_own(T& value);
  template <class T>
  void call_own(T& value);
  bool load_bool();

  void enter() {
    if (++depth_ > kMaxDepth) [[unlikely]]
      fail_deep();
  }
  void leave() { --depth_; }

  [[noreturn]] void fail_deep() const;
  void drop();
  Tables& tables();
  // Object that a shared pointer's number stands for; null: a new one, which the caller passes to add_shared.
  std::shared_ptr<void> find_shared(std::uint64_t number, const std::type_info& type);
  void add_shared(std::shared_ptr<void> pointer, const std::type_info& type);
  bool first_virtual_base(const void* base, std::size_t type_hash);
  // The version of a class that was read before; null: the caller reads it and passes it to add_version.
  const std::uint32_t* find_version(std::size_t type_hash);
  void add_version(std::size_t type_hash, std::uint32_t version);
  void defer(std::function<void()> read);

  std::uint32_t depth_ = 0;
  std::size_t refs_ = 0;
  Tables* tables_ = nullptr;  // made when first needed, which is rare; hence null when moving
};

/// Reads a T, which must be default-constructible. Exceptions of its load function become manta::Error.
template <class T>
T decode(Reader& reader);

}  // namespace manta::serial

#include <manta/serial/load.h>
