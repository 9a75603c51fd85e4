#include "core/node/output_splitter.h"

#include <algorithm>
#include <utility>

#include "core/net/output_mark.h"

namespace manta::node {

namespace {

using net::OutputLabel;
using net::OutputMark;

bool starts(std::string_view text, std::string_view head, std::size_t bytes) {
  const std::size_t common = std::min(text.size(), head.size());
  return text.size() < bytes && text.substr(0, common) == head.substr(0, common);
}

// How many bytes at the end may be the start of a mark or a label.
std::size_t started_mark(std::string_view text) {
  const std::size_t from = text.rfind(OutputMark::kHead.front());
  if (from == std::string_view::npos) return 0;
  const std::string_view tail = text.substr(from);
  const bool may_be =
      starts(tail, OutputMark::kHead, OutputMark::kBytes) || starts(tail, OutputLabel::kHead, OutputLabel::kBytes);
  return may_be ? tail.size() : 0;
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
  std::string without_label;
  if (!mark_.empty()) {
    joined = mark_.append(bytes);
    mark_.clear();
    bytes = joined;
  }
  const std::size_t started = started_mark(bytes);
  mark_ = bytes.substr(bytes.size() - started);
  bytes.remove_suffix(started);
  for (std::size_t from = 0;;) {
    const std::size_t at = bytes.find(OutputMark::kHead.front(), from);
    if (at == std::string_view::npos) break;
    if (const auto label = OutputLabel::decode(bytes.substr(at))) {
      labels_.push_back(*label);
      if (labels_.size() > 2 * OutputLabel::kMostKnown) labels_.pop_front();
      without_label = std::string(bytes.substr(0, at)).append(bytes.substr(at + OutputLabel::kBytes));
      bytes = joined = std::move(without_label);
      from = at;
      continue;
    }
    const auto mark = OutputMark::decode(bytes.substr(at));
    if (!mark) {  // the program wrote that character
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
  if (rest_function_ != function) returned_ = false;
  rest_function_ = function;
  while (!bytes.empty()) {
    const std::size_t end = bytes.find_first_of("\r\n");
    const std::size_t room = kLongestLine - rest_.size();
    if (end == std::string_view::npos && bytes.size() < room) {
      rest_ += bytes;
      break;
    }
    const std::size_t n = std::min(end == std::string_view::npos ? bytes.size() : end, room);
    rest_ += bytes.substr(0, n);
    bytes.remove_prefix(n);
    const bool returns = n == end && bytes.front() == '\r' && !bytes.starts_with("\r\n");
    if (n == end) bytes.remove_prefix(bytes.starts_with("\r\n") ? 2 : 1);
    end_line(returns, blocks);
  }
  if (returned_ && !rest_.empty()) append(blocks, function, rest_ + '\r');  // LINES-3; the line goes on
}

void OutputSplitter::end_line(bool returns, std::vector<Block>& blocks) {
  if (returns) {
    if (!rest_.empty()) {
      append(blocks, rest_function_, rest_ + '\r');
      update_ = std::exchange(rest_, {});
    }
  } else {
    if (rest_.empty() && returned_) rest_ = std::move(update_);  // "100%\r", then the end of the line
    append(blocks, rest_function_, rest_ += '\n');
    rest_.clear();
    update_.clear();
  }
  returned_ = returns;
}

std::string OutputSplitter::label(std::uint64_t function) const {
  const auto known = std::find_if(labels_.rbegin(), labels_.rend(),
                                  [&](const OutputLabel& label) { return label.function == function; });
  return known != labels_.rend() ? known->text : std::string();
}

void OutputSplitter::finish(std::vector<Block>& blocks) {
  rest_ += mark_;  // it was not one
  mark_.clear();
  if (rest_.empty()) return;
  end_line(false, blocks);
}

}  // namespace manta::node
