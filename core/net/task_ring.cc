#include "core/net/task_ring.h"

#include <sys/stat.h>

#include <cstddef>
#include <string>

#include "core/net/shared_memory.h"

namespace manta::net {
namespace {

static_assert(std::atomic<RecordState>::is_always_lock_free && sizeof(std::atomic<RecordState>) == 4);
static_assert(offsetof(Record, payload) + Record::kPayloadBytes == sizeof(Record));
static_assert((kRingRecords & (kRingRecords - 1)) == 0, "positions wrap by masking");

Result<RingMemory*> map_ring(int fd) {
  return map_memory(fd, RingMemory::bytes(), Mapping::shared).map([](std::byte* base) {
    return reinterpret_cast<RingMemory*>(base);
  });
}

}  // namespace

Result<RingMemory*> RingMemory::create(int fd) {
  struct stat status {};
  if (::fstat(fd, &status) == 0 && status.st_size == 0) (void)::ftruncate(fd, static_cast<off_t>(bytes()));
  auto size_bytes = fixed_size_of(fd);
  if (!size_bytes) return tl::make_unexpected(size_bytes.error().with_context("ring"));
  if (*size_bytes < bytes()) return fail(ErrorCode::invalid_argument, "ring: the memory is too small");
  auto memory = map_ring(fd);
  if (memory) {
    (*memory)->magic = kMagic;
    (*memory)->version = RingMemory::kVersion;
    (*memory)->records = kRingRecords;
  }
  return memory;
}

Result<RingMemory*> RingMemory::attach(int fd) {
  auto size_bytes = fixed_size_of(fd);
  if (!size_bytes) return tl::make_unexpected(size_bytes.error().with_context("ring"));
  if (*size_bytes < bytes()) {
    return fail(ErrorCode::invalid_argument, "ring: memory of " + std::to_string(*size_bytes) + " bytes, " +
                                                 std::to_string(bytes()) + " are needed");
  }
  auto memory = map_ring(fd);
  if (!memory) return memory;
  const RingMemory& ring = **memory;
  std::string wrong;
  if (ring.magic != kMagic) {
    wrong = "the memory holds no ring";
  } else if (ring.version != RingMemory::kVersion || ring.records != kRingRecords) {
    wrong = "version " + std::to_string(ring.version) + " with " + std::to_string(ring.records) +
            " records; this program speaks version " + std::to_string(RingMemory::kVersion) + " with " +
            std::to_string(kRingRecords);
  }
  if (wrong.empty()) return memory;
  unmap(*memory);
  return fail(ErrorCode::invalid_argument, "ring: " + wrong);
}

void RingMemory::unmap(RingMemory* memory) noexcept { unmap_memory(memory, bytes()); }

Error detail::bad_payload(std::uint32_t kind, std::uint32_t size_bytes) {
  return Error(ErrorCode::invalid_argument, "record from a peer: kind " + std::to_string(kind) + " with " +
                                                std::to_string(size_bytes) + " bytes cannot be (at most " +
                                                std::to_string(Record::kPayloadBytes) + ")");
}

}  // namespace manta::net
