// What an operation of ProcessGroupManta was called with, beside its tensors.
#pragma once

#include <chrono>

#include <manta/process_group.h>

namespace manta::collective {

struct ProcessGroupManta::Call {
  c10d::OpType type;
  const char* title;
  std::chrono::milliseconds timeout;  // not positive: the group's
  bool async;
};

template <class Chosen>
ProcessGroupManta::Call ProcessGroupManta::call(c10d::OpType type, const char* title, const Chosen& options) {
  bool async = true;
  if constexpr (requires { options.asyncOp; }) async = options.asyncOp;  // older versions of torch do not say
  return {type, title, options.timeout, async};
}

}  // namespace manta::collective
