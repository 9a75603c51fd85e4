#include "rl/env/mujoco_library.h"

#include <dlfcn.h>

#include <string>
#include <vector>

#include <manta/detail/setting.h>
#include <manta/error.h>

namespace manta::rl {
namespace {

[[noreturn]] void refuse(const std::string& what) {
  throw Error(ErrorCode::unavailable, "MuJoCo, for HalfCheetah-v5: " + what +
                                          " Next: run cmake/deps.sh rl, or set MANTA_MUJOCO_LIBRARY to the path of a "
                                          "libmujoco.so of version " +
                                          std::to_string(mjVERSION_HEADER) + ".");
}

void* open_library() {
  const std::string built_with = MANTA_MUJOCO_BUILT_WITH;
  std::vector<std::string> places{built_with, built_with.substr(built_with.rfind('/') + 1)};
  if (const std::string chosen = detail::text_setting("MANTA_MUJOCO_LIBRARY"); !chosen.empty()) places = {chosen};
  std::string tried;
  for (const std::string& place : places) {
    if (void* library = ::dlopen(place.c_str(), RTLD_NOW | RTLD_LOCAL)) return library;
    const char* why = ::dlerror();
    tried += (tried.empty() ? "" : "; ") + std::string(why != nullptr ? why : place);
  }
  refuse("its library could not be loaded (" + tried + ").");
}

template <class Symbol>
void find(void* library, const char* name, Symbol& symbol) {
  symbol = reinterpret_cast<Symbol>(::dlsym(library, name));
  if (symbol == nullptr) refuse(std::string("the library found here has no ") + name + ".");
}

MujocoLibrary load() {
  void* library = open_library();
  MujocoLibrary found{};
  find(library, "mj_version", found.version);
  if (found.version() != mjVERSION_HEADER) {
    refuse("the library found here is of version " + std::to_string(found.version()) + ", and Manta was built with " +
           std::to_string(mjVERSION_HEADER) + ".");
  }
  find(library, "mj_defaultVFS", found.default_vfs);
  find(library, "mj_addBufferVFS", found.add_buffer_vfs);
  find(library, "mj_deleteVFS", found.delete_vfs);
  find(library, "mj_loadXML", found.load_xml);
  find(library, "mj_makeData", found.make_data);
  find(library, "mj_copyData", found.copy_data);
  find(library, "mj_deleteData", found.delete_data);
  find(library, "mj_resetData", found.reset_data);
  find(library, "mj_forward", found.forward);
  find(library, "mj_step", found.step);
  find(library, "mj_stateSize", found.state_size);
  find(library, "mj_getState", found.get_state);
  find(library, "mj_setState", found.set_state);
  find(library, "mju_user_warning", found.user_warning);
  return found;
}

}  // namespace

const MujocoLibrary& mujoco() {
  static const MujocoLibrary library = load();
  return library;
}

}  // namespace manta::rl
