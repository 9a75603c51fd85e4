// In a worker: says whose output follows (net/output_mark.h).
//
// Threading: the thread that runs tasks. In an actor's process it is the actor from its constructor on, whatever thread
// prints.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include <manta/detail/entry.h>

#include "core/net/node_page.h"
#include "core/observe/events.h"

namespace manta::observe {

class OutputSource final : public TaskSubscriber {
 public:
  // Of a worker whose stdout and stderr are its node's pipes.
  explicit OutputSource(net::ClientSlot& slot);

  void on(const TaskBegins& task) override;
  void on(const TaskEnds& task) override;
  void on(const TaskSubmitted&) override {}
  void on(const Waited&) override {}
  void on(const Idle&) override {}

 private:
  void runs(detail::FunctionId function) {
    if (slot_ != nullptr && function.value != function_) change(function.value);
  }
  // Its lines are to have a label of their own, unless that is empty.
  void runs(detail::FunctionId function, const std::string& label) {
    if (slot_ != nullptr) runs(label.empty() ? function : named(label));
  }
  // The process is an actor's from now on; or not, after all.
  void stay(bool with_it) { slot_ = with_it ? nullptr : own_slot_; }
  detail::FunctionId named(const std::string& label);
  void change(std::uint64_t function);
  void mark(std::uint64_t next);

  net::ClientSlot* slot_ = nullptr;  // null: it stays as it is
  net::ClientSlot* own_slot_ = nullptr;
  std::uint64_t function_ = 0;
  std::uint64_t next_look_ = 0;  // in ticks, for marks
  std::uint64_t talks_until_ = 0;
  std::vector<std::uint64_t> below_;  // functions of tasks that wait on this stack
  std::deque<std::uint64_t> named_;   // labels that the node knows of, the latest last
  std::array<ino_t, 2> pipes_{};      // user code may put something else in their place
};

}  // namespace manta::observe
