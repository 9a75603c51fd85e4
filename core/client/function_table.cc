// FUNCTIONS-1: an entry's index is its place in the order of its own module's registrations, whatever else is loaded.
// FUNCTIONS-2: readers take no lock: slots are claimed once, chunks never move, the count is published last.
#include "core/client/function_table.h"

#include <link.h>

#include <array>
#include <atomic>
#include <bit>
#include <cstdio>
#include <cstring>

#include <manta/ids.h>

#include "core/base/mutex.h"

namespace manta::detail {
namespace {

constexpr std::size_t kMaxModules = 512;
constexpr std::size_t kFirstChunk = 64;  // chunk k holds kFirstChunk << k entries

using Cell = std::atomic<const FunctionEntry*>;

struct ModuleSlot {
  std::atomic<std::uint32_t> module{0};  // 0: free
  std::atomic<std::uint32_t> count{0};
  std::array<std::atomic<Cell*>, 27> chunks{};
};

// Constant-initialised: modules register while static variables are still being made. Twice as many slots as modules,
// so that probing ends soon.
constinit std::array<ModuleSlot, 2 * kMaxModules> slots{};
constinit Mutex registering;  // of modules; slots are atomic
constinit std::size_t modules_used MANTA_GUARDED_BY(registering) = 0;

struct Place {
  std::size_t chunk;
  std::size_t offset;
};
Place place_of(std::uint32_t index) {
  const auto chunk = static_cast<std::size_t>(std::bit_width(index / kFirstChunk + 1) - 1);
  return {chunk, index - kFirstChunk * ((std::size_t{1} << chunk) - 1)};
}

inline ModuleSlot* find_slot(std::uint32_t module) {
  for (std::size_t i = mix64(module);; ++i) {
    ModuleSlot& slot = slots[i % slots.size()];
    const std::uint32_t has = slot.module.load(std::memory_order_acquire);
    if (has == module) return &slot;
    if (has == 0) return nullptr;
  }
}

ModuleSlot& claim_slot(std::uint32_t module) MANTA_REQUIRES(registering) {
  if (ModuleSlot* known = find_slot(module)) return *known;
  if (modules_used == kMaxModules) {
    throw Error(ErrorCode::exhausted, "more than 512 libraries with remote functions were loaded in one process");
  }
  ++modules_used;
  std::size_t i = mix64(module);
  while (slots[i % slots.size()].module.load(std::memory_order_relaxed) != 0) ++i;
  ModuleSlot& slot = slots[i % slots.size()];
  slot.module.store(module, std::memory_order_release);
  return slot;
}

constexpr std::uint64_t kHashStart = 14695981039346656037ULL;

std::uint64_t hash_bytes(std::uint64_t hash, const void* data, std::size_t size) {  // FNV-1a
  const auto* bytes = static_cast<const unsigned char*>(data);
  for (std::size_t i = 0; i < size; ++i) hash = (hash ^ bytes[i]) * 1099511628211ULL;
  return hash;
}

struct ModuleSearch {
  ElfW(Addr) address;      // somewhere in the module
  std::uint64_t hash = 0;  // result
};

bool contains(const dl_phdr_info& info, ElfW(Addr) address) {
  for (int i = 0; i < info.dlpi_phnum; ++i) {
    const ElfW(Phdr)& header = info.dlpi_phdr[i];
    const ElfW(Addr) start = info.dlpi_addr + header.p_vaddr;
    if (header.p_type == PT_LOAD && address >= start && address - start < header.p_memsz) return true;
  }
  return false;
}

// The build id in one PT_NOTE segment; 0 if it has none.
std::uint64_t build_id_hash(const char* note, std::size_t size) {
  while (size >= sizeof(ElfW(Nhdr))) {
    ElfW(Nhdr) head;
    std::memcpy(&head, note, sizeof head);
    const std::size_t name_size = (std::size_t{head.n_namesz} + 3) & ~std::size_t{3};
    const std::size_t data_size = (std::size_t{head.n_descsz} + 3) & ~std::size_t{3};
    if (sizeof head + name_size + data_size > size) return 0;
    const char* name = note + sizeof head;
    if (head.n_type == NT_GNU_BUILD_ID && head.n_namesz == 4 && std::memcmp(name, "GNU", 4) == 0) {
      return hash_bytes(kHashStart, name + name_size, head.n_descsz);
    }
    note += sizeof head + name_size + data_size;
    size -= sizeof head + name_size + data_size;
  }
  return 0;
}

int hash_module(dl_phdr_info* info, std::size_t, void* argument) {
  auto& search = *static_cast<ModuleSearch*>(argument);
  if (!contains(*info, search.address)) return 0;
  for (int i = 0; i < info->dlpi_phnum && search.hash == 0; ++i) {
    const ElfW(Phdr)& header = info->dlpi_phdr[i];
    if (header.p_type != PT_NOTE) continue;
    search.hash = build_id_hash(reinterpret_cast<const char*>(info->dlpi_addr + header.p_vaddr), header.p_memsz);
  }
  // Linked without a build id: the code itself is the same in every process that loads this file.
  for (int i = 0; i < info->dlpi_phnum && search.hash == 0; ++i) {
    const ElfW(Phdr)& header = info->dlpi_phdr[i];
    if (header.p_type != PT_LOAD || (header.p_flags & PF_X) == 0) continue;
    search.hash =
        hash_bytes(kHashStart, reinterpret_cast<const void*>(info->dlpi_addr + header.p_vaddr), header.p_filesz);
  }
  return 1;
}

// Not 0.
std::uint32_t module_of(const void* object) {
  ModuleSearch search{reinterpret_cast<ElfW(Addr)>(object)};
  dl_iterate_phdr(hash_module, &search);
  return static_cast<std::uint32_t>(mix64(search.hash) >> 32) | 1;
}

}  // namespace

FunctionId ModuleTable::add(const FunctionEntry& entry) {
  const MutexLock lock(registering);
  if (module_ == 0) module_ = module_of(this);
  ModuleSlot& slot = claim_slot(module_);
  const std::uint32_t index = count_++;
  const FunctionId id{std::uint64_t{module_} << 32 | index};
  // Two copies of one library: what the first registered serves both.
  if (index < slot.count.load(std::memory_order_relaxed)) return id;
  const Place place = place_of(index);
  if (place.chunk >= slot.chunks.size()) throw Error(ErrorCode::exhausted, "too many remote functions in one library");
  Cell* chunk = slot.chunks[place.chunk].load(std::memory_order_relaxed);
  if (chunk == nullptr) {
    chunk = new Cell[kFirstChunk << place.chunk]();  // kept for ever: a reader may be in it
    slot.chunks[place.chunk].store(chunk, std::memory_order_release);
  }
  chunk[place.offset].store(&entry, std::memory_order_relaxed);
  slot.count.store(index + 1, std::memory_order_release);
  return id;
}

ModuleTable::~ModuleTable() {
  if (module_ == 0) return;
  const MutexLock lock(registering);
  if (ModuleSlot* slot = find_slot(module_)) slot->count.store(0, std::memory_order_release);
}

const FunctionEntry* find_function(FunctionId id) noexcept {
  const auto module = static_cast<std::uint32_t>(id.value >> 32);
  const auto index = static_cast<std::uint32_t>(id.value);
  if (module == 0) return nullptr;
  const ModuleSlot* slot = find_slot(module);
  if (slot == nullptr || index >= slot->count.load(std::memory_order_acquire)) return nullptr;
  const Place place = place_of(index);
  return slot->chunks[place.chunk].load(std::memory_order_acquire)[place.offset].load(std::memory_order_relaxed);
}

std::string name_of_function(FunctionId id) {
  const FunctionEntry* function = find_function(id);
  return function != nullptr ? std::string(function->name()) : "unknown";
}

Error unknown_function(FunctionId id) {
  char text[24];
  std::snprintf(text, sizeof text, "%08x:%u", static_cast<unsigned>(id.value >> 32), static_cast<unsigned>(id.value));
  const bool module_known = find_slot(static_cast<std::uint32_t>(id.value >> 32)) != nullptr;
  return Error(ErrorCode::not_found,
               std::string("function ") + text + " (module:index) is unknown in this process: " +
                   (module_known ? "its library was closed here"
                                 : "driver and worker are different programs, or the library that has the function was "
                                   "loaded by dlopen in one of them only") +
                   "; start workers from the driver's own file and load the same libraries in both");
}

}  // namespace manta::detail
