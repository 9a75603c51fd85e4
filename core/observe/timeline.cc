#include "core/observe/timeline.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include <manta/error.h>

#include "core/base/end_of_process.h"
#include "core/base/log.h"
#include "core/settings/read.h"

namespace manta::observe {

namespace {

void say(const std::string& what) { log::error("MANTA_TIMELINE: ", what); }

std::string microseconds(std::int64_t nanoseconds) {
  char text[40];
  const auto size = static_cast<unsigned long long>(nanoseconds < 0 ? -nanoseconds : nanoseconds);
  std::snprintf(text, sizeof text, "%s%llu.%03llu", nanoseconds < 0 ? "-" : "", size / 1000, size % 1000);
  return text;
}

std::int64_t nanoseconds(Clock::time_point time) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
}

std::string member(std::string_view key, std::string_view text) {
  return ",\"" + std::string(key) + "\":\"" + json_escaped(text) + "\"";
}

// Those of the driver's node are pids.
std::int64_t number_of_process(NodeId node) {
  constexpr std::int64_t kOfNode = 10'000'000;  // pids are at most 2^22
  return ::getpid() + (node.value > 1 ? static_cast<std::int64_t>(node.value) * kOfNode : 0);
}

}  // namespace

std::string json_escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      char code[8];
      std::snprintf(code, sizeof code, "\\u%04x", c);
      out += code;
    } else {
      out += c;
    }
  }
  return out;
}

Timeline::Timeline(std::string path, NodeId node, const std::atomic<std::int64_t>& clock_offset_ns,
                   std::atomic<bool>& unwritten)
    : path_(std::move(path)),
      process_(number_of_process(node)),
      clock_offset_(&clock_offset_ns),
      unwritten_(&unwritten) {}

std::string Timeline::event(char phase, std::string_view name, Clock::time_point at) const {
  const bool timed = at != Clock::time_point();  // names of processes are not
  const std::int64_t offset =
      !timed ? 0 : clock_offset_.load(std::memory_order_acquire)->load(std::memory_order_relaxed);
  return std::string("{\"ph\":\"") + phase + "\",\"name\":\"" + json_escaped(name) +
         "\",\"pid\":" + std::to_string(process_) + ",\"tid\":" + std::to_string(::gettid()) +
         ",\"ts\":" + microseconds(nanoseconds(at) + offset);
}

std::atomic<Timeline*> Timeline::current_{nullptr};
Timeline* Timeline::last_ = nullptr;

void Timeline::create_file() {
  const std::string path = settings::text("MANTA_TIMELINE");
  if (path.empty()) return;
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  const bool made = file >= 0 && ::write(file, "[\n", 2) == 2;
  const int error = errno;
  if (file >= 0) ::close(file);
  if (made) return;
  throw Error(ErrorCode::invalid_argument, "MANTA_TIMELINE: cannot write " + path + ": " + std::strerror(error) +
                                               "; name a file in a folder that exists");
}

void Timeline::start(std::string_view process, NodeId node, const std::atomic<std::int64_t>& clock_offset_ns,
                     std::atomic<bool>& unwritten, Events& events) {
  const std::string path = settings::text("MANTA_TIMELINE");
  if (path.empty()) return;
  auto* timeline = new Timeline(path, node, clock_offset_ns, unwritten);
  timeline->file_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (timeline->file_ < 0) {
    say("cannot write " + timeline->path_ + ": " + std::strerror(errno));
    return delete timeline;
  }
  // Only the driver's host has the driver's file: elsewhere the first process begins it.
  struct stat status {};
  ::flock(timeline->file_, LOCK_EX);
  if (::fstat(timeline->file_, &status) == 0 && status.st_size == 0) (void)!::write(timeline->file_, "[\n", 2);
  ::flock(timeline->file_, LOCK_UN);
  timeline->before_ = std::exchange(last_, timeline);
  current_.store(timeline, std::memory_order_release);
  events.subscribe_to_tasks(*timeline, true);
  events.subscribe(*timeline);
  const std::string where = node.value > 1 ? " of node " + std::to_string(node.value) : "";
  timeline->add(timeline->event('M', "process_name", Clock::time_point()) + ",\"args\":{\"name\":\"" +
                json_escaped(std::string(process) + where) + "\"}}");
}

void Timeline::finish() {
  Timeline* timeline = current_.exchange(nullptr);
  if (timeline == nullptr) return;
  {
    const MutexLock guard(timeline->mutex_);
    timeline->lines_ += timeline->event('i', "end", Clock::now()) + ",\"s\":\"p\"}\n]\n";
    timeline->write();
  }
  ::close(timeline->file_);
  timeline->file_ = -1;  // the object stays: another thread may be about to add
}

void Timeline::observe(const RareEvent& event) {
  const auto* ended = std::get_if<WorkerEnded>(&event);
  if (ended != nullptr && current() == this) happened(about_end("a worker ", first_line(ended->status)));
}

// An arrow leads to where it runs.
void Timeline::on(const TaskSubmitted& e) {
  if (current() != this) return;  // it has ended
  add(event('s', "submitted", e.at) + ",\"cat\":\"task\"" + member("id", e.task.to_string()) + "}");
}

void Timeline::on(const Waited& e) {
  if (current() == this && Clock::now() - e.since >= kShown) did("wait", e.since);
}

void Timeline::on(const Idle&) {
  const MutexLock guard(mutex_);
  if (!lines_.empty()) write();
}

void Timeline::on(const TaskEnds& task) {
  if (current() != this) return;
  using Outcome = TaskEnds::Outcome;
  const std::string_view label = task.function.label();
  if (task.outcome == Outcome::suspended) return suspended(label, task.task, task.began);
  const std::string_view outcome = task.outcome == Outcome::done    ? "done"
                                   : task.outcome == Outcome::threw ? "threw"
                                                                    : "cancelled";
  if (task.resumed) return resumed_to_its_end(label, task.task, outcome);
  ran(label, task.task, task.attempt, task.began, outcome);
}

void Timeline::ran(std::string_view function, const TaskId& task, unsigned attempt, Clock::time_point begin,
                   std::string_view outcome) {
  const std::string id = task.to_string();
  std::string arrow = event('f', "submitted", begin) + ",\"cat\":\"task\",\"bp\":\"e\"" + member("id", id) + "},\n";
  add(std::move(arrow) + event('X', function, begin) +
      ",\"dur\":" + microseconds(nanoseconds(Clock::now()) - nanoseconds(begin)) +
      ",\"cat\":\"task\",\"args\":{\"attempt\":" + std::to_string(attempt) + member("task", id) +
      member("outcome", outcome) + "}}");
}

void Timeline::suspended(std::string_view function, const TaskId& task, Clock::time_point begin) {
  const std::string id = task.to_string();
  std::string arrow = event('f', "submitted", begin) + ",\"cat\":\"task\",\"bp\":\"e\"" + member("id", id) + "},\n";
  add(std::move(arrow) + event('b', function, begin) + ",\"cat\":\"coroutine\"" + member("id", id) + "}");
}

void Timeline::resumed_to_its_end(std::string_view function, const TaskId& task, std::string_view outcome) {
  const std::string id = task.to_string();
  add(event('e', function, Clock::now()) + ",\"cat\":\"coroutine\"" + member("id", id) + ",\"args\":{\"outcome\":\"" +
      json_escaped(outcome) + "\"}}");
}

void Timeline::did(std::string_view what, Clock::time_point begin) {
  add(event('X', what, begin) + ",\"dur\":" + microseconds(nanoseconds(Clock::now()) - nanoseconds(begin)) +
      ",\"cat\":\"manta\"}");
}

void Timeline::happened(std::string_view what) {
  add(event('i', what, Clock::now()) + ",\"cat\":\"manta\",\"s\":\"p\"}");
}

void Timeline::forget_page() {
  const MutexLock guard(mutex_);
  last_offset_ = clock_offset_.load(std::memory_order_relaxed)->load(std::memory_order_relaxed);
  clock_offset_.store(&last_offset_, std::memory_order_release);
  write();
  unwritten_ = &own_flag_;
}

void Timeline::add(std::string event) {
  const MutexLock guard(mutex_);
  if (lines_.empty()) *unwritten_ = true;
  lines_ += event;
  lines_ += ",\n";
  if (lines_.size() >= kFlushBytes || Clock::now() - flushed_at_ >= kFlushAfter) write();
}

void Timeline::write() {
  for (std::size_t at = 0; at < lines_.size() && file_ >= 0;) {
    const ssize_t written = ::write(file_, lines_.data() + at, lines_.size() - at);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {  // TIME-3
      say("cannot write " + path_ + ": " + std::strerror(errno) + "; it ends here");
      current_.store(nullptr, std::memory_order_release);
      break;
    }
    at += static_cast<std::size_t>(written);
  }
  lines_.clear();
  flushed_at_ = Clock::now();
  *unwritten_ = false;
}

}  // namespace manta::observe
