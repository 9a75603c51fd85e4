#include "core/base/program.h"

#include <link.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <vector>

namespace manta {

namespace {

constexpr std::uint64_t kHashStart = 14695981039346656037ULL, kHashFactor = 1099511628211ULL;  // FNV-1a

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
      std::uint64_t hash = kHashStart;
      for (unsigned n = 0; n < note->n_descsz; ++n) {
        hash = (hash ^ static_cast<unsigned char>(content[n])) * kHashFactor;
      }
      *static_cast<std::uint64_t*>(result) = hash;
      return 1;
    }
  }
  return 1;
}

std::uint64_t hash_of_file(const char* path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return 0;
  std::uint64_t hash = kHashStart;
  std::vector<std::uint64_t> words(1 << 17);
  while (file) {
    std::fill(words.begin(), words.end(), 0);
    file.read(reinterpret_cast<char*>(words.data()), static_cast<std::streamsize>(words.size() * sizeof words[0]));
    const auto read = static_cast<std::size_t>(file.gcount());
    for (std::size_t n = 0; n < (read + 7) / 8; ++n) hash = (hash ^ words[n]) * kHashFactor;
    hash = (hash ^ read) * kHashFactor;
  }
  return hash == 0 ? 1 : hash;
}

}  // namespace

std::uint64_t program_id() {
  static const std::uint64_t id = [] {
    std::uint64_t hash = 0;
    ::dl_iterate_phdr(&hash_build_id, &hash);
    return hash != 0 ? hash : hash_of_file("/proc/self/exe");
  }();
  return id;
}

}  // namespace manta
