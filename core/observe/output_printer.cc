#include "core/observe/output_printer.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <utility>

#include "core/settings/read.h"

namespace manta::observe {

namespace {

bool in_colour(int fd) {
  const char* refused = settings::foreign("NO_COLOR");
  return ::isatty(fd) == 1 && (refused == nullptr || *refused == '\0');
}

}  // namespace

OutputPrinter::OutputPrinter(NodeId own, bool fold, Edge edge)
    : own_(own), edge_(std::move(edge)), colour_{in_colour(1), in_colour(2)}, folder_(fold) {}

OutputPrinter::~OutputPrinter() { end(); }

void OutputPrinter::add(net::OutputText text) {
  const MutexLock guard(mutex_);
  if (ending_) return;
  queue_.push_back(std::move(text));
  if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
  events_.notify_one();
}

void OutputPrinter::drained(NodeId node) {
  const MutexLock guard(mutex_);
  drained_.insert(node);
  drained_changed_.notify_all();
}

void OutputPrinter::node_lost(NodeId node) { drained(node); }

bool OutputPrinter::all_drained(const std::vector<NodeId>& nodes) const {
  const auto is_drained = [&](NodeId node) MANTA_REQUIRES(mutex_) { return drained_.contains(node); };
  return is_drained(own_) && std::all_of(nodes.begin(), nodes.end(), is_drained);
}

void OutputPrinter::wait_drained(const std::vector<NodeId>& nodes, std::chrono::steady_clock::time_point deadline) {
  const MutexLock lock(mutex_);
  while (!all_drained(nodes) && drained_changed_.wait_until(mutex_, deadline)) continue;
}

void OutputPrinter::end() {
  {
    const MutexLock guard(mutex_);
    ending_ = true;
  }
  events_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void OutputPrinter::run() {
  sigset_t all;  // signal handlers run in the program's threads; a closed output does not end the driver by SIGPIPE
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_BLOCK, &all, nullptr);
  std::vector<OutputFolder::Line> shown;
  for (bool ending = false; !ending;) {
    std::deque<net::OutputText> texts;
    {
      const MutexLock lock(mutex_);
      const OutputFolder::Time next = folder_.next_end();
      while (queue_.empty() && !ending_) {
        if (next == OutputFolder::kNever) {
          events_.wait(mutex_);
        } else if (!events_.wait_until(mutex_, start_ + next)) {
          break;
        }
      }
      texts.swap(queue_);
      ending = ending_;
    }
    for (net::OutputText& text : texts) {
      const NodeId node = node_of(text.worker);
      const std::uint64_t bytes = text.text.size();
      print(std::move(text), shown);
      write(std::exchange(shown, {}));
      edge_.taken(node, bytes);
    }
    ending ? folder_.finish(shown) : folder_.tick(now(), shown);
    write(std::exchange(shown, {}));
  }
}

void OutputPrinter::print(net::OutputText text, std::vector<OutputFolder::Line>& shown) {
  std::string who = !text.label.empty()  ? text.label
                    : text.function != 0 ? edge_.function_name(text.function)
                                         : "worker";
  if (text.process != 0) who += " pid=" + std::to_string(text.process);
  if (node_of(text.worker) != own_) who += ", host=" + text.host;
  const OutputFolder::Time at = now();
  for (std::string_view rest = text.text; !rest.empty();) {
    const std::size_t end = std::min(rest.find_first_of("\r\n"), rest.size());
    const bool update = end < rest.size() && rest[end] == '\r';
    folder_.add({text.worker, text.error, who, std::string(rest.substr(0, end)), update}, at, shown);
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
}

void OutputPrinter::write(const std::vector<OutputFolder::Line>& lines) {
  std::string text;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const OutputFolder::Line& line = lines[i];
    const bool terminal = colour_[line.error ? 1 : 0];
    text += terminal ? "\x1b[36m(" + line.who + ")\x1b[0m " : "(" + line.who + ") ";
    text += line.text;
    if (terminal) text += "\x1b[K";  // where a longer line stood
    text += line.update ? '\r' : '\n';
    if (i + 1 < lines.size() && lines[i + 1].error == line.error) continue;
    std::FILE* file = line.error ? stderr : stdout;
    std::fwrite(text.data(), 1, text.size(), file);  // locks the stream: whole lines
    std::fflush(file);
    text.clear();
  }
}

}  // namespace manta::observe
