#include "core/node/outputs.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace manta::node {

namespace {
constexpr std::size_t kTailBytes = 1024;
constexpr std::size_t kReadBytes = 64 * 1024;  // what a pipe holds: MARK-1 speaks of all that is in it
}  // namespace

namespace {

void add_tail(std::string& tail, std::string_view text) {
  if (text.size() > kTailBytes) text.remove_prefix(text.size() - kTailBytes);
  tail += text;
  if (tail.size() > 2 * kTailBytes) tail.erase(0, tail.size() - kTailBytes);
}

}  // namespace

std::string last_line_of(const std::string& text) {
  constexpr std::size_t kMost = 300;
  std::string last, before;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    std::string line = text.substr(at, end - at);
    at = end + 1;
    const std::size_t first = line.find_first_not_of(" \t\r");
    if (first == std::string::npos) continue;
    line = line.substr(first, line.find_last_not_of(" \t\r") + 1 - first);
    before = std::exchange(last, std::move(line));
  }
  if (last.starts_with("what():") && before.starts_with("terminate called")) last = before + ", " + last;
  if (last.size() > kMost) last.resize(kMost);
  return last;
}

struct Outputs::Stream {
  Stream(boost::asio::io_context& io, int fd) : events(io, fd) {}

  boost::asio::posix::stream_descriptor events;  // owns the pipe
  ClientId worker;
  pid_t process = 0;
  bool error = false;
  bool paused = false;  // until the driver has printed something
  bool gone = false;    // its worker; `function` is the last it ran
  std::uint64_t function = 0;
  OutputSplitter splitter;
  std::string tail;  // of what was read from stderr: its last lines
  std::uint64_t bytes_read = 0;
  struct Target {
    std::uint64_t bytes;
    std::shared_ptr<Drain> drain;
  };
  std::vector<Target> targets;
};

Outputs::Outputs(boost::asio::io_context& io, std::string host, Edge edge)
    : io_(io), host_(std::move(host)), edge_(std::move(edge)), buffer_(kReadBytes) {}

Outputs::~Outputs() = default;

std::array<Fd, 2> Outputs::open(ClientId worker) {
  loop_thread_.assert_current();
  std::array<std::array<int, 2>, 2> pipes;
  if (::pipe2(pipes[0].data(), O_CLOEXEC) != 0) return {};
  if (::pipe2(pipes[1].data(), O_CLOEXEC) != 0) {
    ::close(pipes[0][0]);
    ::close(pipes[0][1]);
    return {};
  }
  std::array<Fd, 2> ends;
  for (std::size_t i = 0; i < 2; ++i) {
    ends[i] = Fd(pipes[i][1]);
    ::fcntl(pipes[i][0], F_SETFL, O_NONBLOCK);
    streams_.push_back(std::make_unique<Stream>(io_, pipes[i][0]));
    Stream& stream = *streams_.back();
    stream.worker = worker;
    stream.error = i == 1;
    watch(stream);
  }
  return ends;
}

void Outputs::started(ClientId worker, pid_t process) {
  loop_thread_.assert_current();
  for (const auto& stream : streams_) {
    if (stream->worker == worker) stream->process = process;
  }
}

std::string Outputs::last_error_line(ClientId worker) const {
  for (const auto& stream : streams_) {
    if (stream->worker != worker || !stream->error) continue;
    std::string text = stream->tail;
    std::vector<OutputSplitter::Block> blocks;
    OutputSplitter splitter = stream->splitter;
    std::array<int, 2> copy{};
    if (::pipe2(copy.data(), O_CLOEXEC | O_NONBLOCK) == 0) {  // the pipe's content stays for its reader (OUT-2)
      std::vector<char> bytes(kReadBytes);
      (void)!::tee(stream->events.native_handle(), copy[1], bytes.size(), SPLICE_F_NONBLOCK);
      const ssize_t n = ::read(copy[0], bytes.data(), bytes.size());
      if (n > 0) splitter.add({bytes.data(), static_cast<std::size_t>(n)}, 0, blocks);
      ::close(copy[0]);
      ::close(copy[1]);
    }
    splitter.finish(blocks);
    for (const OutputSplitter::Block& block : blocks) text += block.text;
    return last_line_of(text);
  }
  const auto closed = error_tails_.find(worker);
  return closed == error_tails_.end() ? std::string() : last_line_of(closed->second);
}

void Outputs::worker_gone(ClientId worker) {
  loop_thread_.assert_current();
  error_tails_.erase(worker);
  for (const auto& stream : streams_) {
    if (stream->worker != worker || stream->gone) continue;
    stream->function = edge_.function_of(worker);
    stream->gone = true;
  }
}

void Outputs::watch(Stream& stream) {
  stream.events.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                           [this, &stream](boost::system::error_code error) {
                             if (!error) read(stream);  // else it is gone
                           });
}

void Outputs::read(Stream& stream) {
  loop_thread_.assert_current();
  if (under_way_ >= kWindowBytes) {
    stream.paused = true;
    return;
  }
  // MARK-1: there is something, then the slot, then what there is. (The loop may tell of what has been read already.)
  pollfd pipe{stream.events.native_handle(), POLLIN, 0};
  if (::poll(&pipe, 1, 0) == 0) return watch(stream);
  const std::uint64_t function = stream.gone ? stream.function : edge_.function_of(stream.worker);
  const ssize_t n = ::read(stream.events.native_handle(), buffer_.data(), buffer_.size());
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return watch(stream);
  if (n <= 0) return close(stream);
  if (!stream.gone) edge_.was_read(stream.worker);
  stream.bytes_read += static_cast<std::uint64_t>(n);
  std::vector<OutputSplitter::Block> blocks;
  stream.splitter.add({buffer_.data(), static_cast<std::size_t>(n)}, function, blocks);
  send(stream, blocks);
  settle_drains(stream, false);
  watch(stream);
}

void Outputs::send(Stream& stream, std::vector<OutputSplitter::Block>& blocks) {
  for (OutputSplitter::Block& block : blocks) {
    if (stream.error) add_tail(stream.tail, block.text);
    under_way_ += block.text.size();
    edge_.send({stream.worker, stream.process, block.function, stream.error, stream.splitter.label(block.function),
                host_, std::move(block.text)});
  }
}

void Outputs::close(Stream& stream) {
  std::vector<OutputSplitter::Block> blocks;
  stream.splitter.finish(blocks);
  send(stream, blocks);
  settle_drains(stream, true);
  // Often the end of the pipe is seen before that of the process.
  if (stream.error && !stream.gone) error_tails_[stream.worker] = std::move(stream.tail);
  std::erase_if(streams_, [&](const auto& s) { return s.get() == &stream; });
}

void Outputs::taken(std::uint64_t bytes) {
  loop_thread_.assert_current();
  under_way_ -= std::min(under_way_, bytes);
  if (under_way_ >= kWindowBytes) return;
  for (const auto& stream : streams_) {
    if (std::exchange(stream->paused, false)) watch(*stream);
  }
}

void Outputs::drain(std::function<void()> done) {
  loop_thread_.assert_current();
  auto drain = std::make_shared<Drain>();
  drain->done = std::move(done);
  for (const auto& stream : streams_) {
    int waiting = 0;
    ::ioctl(stream->events.native_handle(), FIONREAD, &waiting);
    ++drain->streams;
    stream->targets.push_back({stream->bytes_read + static_cast<std::uint64_t>(std::max(waiting, 0)), drain});
  }
  ++drain->streams;  // this call itself, or it might be done in the middle
  for (const auto& stream : streams_) settle_drains(*stream, false);
  if (--drain->streams == 0) drain->done();
}

// Lines without end are shown too: the program may be over before they go on.
void Outputs::settle_drains(Stream& stream, bool ended) {
  for (std::size_t i = 0; i < stream.targets.size();) {
    if (!ended && stream.bytes_read < stream.targets[i].bytes) {
      ++i;
      continue;
    }
    const std::shared_ptr<Drain> drain = std::move(stream.targets[i].drain);
    stream.targets.erase(stream.targets.begin() + static_cast<std::ptrdiff_t>(i));
    std::vector<OutputSplitter::Block> blocks;
    stream.splitter.finish(blocks);
    send(stream, blocks);
    if (--drain->streams == 0) drain->done();
  }
}

}  // namespace manta::node
