// Runs one task's function in the calling thread.
#pragma once

#include <manta/detail/runtime_api.h>
#include <manta/serial/writer.h>

#include "core/client/task_codec.h"
#include "core/client/task_context.h"
#include "core/owner/owner.h"

namespace manta::client {

class Client;

// What a function needs, wherever it lies.
struct TaskInput {
  detail::FunctionId function;
  std::uint32_t ref_mask = 0;
  std::uint16_t attempt = 0;
  std::string label;  // by its options; empty: the function's
  detail::ValueView values;
  std::vector<detail::ValueView> references;
  std::shared_ptr<const void> keepalive;  // of memory that the views lie in
};

inline std::vector<owner::Entry*> entries_of(std::span<detail::EntryHead* const> heads) {
  std::vector<owner::Entry*> entries;
  for (detail::EntryHead* head : heads) entries.push_back(static_cast<owner::Entry*>(head));
  return entries;
}

// True: `result` holds the encoded value. False: `error` says what went wrong; user_exception whether user code threw.
// Whatever the function throws is caught here, once. A coroutine may be left in context.coroutine.call, true and no
// result; called again once that is done, the result is written.
bool run_task(Client& client, TaskContext& context, const TaskInput& input, serial::Writer& result, Error& error,
              bool& user_exception);

}  // namespace manta::client
