// Says why this process waits: a line on the log for what its node does not give it, and the text of a deadline.
//
// Threading: look() with the client's lock, in the background thread; answered() and close() in the thread that reads
// the node's messages; why() in any thread that holds no lock of the client. Ownership: refers to the edge.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "core/base/mutex.h"
#include "core/net/messages.h"
#include "core/owner/owner.h"
#include "core/owner/unmet.h"

namespace manta::client {

class Stalls {
 public:
  using Clock = std::chrono::steady_clock;
  struct Edge {
    std::function<void(const net::WhyWaits&)> ask;
    std::function<std::string(std::uint64_t)> function_name;
  };
  explicit Stalls(Edge edge) : edge_(std::move(edge)) {}

  // Asks the node about what has been unmet for long. Cheap where it was called a moment ago. True: something is unmet,
  // call it again in a while. not_spilled: see OwnerEffects::not_spilled.
  bool look(const owner::Owner& owner, Clock::time_point now, const std::string& not_spilled);
  void answered(const net::Waits& answer);
  // A line about what waits for space in the object store.
  void say_space(const std::string& label, std::uint64_t bytes, const std::string& not_spilled);
  // Why the node does not meet the demand; waits for its answer. Empty: not known. Sets its `request` and `line`.
  std::string why(const net::WhyWaits& question);
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

  Edge edge_;
  owner::UnmetDemand unmet_;
  Clock::time_point next_look_;
  Mutex mutex_;
  CondVar answered_;
  std::map<std::uint64_t, Question> questions_ MANTA_GUARDED_BY(mutex_);
  std::uint64_t last_ MANTA_GUARDED_BY(mutex_) = 0;
  bool closed_ MANTA_GUARDED_BY(mutex_) = false;
};

}  // namespace manta::client
