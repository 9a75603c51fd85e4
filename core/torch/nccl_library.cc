#include "core/torch/nccl_library.h"

#include <dlfcn.h>

#include <string>
#include <vector>

#include <manta/error.h>

#include "core/settings/read.h"

namespace manta::collective {

namespace {

constexpr int kOldest = 21304;  // 2.13.4: ncclGetLastError

[[noreturn]] void refuse(const std::string& what) {
  throw Error(ErrorCode::unavailable, "NCCL, for collectives between GPUs: " + what +
                                          " Next: run cmake/deps.sh nccl, or install libnccl2, or set "
                                          "MANTA_NCCL_LIBRARY to the path of a libnccl.so.2.");
}

void* open_library() {
  std::vector<std::string> places;
  if (const std::string chosen = settings::text("MANTA_NCCL_LIBRARY"); !chosen.empty()) {
    places = {chosen};
  } else {
    places = {"libnccl.so.2", MANTA_NCCL_BUILT_WITH};
  }
  std::string tried;
  for (const std::string& place : places) {
    if (void* library = ::dlopen(place.c_str(), RTLD_NOW | RTLD_LOCAL)) return library;
    const char* why = ::dlerror();
    tried += (tried.empty() ? "" : "; ") + std::string(why != nullptr ? why : place);
  }
  refuse("libnccl.so.2 could not be loaded (" + tried + ").");
}

template <class Function>
void find(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(::dlsym(library, name));
  if (function == nullptr) refuse(std::string("the libnccl.so.2 found here has no ") + name + ".");
}

NcclLibrary load() {
  void* library = open_library();
  NcclLibrary nccl{};
  find(library, "ncclGetVersion", nccl.get_version);
  int version = 0;
  if (nccl.get_version(&version) != ncclSuccess || version < kOldest) {
    refuse("the libnccl.so.2 found here is of version " + std::to_string(version) + ", and at least " +
           std::to_string(kOldest) + " is needed.");
  }
  find(library, "ncclGetUniqueId", nccl.get_unique_id);
  find(library, "ncclCommInitRank", nccl.comm_init_rank);
  find(library, "ncclCommDestroy", nccl.comm_destroy);
  find(library, "ncclCommAbort", nccl.comm_abort);
  find(library, "ncclCommGetAsyncError", nccl.comm_get_async_error);
  find(library, "ncclGetErrorString", nccl.get_error_string);
  find(library, "ncclGetLastError", nccl.get_last_error);
  find(library, "ncclGroupStart", nccl.group_start);
  find(library, "ncclGroupEnd", nccl.group_end);
  find(library, "ncclAllReduce", nccl.all_reduce);
  find(library, "ncclBroadcast", nccl.broadcast);
  find(library, "ncclReduce", nccl.reduce);
  find(library, "ncclAllGather", nccl.all_gather);
  find(library, "ncclReduceScatter", nccl.reduce_scatter);
  find(library, "ncclSend", nccl.send);
  find(library, "ncclRecv", nccl.recv);
  return nccl;
}

}  // namespace

const NcclLibrary& NcclLibrary::get() {
  static const NcclLibrary library = load();  // tried again after an error
  return library;
}

}  // namespace manta::collective
