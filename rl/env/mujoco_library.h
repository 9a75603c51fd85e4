// MuJoCo's library, loaded when it is first needed: programs without a simulated body do without it.
#pragma once

#include <mujoco/mujoco.h>

namespace manta::rl {

struct MujocoLibrary {
  decltype(&::mj_version) version;
  decltype(&::mj_defaultVFS) default_vfs;
  decltype(&::mj_addBufferVFS) add_buffer_vfs;
  decltype(&::mj_deleteVFS) delete_vfs;
  decltype(&::mj_loadXML) load_xml;
  decltype(&::mj_makeData) make_data;
  decltype(&::mj_copyData) copy_data;
  decltype(&::mj_deleteData) delete_data;
  decltype(&::mj_resetData) reset_data;
  decltype(&::mj_forward) forward;
  decltype(&::mj_step) step;
  decltype(&::mj_stateSize) state_size;
  decltype(&::mj_getState) get_state;
  decltype(&::mj_setState) set_state;
  decltype(&::mju_user_warning) user_warning;
};

// Threading: any. Errors: Error(unavailable), which says what was tried and what to do.
const MujocoLibrary& mujoco();

}  // namespace manta::rl
