// The bytes of an encoding, read in order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include <manta/buffer.h>
#include <manta/serial/traits.h>

namespace manta::serial {

/// What Reader reads from: a stream of bytes, and the buffers beside it. What the bytes mean, Reader knows.
///
/// The bytes are not trusted: every read is checked against their end, no length is believed before it was compared
/// with what is there. Each byte of a frame is read once, so that another process that writes to shared bytes meanwhile
/// can give wrong values but do no other harm.
///
/// **Threading**: one thread at a time. **Ownership**: the bytes must outlive the reader; buffers handed out share
/// keepalive, or are copies where that is null or the bytes do not start at a multiple of kBufferAlignment. **Errors**:
/// manta::Error with code invalid_argument, saying what was expected and at which offset; afterwards the reader can
/// only be destroyed.
class ByteReader {
 public:
  /// framed as Writer::framed() said.
  explicit ByteReader(std::span<const std::byte> bytes, bool framed = false,
                      std::shared_ptr<const void> keepalive = nullptr);

  /// Throws unless everything was read.
  void finish() const {
    if (cursor_ != end_ || buffers_left_ != 0) [[unlikely]]
      fail_left_over();
  }
  /// Bytes of the stream that were not read yet.
  std::size_t remaining() const { return static_cast<std::size_t>(end_ - cursor_); }
  /// Whether what was read refers to the bytes that are read.
  bool refers() const { return refers_; }

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

  /// Throws the error of a malformed encoding: what was wrong, with the place.
  [[noreturn]] void fail(const std::string& what) const;

 protected:
  /// Of the whole encoding, buffers included: a bound on every size in it.
  std::size_t total() const { return bytes_.size(); }
  const std::byte* cursor() const { return cursor_; }
  void skip(std::size_t size) {
    if (remaining() < size) [[unlikely]]
      fail_short(size);
    cursor_ += size;
  }

 private:
  const std::byte* next_buffer(std::size_t size);
  std::uint64_t get_long_size();
  [[noreturn]] void fail_short(std::size_t size) const;
  [[noreturn]] void fail_left_over() const;

  std::span<const std::byte> bytes_;
  const std::byte* cursor_;
  const std::byte* end_;  // of the stream
  std::uint32_t buffers_left_ = 0;
  bool refers_ = false;
  std::size_t sizes_offset_ = 0;   // of the next buffer's size in the frame
  std::size_t buffer_offset_ = 0;  // of the next buffer
  std::shared_ptr<const void> keepalive_;
};

}  // namespace manta::serial
