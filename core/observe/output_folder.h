// Lines of many workers, of which those that say the same are shown once. Sans-I/O: lines and time in, lines out.
//
//   FOLD-1  the first line of a text is shown at once; so is each other one of the same worker, as long as it alone
//           says it (a loop that prints is not folded)
//   FOLD-2  what others say within kWindow is counted: at the window's end, or the program's, the last of them is
//           shown, with how many they were if that is more than one; then a new window begins
//   FOLD-3  at most kMaxTexts texts of at most kLongestText bytes are remembered; others are shown as they come
//   FOLD-4  a line that will be written anew (OutputSplitter, LINES-3) is shown as it comes
//
// Texts are compared literally, apart for stdout and stderr. (Ray folds the same way, and counts numbers as alike.)
// Threading: none of its own.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <manta/ids.h>

namespace manta::observe {

class OutputFolder {
 public:
  using Time = std::chrono::nanoseconds;  // since an arbitrary start; given, never read
  static constexpr Time kWindow = std::chrono::seconds(5);
  static constexpr Time kNever = Time::max();
  static constexpr std::size_t kMaxTexts = 1024;
  static constexpr std::size_t kLongestText = 1024;

  struct Line {
    ClientId worker;
    bool error = false;
    std::string who;      // "square pid=1234"
    std::string text;     // without its end
    bool update = false;  // ends with "\r": what comes next is shown in its place
    friend bool operator==(const Line&, const Line&) = default;
  };

  explicit OutputFolder(bool fold) : fold_(fold) {}

  void add(Line line, Time now, std::vector<Line>& shown);
  // Windows that have ended by now; next_end(): when the next one does, kNever: none is open.
  void tick(Time now, std::vector<Line>& shown);
  Time next_end() const { return texts_.empty() ? kNever : texts_.front().since + kWindow; }
  void finish(std::vector<Line>& shown);

 private:
  struct Text {
    std::string key;
    Time since{0};
    std::uint32_t count = 0;  // not shown
    bool several = false;     // workers
    Line last;                // of those not shown; its worker: the first one's
  };

  void end_first(Time now, bool again, std::vector<Line>& shown);

  bool fold_;
  std::list<Text> texts_;  // in the order of `since`
  std::unordered_map<std::string_view, std::list<Text>::iterator> by_key_;
};

}  // namespace manta::observe
