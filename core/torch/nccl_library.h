// libnccl.so.2, loaded when it is first needed: a program with Manta runs where there is none.
#pragma once

#include <nccl.h>

namespace manta::collective {

// What Manta calls of it; all of this has been there since NCCL 2.13.
//
// Looked for at MANTA_NCCL_LIBRARY, if that is set; else what the program has loaded or the loader finds as
// libnccl.so.2 (LibTorch's own comes first that way), then where it was when Manta was built. Never unloaded.
struct NcclLibrary {
  // Throws Error unavailable: it is not there or too old, where it was looked for, and what to do.
  static const NcclLibrary& get();

  decltype(&ncclGetVersion) get_version;
  decltype(&ncclGetUniqueId) get_unique_id;
  decltype(&ncclCommInitRank) comm_init_rank;
  decltype(&ncclCommDestroy) comm_destroy;
  decltype(&ncclCommAbort) comm_abort;
  decltype(&ncclCommGetAsyncError) comm_get_async_error;
  decltype(&ncclGetErrorString) get_error_string;
  decltype(&ncclGetLastError) get_last_error;
  decltype(&ncclGroupStart) group_start;
  decltype(&ncclGroupEnd) group_end;
  decltype(&ncclAllReduce) all_reduce;
  decltype(&ncclBroadcast) broadcast;
  decltype(&ncclReduce) reduce;
  decltype(&ncclAllGather) all_gather;
  decltype(&ncclReduceScatter) reduce_scatter;
  decltype(&ncclSend) send;
  decltype(&ncclRecv) recv;
};

}  // namespace manta::collective
