// Tables of programs that wait, one row a case: all rows run at the same time, each as a whole program (this one, with
// --program=NAME). What waits says so: a line after two seconds names what waits, what it needs, what there is, which
// processes hold it and what would help; the text of a deadline says the same.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <manta/manta.h>

namespace manta::e2e {

struct WaitRow {
  std::string name;
  InitOptions options;
  std::function<void()> before = {};  // init, in the driver alone
  std::function<void()> run = {};     // says "over: ..." when its deadline is over
  std::string line = {};              // regular expression of the line, and of the deadline's text
  bool in_deadline = true;            // the driver's deadline has the same text
};

// What a row's deadline is: the first line comes within 2.0 to 2.5 s, where the machine is busy somewhat later.
inline constexpr std::chrono::milliseconds kWaitDeadline{3500};

// Takes what others wait for.
struct Holder {
  int holds() { return 1; }
  int stays();  // until its process is killed
};
template <class T>
void hold(const Actor<T>& actor) {
  (void)get(actor.template call<&Holder::holds>());
}
// The end of a line that names such an actor.
inline const std::string kHeldByHolder = "held by actor [^;]*Holder[^;]* in process [0-9]+ for [0-9.]+ s";

void say(const std::string& text);  // on stderr
void say_over(const std::string& text);
// Gives up after kWaitDeadline, and says why.
template <class T>
void expect_late(const Ref<T>& ref) {
  const auto result = try_get(ref, kWaitDeadline);
  say_over(result ? "there was a value" : result.error().what());
}
// For what has no deadline of its own: runs `waits`, which goes on when the holder is killed after kWaitDeadline.
void run_held_up(const Actor<Holder>& holder, const std::function<void()>& waits);

// First in main. Runs the row that --program names, and returns what main should; none: main goes on.
std::optional<int> run_wait_row(int argc, char** argv, const std::vector<WaitRow>& rows);
// The runtime of the row that runs.
Runtime& row_runtime();

// The body of a test: runs all rows, and compares.
void expect_lines(const std::vector<WaitRow>& rows);

}  // namespace manta::e2e
