// Says why this process waits: a line on the log for what its node does not give it, and the text of a deadline.
//
// Threading: look() with the owner's mutex, in the background thread; answered() and close() in the thread that reads
// the node's messages; say_space() in any thread; what waits for an answer in any thread without the owner's mutex.
// Ownership: what it is made with must outlive it.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "core/base/mutex.h"
#include "core/client/process_state.h"
#include "core/client/results.h"
#include "core/client/to_node.h"
#include "core/net/messages.h"
#include "core/owner/owner.h"
#include "core/owner/unmet.h"

namespace manta::client {

class StallContext {
 public:
  virtual ~StallContext() = default;
  // With the owner's mutex: why objects cannot be spilled; empty: they can.
  virtual std::string not_spilled() const MANTA_REQUIRES(owner_mutex) = 0;
};

class Stalls {
 public:
  using Clock = std::chrono::steady_clock;
  Stalls(ProcessState& state, ToNode& node, Results& results, StallContext& context)
      : state_(state), node_(node), results_(results), context_(context) {}

  // Asks the node about what has been unmet for long. Cheap where it was called a moment ago. True: something is unmet,
  // call it again in a while.
  bool look(Clock::time_point now) MANTA_REQUIRES(owner_mutex);
  void answered(const net::Waits& answer);
  // A line about what waits for space in the object store.
  void say_space(const std::string& label, std::uint64_t bytes, const std::string& not_spilled);
  // Why the entry is not resolved yet, for people; empty: not known. Waits for the node's answer, for half a second.
  std::string why(const owner::Entry& entry);
  // Which processes have how much of the object store: "; held by ..."; waits for the node's answer. Empty: not known.
  std::string holders_of_store();
  void close();

 private:
  struct Question {
    std::string label;
    std::uint64_t waiting = 1;
    bool line = false;
    std::optional<net::Waits> answer;
  };
  std::uint64_t note(const std::string& label, std::uint64_t waiting, bool line);
  net::Waits answer_to(net::WhyWaits question);
  std::string text_of(const Question& question, const net::Waits& answer) const;
  std::string holders_of(const net::Waits& answer) const;

  ProcessState& state_;
  ToNode& node_;
  Results& results_;
  StallContext& context_;
  owner::UnmetDemand unmet_ MANTA_GUARDED_BY(owner_mutex);
  Clock::time_point next_look_ MANTA_GUARDED_BY(owner_mutex);
  Mutex mutex_;
  CondVar answered_;
  std::map<std::uint64_t, Question> questions_ MANTA_GUARDED_BY(mutex_);
  std::uint64_t last_ MANTA_GUARDED_BY(mutex_) = 0;
  bool closed_ MANTA_GUARDED_BY(mutex_) = false;
};

}  // namespace manta::client
