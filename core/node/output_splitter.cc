#include "core/node/output_splitter.h"

#include <algorithm>

#include "core/net/output_mark.h"

namespace manta::node {

namespace {

using net::OutputMark;

// How many bytes at the end may be the start of a mark.
std::size_t started_mark(std::string_view text) {
  const std::size_t from = text.rfind(OutputMark::kHead.front());
  if (from == std::string_view::npos || text.size() - from >= OutputMark::kBytes) return 0;
  const std::string_view tail = text.substr(from);
  const std::size_t common = std::min(tail.size(), OutputMark::kHead.size());
  return tail.substr(0, common) == OutputMark::kHead.substr(0, common) ? tail.size() : 0;
}

void append(std::vector<OutputSplitter::Block>& blocks, std::uint64_t function, std::string_view text) {
  if (blocks.empty() || blocks.back().function != function ||
      blocks.back().text.size() >= OutputSplitter::kLongestLine) {
    blocks.push_back({function, {}});
  }
  blocks.back().text += text;
}

}  // namespace

void OutputSplitter::add(std::string_view bytes, std::uint64_t function, std::vector<Block>& blocks) {
  std::string joined;
  if (!mark_.empty()) {
    joined = mark_.append(bytes);
    mark_.clear();
    bytes = joined;
  }
  const std::size_t started = started_mark(bytes);
  mark_ = bytes.substr(bytes.size() - started);
  bytes.remove_suffix(started);
  for (std::size_t from = 0;;) {
    const std::size_t at = bytes.find(OutputMark::kHead, from);
    if (at == std::string_view::npos) break;
    const auto mark = OutputMark::decode(bytes.substr(at));
    if (!mark) {  // somebody wrote the like
      from = at + 1;
      continue;
    }
    add_of(mark->before, bytes.substr(0, at), blocks);
    function = mark->after;
    bytes.remove_prefix(at + OutputMark::kBytes);
    from = 0;
  }
  add_of(function, bytes, blocks);
}

void OutputSplitter::add_of(std::uint64_t function, std::string_view bytes, std::vector<Block>& blocks) {
  if (bytes.empty()) return;
  if (!rest_.empty() && rest_function_ != function) finish(blocks);
  rest_function_ = function;
  while (!bytes.empty()) {
    const std::size_t end = bytes.find('\n');
    const std::size_t room = kLongestLine - rest_.size();
    if (end == std::string_view::npos && bytes.size() < room) {
      rest_ += bytes;
      return;
    }
    const std::size_t n = std::min(end == std::string_view::npos ? bytes.size() : end, room);
    rest_ += bytes.substr(0, n);
    bytes.remove_prefix(n + (n == end ? 1 : 0));
    append(blocks, function, rest_ += '\n');
    rest_.clear();
  }
}

void OutputSplitter::finish(std::vector<Block>& blocks) {
  rest_ += mark_;  // it was not one
  mark_.clear();
  if (rest_.empty()) return;
  append(blocks, rest_function_, rest_ += '\n');
  rest_.clear();
}

}  // namespace manta::node
