#include <manta/serial/byte_writer.h>

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include <manta/error.h>

namespace manta::serial {
namespace {

constexpr std::size_t kFrameHead = 2 * sizeof(std::uint32_t);

constexpr std::size_t align_up(std::size_t n) { return (n + kBufferAlignment - 1) & ~(kBufferAlignment - 1); }

// A block that starts at a multiple of kBufferAlignment, with its owner.
Buffer copy_of(const void* data, std::size_t size) {
  struct alignas(kBufferAlignment) Line {
    std::byte bytes[kBufferAlignment];
  };
  auto lines = std::make_shared_for_overwrite<Line[]>(align_up(size) / kBufferAlignment);
  std::memcpy(lines.get(), data, size);
  return {lines[0].bytes, size, std::move(lines)};
}

}  // namespace

std::size_t ByteWriter::encoded_size() const {
  if (!framed()) return stream_size();
  std::size_t size = kFrameHead + buffers_.size() * sizeof(std::uint64_t) + stream_size();
  for (const Buffer& buffer : buffers_) size = align_up(size) + buffer.size_bytes;
  return size;
}

void ByteWriter::encode_into(std::byte* dest) const {
  const auto append = [&dest](const void* data, std::size_t size) {
    std::memcpy(dest, data, size);
    dest += size;
  };
  if (!framed()) return append(begin(), stream_size());

  constexpr std::size_t kMax = std::numeric_limits<std::uint32_t>::max();
  if (stream_size() > kMax || buffers_.size() > kMax) {
    throw Error(ErrorCode::invalid_argument,
                "a value with large buffers has more than 4 GiB of other data; divide it into several objects");
  }
  const std::byte* const start = dest;
  const auto head = {static_cast<std::uint32_t>(stream_size()), static_cast<std::uint32_t>(buffers_.size())};
  append(head.begin(), kFrameHead);
  for (const Buffer& buffer : buffers_) {
    const std::uint64_t size = buffer.size_bytes;
    append(&size, sizeof size);
  }
  append(begin(), stream_size());
  for (const Buffer& buffer : buffers_) {
    const auto used = static_cast<std::size_t>(dest - start);
    const std::size_t gap = align_up(used) - used;
    std::memset(dest, 0, gap);  // never what the memory held before
    dest += gap;
    if (buffer.data == dest) {
      dest += buffer.size_bytes;  // made in place
    } else {
      append(buffer.data, buffer.size_bytes);
    }
  }
}

void ByteWriter::put_buffer(Buffer buffer) {
  put_size(buffer.size_bytes);
  if (buffer.size_bytes < kOutOfBandBytes) {
    put_raw(buffer.data, buffer.size_bytes);
  } else if (buffer.keepalive != nullptr || stable_) {
    buffers_.push_back(std::move(buffer));
  } else {
    record(buffer.data, buffer.size_bytes);
  }
}

void ByteWriter::record(const void* data, std::size_t size) {
  if (stable_) {
    buffers_.push_back({static_cast<const std::byte*>(data), size, nullptr});
  } else {
    buffers_.push_back(copy_of(data, size));
  }
}

void ByteWriter::put_long_size(std::uint64_t n) {
  unsigned char bytes[10];
  std::size_t count = 0;
  for (; n >= 0x80; n >>= 7) bytes[count++] = static_cast<unsigned char>(n) | 0x80;
  bytes[count++] = static_cast<unsigned char>(n);
  put_raw(bytes, count);
}

void ByteWriter::pad_to(std::size_t size) {
  constexpr std::byte kZeros[64] = {};
  while (stream_size() < size) put_raw(kZeros, std::min(sizeof kZeros, size - stream_size()));
}

void ByteWriter::grow(std::size_t size) {
  const std::size_t used = stream_size();
  const std::size_t capacity = std::max(2 * static_cast<std::size_t>(end_ - begin()), used + size);
  auto larger = std::make_unique_for_overwrite<std::byte[]>(capacity);
  std::memcpy(larger.get(), begin(), used);
  heap_ = std::move(larger);
  cursor_ = heap_.get() + used;
  end_ = heap_.get() + capacity;
}

}  // namespace manta::serial
