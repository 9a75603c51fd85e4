// What came out of a worker's pipe, as whole lines, each with the function that wrote it. Sans-I/O.
//
//   LINES-1  a line is handed out once and whole, unless it is longer than kLongestLine; then it is cut there
//   LINES-2  a line without end that another function goes on with is two lines
//
// Threading: none of its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace manta::node {

class OutputSplitter {
 public:
  static constexpr std::size_t kLongestLine = 32 * 1024;

  struct Block {  // lines of one function, each with its end
    std::uint64_t function = 0;
    std::string text;
    friend bool operator==(const Block&, const Block&) = default;
  };

  // bytes: read while the slot said `function`; marks in them say otherwise (MARK-1).
  void add(std::string_view bytes, std::uint64_t function, std::vector<Block>& blocks);
  // Nothing more will come for now: the line without end is one.
  void finish(std::vector<Block>& blocks);
  bool partial() const { return !rest_.empty(); }

 private:
  void add_of(std::uint64_t function, std::string_view bytes, std::vector<Block>& blocks);

  std::string mark_;  // start of a mark whose rest has yet to come
  std::string rest_;  // a line without end
  std::uint64_t rest_function_ = 0;
};

}  // namespace manta::node
