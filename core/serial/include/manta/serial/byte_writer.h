// The bytes of an encoding, written in order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include <manta/buffer.h>
#include <manta/serial/traits.h>

namespace manta::serial {

/// What Writer writes to: a stream of bytes, and the buffers beside it. What the bytes mean, Writer knows.
///
/// Small data is copied into the writer's own buffer (no allocation below kInlineBytes). Contiguous data of
/// kOutOfBandBytes and more is only recorded: encode_into makes the one copy.
///
/// **Threading**: one thread at a time. **Ownership**: borrows what it records, until encode_into. **Errors**:
/// encode_into throws Error(invalid_argument) where more than 4 GiB would stand beside large buffers.
class ByteWriter {
 public:
  static constexpr std::size_t kInlineBytes = 448;

  ByteWriter(const ByteWriter&) = delete;
  ByteWriter& operator=(const ByteWriter&) = delete;

  /// Bytes that encode_into writes.
  std::size_t encoded_size() const;
  /// Writes the encoding to dest (encoded_size() bytes; aligned to kBufferAlignment if readers are to share the
  /// buffers). Layout where framed(): u32 stream size, u32 number of buffers, u64 size of each buffer, the stream, then
  /// the buffers, each at the next multiple of kBufferAlignment from dest; gaps are zero. Otherwise the stream alone. A
  /// buffer that lies where it would be copied to stays as it is.
  void encode_into(std::byte* dest) const;
  /// Whether there is out-of-band data. The reader must be given this flag.
  bool framed() const { return !buffers_.empty(); }
  /// The whole encoding where !framed(); valid until the next write.
  std::span<const std::byte> stream() const { return {begin(), stream_size()}; }

  /// Copies size bytes into the stream.
  void put_raw(const void* data, std::size_t size) {
    if (static_cast<std::size_t>(end_ - cursor_) < size) [[unlikely]]
      grow(size);
    if (size != 0) std::memcpy(cursor_, data, size);
    cursor_ += size;
  }
  /// Contiguous data whose size the reader knows: out of band from kOutOfBandBytes, else in the stream.
  void put_bytes(const void* data, std::size_t size) {
    if (size < kOutOfBandBytes) {
      put_raw(data, size);
    } else {
      record(data, size);
    }
  }
  /// A buffer with its own owner: never copied before encode_into if it is out of band. Read with Reader::get_buffer.
  void put_buffer(Buffer buffer);
  /// An unsigned number, short where small: 7 bits a byte, low ones first.
  void put_size(std::uint64_t n) {
    if (n < 0x80) [[likely]] {
      const auto byte = static_cast<unsigned char>(n);
      put_raw(&byte, 1);
    } else {
      put_long_size(n);
    }
  }

 protected:
  ByteWriter() noexcept : cursor_(inline_), end_(inline_ + kInlineBytes) {}
  ~ByteWriter() = default;

  std::size_t stream_size() const { return static_cast<std::size_t>(cursor_ - begin()); }
  /// Zeros, until the stream has that size.
  void pad_to(std::size_t stream_size);
  /// Forgets the stream; keeps its memory, and the buffers.
  void rewind() { cursor_ = begin(); }
  void drop_buffers() { buffers_.clear(); }

  bool stable_ = true;  // whether what is being written lives until encode_into

 private:
  std::byte* begin() { return heap_ ? heap_.get() : inline_; }
  const std::byte* begin() const { return heap_ ? heap_.get() : inline_; }
  void grow(std::size_t size);
  void put_long_size(std::uint64_t n);
  void record(const void* data, std::size_t size);

  std::byte* cursor_;
  std::byte* end_;
  std::unique_ptr<std::byte[]> heap_;  // in use instead of inline_ once that was full
  std::vector<Buffer> buffers_;        // out of band, in order
  alignas(std::max_align_t) std::byte inline_[kInlineBytes];
};

}  // namespace manta::serial
