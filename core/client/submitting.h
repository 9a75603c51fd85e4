// What the program submits: tasks, actors, calls, and values that it puts.
//
// Threading: any thread, without the owner's mutex. Ownership: what it is made with must outlive it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <manta/detail/runtime_api.h>
#include <manta/options.h>
#include <manta/serial/writer.h>

#include "core/client/process_state.h"
#include "core/client/task_context.h"

namespace manta::client {

class SubmitContext {
 public:
  virtual ~SubmitContext() = default;
  // Encodes a value for the store or the heap; may wait for space.
  virtual owner::Value make_value(const serial::Writer& value, std::size_t inline_limit) = 0;
  // The owner has the task. Without its mutex.
  virtual void submitted(owner::Entry& entry) = 0;
  // Null: none has the name.
  virtual owner::Entry* find_actor(const std::string& name, const std::string& type) = 0;
  // The name becomes the actor's, which is held back until then; or the actor of that name, where get_if_exists.
  // Takes over the reference of the actor.
  virtual owner::Entry* name_actor(owner::Entry& actor, const std::string& name, const std::string& type,
                                   bool get_if_exists) = 0;
};

class Submitting {
 public:
  Submitting(ProcessState& state, SubmitContext& context);

  // Each returns an entry of which the caller has one reference. Throws Error.
  owner::Entry* submit(const detail::TaskCall& call);
  owner::Entry* call(const detail::MethodCall& call);
  owner::Entry* create_actor(const detail::ActorCall& call);
  owner::Entry* put(const serial::Writer& value);
  owner::Entry* put(owner::Value value, std::vector<owner::Entry*> contained);

 private:
  owner::NewTask new_task(detail::FunctionId function, const serial::Writer& values, std::uint32_t ref_mask,
                          std::span<detail::EntryHead* const> references);
  // to_owner: called with the owner's mutex.
  template <class HandOver>
  owner::Entry* hand_over(owner::NewTask& task, HandOver&& to_owner);
  owner::ShapeIndex shape_of(const TaskOptions& options) MANTA_REQUIRES(owner_mutex);
  TaskContext& task() MANTA_REQUIRES(owner_mutex);

  ProcessState& state_;
  SubmitContext& context_;
  TaskContext root_ MANTA_GUARDED_BY(owner_mutex);          // of threads that run no task
  TaskOptions last_options_ MANTA_GUARDED_BY(owner_mutex);  // of the last task that named nothing
  owner::ShapeIndex last_shape_ MANTA_GUARDED_BY(owner_mutex) = 0;
  bool have_last_shape_ MANTA_GUARDED_BY(owner_mutex) = false;
};

}  // namespace manta::client
