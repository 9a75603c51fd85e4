#include <manta/serial/reader.h>

#include <limits>
#include <set>
#include <unordered_map>

#include <manta/error.h>

#include "core/serial/references.h"

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

struct Reader::Tables {
  struct Shared {
    std::shared_ptr<void> pointer;
    const std::type_info* type;
  };
  std::vector<Shared> shared;  // by number - 1
  std::unordered_map<std::uint32_t, std::shared_ptr<void>> polymorphic_shared;
  std::unordered_map<std::uint32_t, std::string> polymorphic_names;
  std::set<std::pair<const void*, std::size_t>> virtual_bases;
  std::unordered_map<std::size_t, std::uint32_t> versions;
  std::vector<std::function<void()>> deferred;
};

Reader::Reader(std::span<const std::byte> bytes, bool framed, std::shared_ptr<const void> keepalive)
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

const std::byte* Reader::next_buffer(std::size_t size) {
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

Buffer Reader::get_buffer() { return get_block(get_size()); }

Buffer Reader::get_block(std::uint64_t size) {
  if (size == 0) return {};
  if (size > bytes_.size()) fail_short(size);
  const std::byte* data = view_bytes(size);
  const bool aligned = reinterpret_cast<std::uintptr_t>(data) % kBufferAlignment == 0;
  if (size < kOutOfBandBytes || !aligned || keepalive_ == nullptr) return copy_of(data, size);
  refers_ = true;
  return {data, size, keepalive_};
}

std::uint64_t Reader::get_long_size() {
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

std::size_t Reader::get_count(std::size_t bytes_each) {
  const std::uint64_t count = get_size();
  if (count > remaining() / bytes_each) [[unlikely]] {
    fail(std::to_string(count) + " elements where " + std::to_string(remaining()) + " bytes are left");
  }
  return count;
}

manta::detail::EntryHead* Reader::get_ref() {
  manta::detail::WireRef wire;
  get_raw(&wire.object.high, sizeof wire.object.high);
  get_raw(&wire.object.low, sizeof wire.object.low);
  get_raw(&wire.owner.value, sizeof wire.owner.value);
  if (!wire.object) return nullptr;
  ++refs_;
  return references().import_ref(wire);
}

void Reader::fail(const std::string& what) const {
  throw Error(ErrorCode::invalid_argument, "cannot decode a value: " + what + ", at offset " +
                                               std::to_string(cursor_ - bytes_.data()) + " of " +
                                               std::to_string(bytes_.size()));
}

void Reader::fail_short(std::size_t size) const {
  fail(std::to_string(size) + " bytes expected, " + std::to_string(remaining()) + " left");
}

void Reader::fail_left_over() const {
  fail(std::to_string(remaining()) + " bytes and " + std::to_string(buffers_left_) + " buffers left over");
}

void Reader::fail_deep() const { fail("nesting deeper than " + std::to_string(kMaxDepth)); }

void Reader::drop() { delete std::exchange(tables_, nullptr); }

Reader::Tables& Reader::tables() {
  if (tables_ == nullptr) tables_ = new Tables;
  return *tables_;
}

std::shared_ptr<void> Reader::find_shared(std::uint64_t number, const std::type_info& type) {
  const auto& shared = tables().shared;
  if (number == shared.size() + 1) return nullptr;
  if (number > shared.size()) fail("shared pointer number " + std::to_string(number));
  const Tables::Shared& found = shared[number - 1];
  if (*found.type != type) fail(std::string("a shared pointer to another type than ") + type.name());
  return found.pointer;
}

void Reader::add_shared(std::shared_ptr<void> pointer, const std::type_info& type) {
  tables().shared.push_back({std::move(pointer), &type});
}

std::shared_ptr<void> Reader::getSharedPointer(std::uint32_t id) {
  if (id == 0) return nullptr;
  const auto found = tables().polymorphic_shared.find(id);
  if (found == tables().polymorphic_shared.end()) fail("polymorphic pointer number " + std::to_string(id));
  return found->second;
}

void Reader::registerSharedPointer(std::uint32_t id, std::shared_ptr<void> pointer) {
  tables().polymorphic_shared[id & ~cereal::detail::msb_32bit] = std::move(pointer);
}

std::string Reader::getPolymorphicName(std::uint32_t id) {
  const auto found = tables().polymorphic_names.find(id);
  if (found == tables().polymorphic_names.end()) fail("polymorphic type number " + std::to_string(id));
  return found->second;
}

void Reader::registerPolymorphicName(std::uint32_t id, const std::string& name) {
  tables().polymorphic_names.emplace(id & ~cereal::detail::msb_32bit, name);
}

bool Reader::first_virtual_base(const void* base, std::size_t type_hash) {
  return tables().virtual_bases.emplace(base, type_hash).second;
}

const std::uint32_t* Reader::find_version(std::size_t type_hash) {
  const auto found = tables().versions.find(type_hash);
  return found == tables().versions.end() ? nullptr : &found->second;
}

void Reader::add_version(std::size_t type_hash, std::uint32_t version) { tables().versions[type_hash] = version; }

void Reader::defer(std::function<void()> read) { tables().deferred.push_back(std::move(read)); }

void Reader::serializeDeferments() {
  for (const auto& read : std::exchange(tables().deferred, {})) read();
}

}  // namespace manta::serial
