// A libnccl.so.2 for tests without a GPU: one rank, memory of the CPU. It notes its calls; FAKE_NCCL_FAILS names one
// that fails, FAKE_NCCL_ASYNC makes the communicator report an error of its own.
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>

#include <nccl.h>

namespace {

std::string calls;

ncclResult_t note(const char* call) {
  calls += std::string(call) + ' ';
  const char* fails = std::getenv("FAKE_NCCL_FAILS");
  return fails != nullptr && std::strcmp(fails, call) == 0 ? ncclSystemError : ncclSuccess;
}
std::size_t bytes_of(std::size_t count, ncclDataType_t type) {
  return count * (type == ncclFloat64 || type == ncclInt64 ? 8 : type == ncclFloat32 || type == ncclInt32 ? 4 : 1);
}
ncclResult_t move(const char* call, const void* from, void* to, std::size_t bytes) {
  if (from != to) std::memcpy(to, from, bytes);
  return note(call);
}

const void* sent = nullptr;

}  // namespace

extern "C" {

// What was called since the last time.
const char* fake_nccl_calls() {
  static std::string taken;
  taken = std::exchange(calls, {});
  return taken.c_str();
}

ncclResult_t ncclGetVersion(int* version) {
  *version = NCCL_VERSION_CODE;
  return ncclSuccess;
}
ncclResult_t ncclGetUniqueId(ncclUniqueId*) { return note("id"); }
ncclResult_t ncclCommInitRank(ncclComm_t* communicator, int, ncclUniqueId, int) {
  *communicator = reinterpret_cast<ncclComm_t>(&calls);
  return note("init");
}
ncclResult_t ncclCommDestroy(ncclComm_t) { return note("destroy"); }
ncclResult_t ncclCommAbort(ncclComm_t) { return note("abort"); }
ncclResult_t ncclCommGetAsyncError(ncclComm_t, ncclResult_t* result) {
  *result = std::getenv("FAKE_NCCL_ASYNC") != nullptr ? ncclRemoteError : ncclSuccess;
  return ncclSuccess;
}
const char* ncclGetErrorString(ncclResult_t) { return "made up"; }
const char* ncclGetLastError(ncclComm_t) { return "details"; }
ncclResult_t ncclGroupStart() { return note("("); }
ncclResult_t ncclGroupEnd() { return note(")"); }
ncclResult_t ncclAllReduce(const void* from, void* to, size_t count, ncclDataType_t type, ncclRedOp_t, ncclComm_t,
                           cudaStream_t) {
  return move("all_reduce", from, to, bytes_of(count, type));
}
ncclResult_t ncclBroadcast(const void* from, void* to, size_t count, ncclDataType_t type, int, ncclComm_t,
                           cudaStream_t) {
  return move("broadcast", from, to, bytes_of(count, type));
}
ncclResult_t ncclReduce(const void* from, void* to, size_t count, ncclDataType_t type, ncclRedOp_t, int, ncclComm_t,
                        cudaStream_t) {
  return move("reduce", from, to, bytes_of(count, type));
}
ncclResult_t ncclAllGather(const void* from, void* to, size_t count, ncclDataType_t type, ncclComm_t, cudaStream_t) {
  return move("all_gather", from, to, bytes_of(count, type));
}
ncclResult_t ncclReduceScatter(const void* from, void* to, size_t count, ncclDataType_t type, ncclRedOp_t, ncclComm_t,
                               cudaStream_t) {
  return move("reduce_scatter", from, to, bytes_of(count, type));
}
ncclResult_t ncclSend(const void* from, size_t, ncclDataType_t, int, ncclComm_t, cudaStream_t) {
  sent = from;
  return note("send");
}
ncclResult_t ncclRecv(void* to, size_t count, ncclDataType_t type, int, ncclComm_t, cudaStream_t) {
  return move("recv", sent, to, bytes_of(count, type));
}

}  // extern "C"
