// What came out of a worker's pipe, as whole lines, each with the function that wrote it. Sans-I/O.
//
//   LINES-1  a line is handed out once and whole, unless it is longer than kLongestLine; then it is cut there
//   LINES-2  a line without end that another function goes on with is two lines
//   LINES-3  a line that a carriage return takes back (a progress bar) is handed out at once, as far as it is there,
//            with "\r" for its end: what follows is shown in its place
//
// Threading: none of its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "core/net/output_mark.h"

namespace manta::node {

class OutputSplitter {
 public:
  static constexpr std::size_t kLongestLine = 32 * 1024;

  struct Block {  // lines of one function, each with its end: "\n", or "\r" where it will be written anew
    std::uint64_t function = 0;
    std::string text;
    friend bool operator==(const Block&, const Block&) = default;
  };

  // bytes: read while the slot said `function`; marks in them say otherwise (MARK-1).
  void add(std::string_view bytes, std::uint64_t function, std::vector<Block>& blocks);
  // Nothing more will come for now: the line without end is one.
  void finish(std::vector<Block>& blocks);
  bool partial() const { return !rest_.empty(); }
  // The label that the number stands for (MARK-2); empty: it is a function's.
  std::string label(std::uint64_t function) const;

 private:
  void add_of(std::uint64_t function, std::string_view bytes, std::vector<Block>& blocks);
  void end_line(bool returns, std::vector<Block>& blocks);

  std::string mark_;  // start of a mark whose rest has yet to come
  std::string rest_;  // a line without end
  std::uint64_t rest_function_ = 0;
  bool returned_ = false;                // a carriage return came last, before rest_
  std::string update_;                   // what was before it
  std::deque<net::OutputLabel> labels_;  // the latest last
};

}  // namespace manta::node
