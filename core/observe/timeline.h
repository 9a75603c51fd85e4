// A trace of a run, for ui.perfetto.dev and chrome://tracing: MANTA_TIMELINE=FILE.
//
// Format: Chrome's Trace Event Format, a JSON array, one event in a line. All processes of a host append to one file,
// whole lines at a time, so that what a process has written outlives it. Times are CLOCK_MONOTONIC of the head's host,
// and numbers of processes differ between nodes, so that the files of several hosts make one timeline.
//
//   TIME-1  an execution that ended before its process died without warning is in the file, unless that was within the
//           last kFlushAfter; where a process has nothing to do, all is
//   TIME-2  after an orderly end of the driver the file is valid JSON; before, only the closing bracket is missing,
//           which both viewers allow
//   TIME-3  what cannot be written (a full disk) is said once and switches the timeline off; the run goes on
//
// Threading: any thread, after start(). Ownership: one for each client of a process, never destroyed. Off: current() is
// null.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <manta/ids.h>

#include "core/base/mutex.h"
#include "core/observe/events.h"

namespace manta::observe {

class Timeline final : public TaskSubscriber, public Subscriber {
 public:
  static constexpr std::chrono::milliseconds kFlushAfter{20};
  static constexpr std::size_t kFlushBytes = 32 * 1024;

  static Timeline* current() { return current_.load(std::memory_order_acquire); }
  // Of a driver, first: makes the file anew. Throws Error(invalid_argument) where that cannot be.
  static void create_file();
  // This process takes part from now on, if MANTA_TIMELINE is set. unwritten: true while something is in memory only.
  // clock_offset_ns: what to add to this host's clock.
  static void start(std::string_view process, NodeId node, const std::atomic<std::int64_t>& clock_offset_ns,
                    std::atomic<bool>& unwritten, Events& events);
  // Of a driver, last: the file is complete.
  static void finish();
  // The flag and the offset that start() was given go away. All is written.
  void forget_page();

  void on(const TaskSubmitted& event) override;
  void on(const TaskBegins&) override {}
  void on(const TaskEnds& event) override;
  void on(const Waited& event) override;
  void on(const Idle& event) override;
  void observe(const RareEvent& event) override;

 private:
  static constexpr std::chrono::microseconds kShown{20};  // shorter waits are not in it

  Timeline(std::string path, NodeId node, const std::atomic<std::int64_t>& clock_offset_ns,
           std::atomic<bool>& unwritten);
  // What all events have. The phase is one of the format's letters.
  std::string event(char phase, std::string_view name, Clock::time_point at) const;
  // A task, a call or a constructor ran in this thread until now.
  void ran(std::string_view function, const TaskId& task, unsigned attempt, Clock::time_point begin,
           std::string_view outcome);
  // One whose coroutine waited in between: under way from, and until.
  void suspended(std::string_view function, const TaskId& task, Clock::time_point begin);
  void resumed_to_its_end(std::string_view function, const TaskId& task, std::string_view outcome);
  // Something else that this thread did until now.
  void did(std::string_view what, Clock::time_point begin);
  // Now, in the whole process.
  void happened(std::string_view what);
  void add(std::string event);
  void write() MANTA_REQUIRES(mutex_);

  static std::atomic<Timeline*> current_;
  static Timeline* last_;  // all that were ever started can be reached from it: none is a leak
  Timeline* before_ = nullptr;
  const std::string path_;
  const std::int64_t process_;                                  // its number
  std::atomic<const std::atomic<std::int64_t>*> clock_offset_;  // ns
  std::atomic<std::int64_t> last_offset_{0};
  int file_ = -1;
  std::atomic<bool> own_flag_{false};
  Mutex mutex_;
  std::atomic<bool>* unwritten_ MANTA_GUARDED_BY(mutex_);
  std::string lines_ MANTA_GUARDED_BY(mutex_);
  Clock::time_point flushed_at_ MANTA_GUARDED_BY(mutex_);
};

// The text of a name inside a JSON string.
std::string json_escaped(std::string_view text);

}  // namespace manta::observe
