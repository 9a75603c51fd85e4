#include <manta/serial/byte_reader.h>

#include <manta/error.h>

namespace manta::serial {
namespace {

constexpr std::size_t kFrameHead = 2 * sizeof(std::uint32_t);

constexpr std::size_t align_up(std::size_t n) { return (n + kBufferAlignment - 1) & ~(kBufferAlignment - 1); }

Buffer copy_of(const std::byte* data, std::size_t size) {
  struct alignas(kBufferAlignment) Line {
    std::byte bytes[kBufferAlignment];
  };
  auto lines = std::make_shared_for_overwrite<Line[]>(align_up(size) / kBufferAlignment);
  std::memcpy(lines.get(), data, size);
  return {lines[0].bytes, size, std::move(lines)};
}

template <class T>
T read_as(const std::byte* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

}  // namespace

ByteReader::ByteReader(std::span<const std::byte> bytes, bool framed, std::shared_ptr<const void> keepalive)
    : bytes_(bytes), cursor_(bytes.data()), end_(bytes.data() + bytes.size()), keepalive_(std::move(keepalive)) {
  if (!framed) return;
  if (bytes.size() < kFrameHead) fail("a frame of " + std::to_string(bytes.size()) + " bytes");
  const std::size_t stream_size = read_as<std::uint32_t>(bytes.data());
  const auto buffers = read_as<std::uint32_t>(bytes.data() + sizeof(std::uint32_t));
  // Both are far below 2^64: no overflow below.
  const std::size_t stream_offset = kFrameHead + std::size_t{buffers} * sizeof(std::uint64_t);
  if (stream_offset + stream_size > bytes.size()) {
    fail("a frame of " + std::to_string(stream_size) + " bytes and " + std::to_string(buffers) + " buffers in " +
         std::to_string(bytes.size()) + " bytes");
  }
  buffers_left_ = buffers;
  sizes_offset_ = kFrameHead;
  buffer_offset_ = align_up(stream_offset + stream_size);
  cursor_ = bytes.data() + stream_offset;
  end_ = cursor_ + stream_size;
}

const std::byte* ByteReader::next_buffer(std::size_t size) {
  if (buffers_left_ == 0) fail("no buffer for " + std::to_string(size) + " bytes");
  const auto has = read_as<std::uint64_t>(bytes_.data() + sizes_offset_);
  if (has != size) fail("a buffer of " + std::to_string(has) + " bytes instead of " + std::to_string(size));
  if (buffer_offset_ > bytes_.size() || size > bytes_.size() - buffer_offset_) {
    fail("a buffer of " + std::to_string(size) + " bytes at offset " + std::to_string(buffer_offset_) + " of " +
         std::to_string(bytes_.size()));
  }
  const std::byte* data = bytes_.data() + buffer_offset_;
  --buffers_left_;
  sizes_offset_ += sizeof(std::uint64_t);
  buffer_offset_ = align_up(buffer_offset_ + size);
  return data;
}

Buffer ByteReader::get_buffer() { return get_block(get_size()); }

Buffer ByteReader::get_block(std::uint64_t size) {
  if (size == 0) return {};
  if (size > bytes_.size()) fail_short(size);
  const std::byte* data = view_bytes(size);
  const bool aligned = reinterpret_cast<std::uintptr_t>(data) % kBufferAlignment == 0;
  if (size < kOutOfBandBytes || !aligned || keepalive_ == nullptr) return copy_of(data, size);
  refers_ = true;
  return {data, size, keepalive_};
}

std::uint64_t ByteReader::get_long_size() {
  std::uint64_t n = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    std::uint8_t byte = 0;
    get_raw(&byte, 1);
    if (shift == 63 && byte > 1) break;
    n |= std::uint64_t{byte & 0x7fu} << shift;
    if (byte < 0x80) return n;
  }
  fail("a size of more than 64 bits");
}

std::size_t ByteReader::get_count(std::size_t bytes_each) {
  const std::uint64_t count = get_size();
  if (count > remaining() / bytes_each) [[unlikely]] {
    fail(std::to_string(count) + " elements where " + std::to_string(remaining()) + " bytes are left");
  }
  return count;
}

void ByteReader::fail(const std::string& what) const {
  throw Error(ErrorCode::invalid_argument, "cannot decode a value: " + what + ", at offset " +
                                               std::to_string(cursor_ - bytes_.data()) + " of " +
                                               std::to_string(bytes_.size()));
}

void ByteReader::fail_short(std::size_t size) const {
  fail(std::to_string(size) + " bytes expected, " + std::to_string(remaining()) + " left");
}

void ByteReader::fail_left_over() const {
  fail(std::to_string(remaining()) + " bytes and " + std::to_string(buffers_left_) + " buffers left over");
}

}  // namespace manta::serial
