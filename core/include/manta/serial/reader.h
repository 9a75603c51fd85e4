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
#include <manta/detail/runtime_api.h>
#include <manta/serial/traits.h>

namespace manta::serial {

/// The input archive for what Writer wrote, used like any of cereal's: reader(a, b, c), or decode<T>(reader).
///
/// The bytes are not trusted: every read is checked against their end, no length is believed before it was compared
/// with what is there, nesting is limited, bools and indices are checked. Each byte of a frame is read once, so that
/// another process that writes to shared bytes meanwhile can give wrong values but do no other harm. (One exception is
/// cereal's own code for *polymorphic* shared pointers, which believes the type of a repeated pointer.)
///
/// **Threading**: one thread at a time. **Ownership**: the bytes must outlive the reader; buffers handed out share
/// keepalive, or are copies where that is null or the bytes do not start at a multiple of kBufferAlignment. **Errors**:
/// manta::Error with code invalid_argument, saying what was expected and at which offset; values read so far are valid
/// but unspecified, and the reader can only be destroyed.
class Reader final : private cereal::MantaInputArchive {
 public:
  using is_saving = std::false_type;
  using is_loading = std::true_type;

  /// framed as Writer::framed() said.
  explicit Reader(std::span<const std::byte> bytes, bool framed = false,
                  std::shared_ptr<const void> keepalive = nullptr);
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

  /// Throws unless everything was read.
  void finish() const {
    if (cursor_ != end_ || buffers_left_ != 0) [[unlikely]]
      fail_left_over();
  }
  /// Number of refs that were read, null ones not counted.
  std::size_t refs() const { return refs_; }
  /// Bytes of the stream that were not read yet.
  std::size_t remaining() const { return static_cast<std::size_t>(end_ - cursor_); }

  // --- for Codec specialisations and the front end ---

  void get_raw(void* data, std::size_t size) {
    if (remaining() < size) [[unlikely]]
      fail_short(size);
    if (size != 0) std::memcpy(data, cursor_, size);
    cursor_ += size;
  }
  /// The counterpart of Writer::put_bytes.
  void get_bytes(void* data, std::size_t size) {
    if (size < kOutOfBandBytes) {
      get_raw(data, size);
    } else {
      std::memcpy(data, next_buffer(size), size);
    }
  }
  /// The same, in place; checked to be there. Not aligned where size < kOutOfBandBytes.
  const std::byte* view_bytes(std::size_t size) {
    if (size >= kOutOfBandBytes) return next_buffer(size);
    if (remaining() < size) [[unlikely]]
      fail_short(size);
    return std::exchange(cursor_, cursor_ + size);
  }
  /// The counterpart of Writer::put_buffer; aligned to kBufferAlignment.
  Buffer get_buffer();
  /// The counterpart of Writer::put_bytes, like get_buffer: in place if it is out of band and kept, else a copy.
  Buffer get_block(std::uint64_t size);
  /// Whether what was read refers to the bytes that are read.
  bool refers() const { return refers_; }
  /// The counterpart of Writer::put_size.
  std::uint64_t get_size() {
    if (cursor_ != end_) [[likely]] {
      const auto byte = static_cast<std::uint8_t>(*cursor_);
      if (byte < 0x80) [[likely]] {
        ++cursor_;
        return byte;
      }
    }
    return get_long_size();
  }
  /// A size that counts things of at least bytes_each bytes (1 or more) that are still to be read.
  std::size_t get_count(std::size_t bytes_each = 1);
  /// The caller owns one reference of the result; null for a null ref.
  manta::detail::EntryHead* get_ref();

  /// Throws the error of a malformed encoding: what was wrong, with the place.
  [[noreturn]] void fail(const std::string& what) const;

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

  void skip(std::size_t size) {
    if (remaining() < size) [[unlikely]]
      fail_short(size);
    cursor_ += size;
  }
  const std::byte* next_buffer(std::size_t size);
  std::uint64_t get_long_size();
  [[noreturn]] void fail_short(std::size_t size) const;
  [[noreturn]] void fail_left_over() const;
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

  std::span<const std::byte> bytes_;
  const std::byte* cursor_;
  const std::byte* end_;  // of the stream
  std::uint32_t depth_ = 0;
  std::uint32_t buffers_left_ = 0;
  std::size_t sizes_offset_ = 0;   // of the next buffer's size in the frame
  std::size_t buffer_offset_ = 0;  // of the next buffer
  std::size_t refs_ = 0;
  bool refers_ = false;
  std::shared_ptr<const void> keepalive_;
  Tables* tables_ = nullptr;  // made when first needed, which is rare; hence null when moving
};

/// Reads a T, which must be default-constructible. Exceptions of its load function become manta::Error.
template <class T>
T decode(Reader& reader);

}  // namespace manta::serial

#include <manta/serial/load.h>
