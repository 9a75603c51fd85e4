#include "core/observe/output_folder.h"

#include <utility>

namespace manta::observe {

void OutputFolder::add(Line line, Time now, std::vector<Line>& shown) {
  if (line.update) return shown.push_back(std::move(line));  // FOLD-4
  tick(now, shown);
  if (!fold_ || line.text.empty() || line.text.size() > kLongestText) {
    shown.push_back(std::move(line));
    return;
  }
  std::string key = (line.error ? '2' : '1') + line.text;
  const auto known = by_key_.find(key);
  if (known == by_key_.end()) {
    if (texts_.size() >= kMaxTexts) end_first(now, false, shown);
    texts_.push_back({std::move(key), now, 0, false, {line.worker, line.error, {}, {}}});
    by_key_[texts_.back().key] = std::prev(texts_.end());
    shown.push_back(std::move(line));
    return;
  }
  Text& text = *known->second;
  text.several = text.several || line.worker != text.last.worker;
  if (!text.several) {
    shown.push_back(std::move(line));
    return;
  }
  ++text.count;
  line.worker = text.last.worker;
  text.last = std::move(line);
}

void OutputFolder::tick(Time now, std::vector<Line>& shown) {
  while (next_end() <= now) end_first(now, true, shown);
}

void OutputFolder::finish(std::vector<Line>& shown) {
  while (!texts_.empty()) end_first(Time{0}, false, shown);
}

void OutputFolder::end_first(Time now, bool again, std::vector<Line>& shown) {
  Text& text = texts_.front();
  again = again && text.count > 1;
  if (text.count > 0) {
    Line line = text.last;
    if (text.count > 1) line.text += " [repeated " + std::to_string(text.count) + "x]";
    shown.push_back(std::move(line));
  }
  if (again) {
    text.since = now;
    text.count = 0;
    texts_.splice(texts_.end(), texts_, texts_.begin());
  } else {
    by_key_.erase(text.key);
    texts_.pop_front();
  }
}

}  // namespace manta::observe
