#include "core/gpu/devices.h"

#include <dirent.h>

#include <algorithm>
#include <cctype>
#include <sstream>
#include <string_view>

#include "core/settings/read.h"

namespace manta::gpu {

namespace {

bool is_device_node(std::string_view name) {
  return name.size() > 6 && name.starts_with("nvidia") &&
         std::all_of(name.begin() + 6, name.end(), [](unsigned char c) { return std::isdigit(c) != 0; });
}

}  // namespace

std::vector<std::string> visible_devices() {
  std::vector<std::string> names;
  if (const char* visible = settings::foreign("CUDA_VISIBLE_DEVICES")) {
    std::istringstream list(visible);
    for (std::string name; std::getline(list, name, ',');) {
      std::erase(name, ' ');
      if (name.empty() || name.starts_with('-')) break;  // CUDA ignores what follows an invalid one
      names.push_back(name);
    }
    return names;
  }
  if (DIR* dir = ::opendir("/dev")) {
    std::size_t devices = 0;
    while (const dirent* entry = ::readdir(dir)) devices += is_device_node(entry->d_name);
    ::closedir(dir);
    for (std::size_t i = 0; i < devices; ++i) names.push_back(std::to_string(i));
  }
  return names;
}

}  // namespace manta::gpu
