#include <manta/serial/writer.h>

#include <algorithm>
#include <limits>
#include <map>
#include <set>
#include <typeindex>
#include <unordered_map>
#include <unordered_set>

#include <manta/error.h>

#include "core/serial/references.h"

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

// What only some values need: shared and polymorphic pointers, virtual bases, versions, deferments.
struct Writer::Tables {
  // Keyed by type too: a struct and its first member have one address. The pointers are kept, so that no address is
  // used again while its number is known.
  std::map<std::pair<const void*, std::type_index>, std::uint32_t> shared;
  std::unordered_map<const void*, std::uint32_t> polymorphic_shared;
  std::vector<std::shared_ptr<const void>> kept;
  std::map<std::string, std::uint32_t, std::less<>> polymorphic_names;
  std::set<std::pair<const void*, std::size_t>> virtual_bases;
  std::unordered_set<std::size_t> versions;
  std::vector<std::function<void()>> deferred;
};

std::size_t Writer::encoded_size() const {
  if (!framed()) return stream_size();
  std::size_t size = kFrameHead + buffers_.size() * sizeof(std::uint64_t) + stream_size();
  for (const Buffer& buffer : buffers_) size = align_up(size) + buffer.size_bytes;
  return size;
}

void Writer::encode_into(std::byte* dest) const {
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

void Writer::put_buffer(Buffer buffer) {
  put_size(buffer.size_bytes);
  if (buffer.size_bytes < kOutOfBandBytes) {
    put_raw(buffer.data, buffer.size_bytes);
  } else if (buffer.keepalive != nullptr || stable_) {
    buffers_.push_back(std::move(buffer));
  } else {
    record(buffer.data, buffer.size_bytes);
  }
}

void Writer::record(const void* data, std::size_t size) {
  if (stable_) {
    buffers_.push_back({static_cast<const std::byte*>(data), size, nullptr});
  } else {
    buffers_.push_back(copy_of(data, size));
  }
}

void Writer::put_ref(manta::detail::EntryHead* entry) {
  manta::detail::WireRef wire;
  if (entry != nullptr) {
    wire = references().export_ref(entry);
    refs_.push_back(entry);
    manta::detail::retain(entry);
  }
  put_raw(&wire.object.high, sizeof wire.object.high);
  put_raw(&wire.object.low, sizeof wire.object.low);
  put_raw(&wire.owner.value, sizeof wire.owner.value);
}

void Writer::put_long_size(std::uint64_t n) {
  unsigned char bytes[10];
  std::size_t count = 0;
  for (; n >= 0x80; n >>= 7) bytes[count++] = static_cast<unsigned char>(n) | 0x80;
  bytes[count++] = static_cast<unsigned char>(n);
  put_raw(bytes, count);
}

void Writer::pad_to(std::size_t size) {
  constexpr std::byte kZeros[64] = {};
  while (stream_size() < size) put_raw(kZeros, std::min(sizeof kZeros, size - stream_size()));
}

void Writer::grow(std::size_t size) {
  const std::size_t used = stream_size();
  const std::size_t capacity = std::max(2 * static_cast<std::size_t>(end_ - begin()), used + size);
  auto larger = std::make_unique_for_overwrite<std::byte[]>(capacity);
  std::memcpy(larger.get(), begin(), used);
  heap_ = std::move(larger);
  cursor_ = heap_.get() + used;
  end_ = heap_.get() + capacity;
}

void Writer::drop() {
  buffers_.clear();  // before what they may lie in
  drop_kept();
  for (manta::detail::EntryHead* entry : std::exchange(refs_, {})) references().release(entry);
  delete std::exchange(tables_, nullptr);
}

void Writer::drop_kept() {
  if (const auto destroy = std::exchange(destroy_, nullptr)) destroy(kept_);
}

void Writer::too_deep() {
  throw Error(ErrorCode::invalid_argument,
              "a value nests deeper than " + std::to_string(kMaxDepth) +
                  " pointers, containers and classes; serialise long chains as a sequence");
}

void Writer::refuse_valueless() {
  throw Error(ErrorCode::invalid_argument, "a std::variant that lost its value to an exception cannot be serialised");
}

Writer::Tables& Writer::tables() {
  if (tables_ == nullptr) tables_ = new Tables;
  return *tables_;
}

std::pair<std::uint32_t, bool> Writer::number_shared(std::shared_ptr<const void> pointer, const std::type_info& type) {
  Tables& t = tables();
  const auto next = static_cast<std::uint32_t>(t.shared.size() + 1);
  const auto [place, is_new] = t.shared.try_emplace({pointer.get(), type}, next);
  if (is_new) t.kept.push_back(std::move(pointer));
  return {place->second, is_new};
}

std::uint32_t Writer::registerSharedPointer(const std::shared_ptr<const void>& pointer) {
  if (pointer == nullptr) return 0;
  Tables& t = tables();
  const auto next = static_cast<std::uint32_t>(t.polymorphic_shared.size() + 1);
  const auto [place, is_new] = t.polymorphic_shared.try_emplace(pointer.get(), next);
  if (!is_new) return place->second;
  t.kept.push_back(pointer);
  return next | cereal::detail::msb_32bit;
}

std::uint32_t Writer::registerPolymorphicType(const char* name) {
  Tables& t = tables();
  const auto next = static_cast<std::uint32_t>(t.polymorphic_names.size() + 1);
  const auto [place, is_new] = t.polymorphic_names.try_emplace(name, next);
  return is_new ? next | cereal::detail::msb_32bit : place->second;
}

bool Writer::first_virtual_base(const void* base, std::size_t type_hash) {
  return tables().virtual_bases.emplace(base, type_hash).second;
}

bool Writer::first_version(std::size_t type_hash) { return tables().versions.insert(type_hash).second; }

void Writer::defer(std::function<void()> write) { tables().deferred.push_back(std::move(write)); }

void Writer::serializeDeferments() {
  for (const auto& write : std::exchange(tables().deferred, {})) write();
}

}  // namespace manta::serial
