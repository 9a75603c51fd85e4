// Turns the raw stacks of workers that crashed into text: demangled functions with file and line, by binutils'
// addr2line, which is started for that and ended after kLimit. Where that is missing or says nothing, names come from
// the dynamic symbols of modules that this process has loaded too.
//
// Threading: the node's loop; callbacks come from it. Ownership: owns the processes that it starts.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include "core/net/crash_record.h"

namespace manta::node {

// One function; several for an address where calls were inlined, innermost first.
struct CodePlace {
  std::string function;  // empty: unknown
  std::string where;     // "model.cc:12"; empty: unknown
};

// What `addr2line -a -f -C -i` has printed: for each address, in order, its places.
std::vector<std::vector<CodePlace>> read_places(const std::string& printed);
// The frames that concern the user, one line each ("\n    at f(int) (model.cc:12)"), at most kMost: without those of
// Manta that called the task's function, and for an abort without those of the C and C++ libraries that made it.
std::string stack_text(const std::vector<CodePlace>& places, bool abort);

class CrashStacks {
 public:
  static constexpr std::chrono::milliseconds kLimit{1500};

  explicit CrashStacks(boost::asio::io_context& io);
  ~CrashStacks();

  // Calls back with stack_text(). One stack after the other; known addresses are answered at once.
  void resolve(net::CrashStack stack, bool abort, std::function<void(std::string)> done);
  // A child of this process has ended; true: it was one of these.
  bool child_ended(pid_t pid) { return children_.erase(pid) > 0; }

 private:
  using Address = std::pair<std::string, std::uint64_t>;  // module, offset
  struct Request {
    net::CrashStack stack;
    bool abort = false;
    std::function<void(std::string)> done;
  };
  struct Lookup {
    explicit Lookup(boost::asio::io_context& io) : output(io) {}
    boost::asio::posix::stream_descriptor output;
    std::vector<Address> addresses;
    std::string printed;
    pid_t child = 0;
  };

  void next();
  void look_up(const std::string& module, const std::vector<std::uint64_t>& offsets);
  void read(Lookup& lookup);
  void ended(Lookup& lookup);
  void finish();
  std::vector<CodePlace> places_of(const net::CrashStack::Frame& frame);

  boost::asio::io_context& io_;
  boost::asio::steady_timer timer_;
  std::deque<Request> requests_;  // the first is being looked up
  bool working_ = false;
  std::list<std::unique_ptr<Lookup>> lookups_;
  std::map<Address, std::vector<CodePlace>> known_;
  std::set<pid_t> children_;
};

}  // namespace manta::node
