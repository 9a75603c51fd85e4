// Ranks of a group for tests: as threads of this process, or as processes.
#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <manta/collective.h>

namespace manta::collective {

using Body = std::function<void(Group&)>;

// The ranks of a group, and its transport. in_process: threads on the transport of in_process_transport.h; else shared
// memory.
enum class Kind { threads, processes, in_process };
inline constexpr Kind kKinds[] = {Kind::threads, Kind::processes, Kind::in_process};
std::string_view to_string(Kind kind);

std::unique_ptr<Group> join(Kind kind, const Rendezvous& rendezvous);

// Runs body as every rank of a group, and waits for all. A rank that throws, or in which an expectation fails, is a
// failure of the test.
void run_group(Kind kind, int size, const Body& body, std::chrono::milliseconds timeout = std::chrono::seconds(20));

// Calls body; what it throws is a failure of the test.
void run_guarded(int rank, const std::function<void()>& body);

// The message of the Error with this code that call throws; else a failure.
std::string error_of(ErrorCode code, const std::function<void()>& call);

// A process that runs body and exits with 0 if it returns and no expectation failed.
class Process {
 public:
  explicit Process(const std::function<void()>& body);
  ~Process();  // kills it, if it was not waited for
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  pid_t pid() const { return pid_; }
  bool succeeded();  // waits for its end

 private:
  pid_t pid_;
};

}  // namespace manta::collective
