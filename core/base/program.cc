#include "core/base/program.h"

#include <link.h>

#include <cstring>

namespace manta {

namespace {

// The program itself is the first module.
int hash_build_id(dl_phdr_info* info, std::size_t, void* result) {
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const auto& header = info->dlpi_phdr[i];
    if (header.p_type != PT_NOTE) continue;
    const auto* at = reinterpret_cast<const char*>(info->dlpi_addr + header.p_vaddr);
    const char* end = at + header.p_memsz;
    while (at + sizeof(ElfW(Nhdr)) <= end) {
      const auto* note = reinterpret_cast<const ElfW(Nhdr)*>(at);
      const char* name = at + sizeof *note;
      const char* content = name + (note->n_namesz + 3) / 4 * 4;
      at = content + (note->n_descsz + 3) / 4 * 4;
      if (note->n_type != NT_GNU_BUILD_ID || note->n_namesz != 4 || std::memcmp(name, "GNU", 4) != 0) continue;
      std::uint64_t hash = 14695981039346656037ULL;  // FNV-1a
      for (unsigned n = 0; n < note->n_descsz; ++n) {
        hash = (hash ^ static_cast<unsigned char>(content[n])) * 1099511628211ULL;
      }
      *static_cast<std::uint64_t*>(result) = hash;
      return 1;
    }
  }
  return 1;
}

}  // namespace

std::uint64_t program_id() {
  std::uint64_t hash = 0;
  ::dl_iterate_phdr(&hash_build_id, &hash);
  return hash;
}

}  // namespace manta
