#include "core/client/stalls.h"

#include <utility>

#include "core/base/log.h"

namespace manta::client {

namespace {

constexpr std::chrono::milliseconds kBetweenLooks{50};
constexpr std::chrono::milliseconds kAnswered{500};  // by the node

std::string seconds(std::int64_t milliseconds) {
  const std::int64_t tenths = milliseconds / 100;
  return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " s";
}

}  // namespace

bool Stalls::look(const owner::Owner& owner, Clock::time_point now) {
  if (now < next_look_) return true;
  next_look_ = now + kBetweenLooks;
  for (const auto& line : unmet_.look(owner.unmet(), now.time_since_epoch())) {
    const std::string label = owner.label_of(line.index);
    edge_.ask({note(label, line.waiting, true), line.index, owner.where_of(line.index), label, true});
  }
  return unmet_.any();
}

std::uint64_t Stalls::note(const std::string& label, std::uint64_t waiting, bool line) {
  const std::lock_guard guard(mutex_);
  questions_[++last_] = {label, waiting, line, std::nullopt};
  return last_;
}

void Stalls::answered(const net::Waits& answer) {
  std::string line;
  {
    const std::lock_guard guard(mutex_);
    const auto it = questions_.find(answer.request);
    if (it == questions_.end()) return;
    Question& question = it->second;
    std::string text = answer.what.empty() ? std::string() : text_of(question, answer);
    if (question.line) {
      if (answer.line) line = std::move(text);
      questions_.erase(it);
    } else {
      question.text = std::move(text);
    }
  }
  answered_.notify_all();
  if (!line.empty()) log::warn(line);
}

std::string Stalls::why(owner::DemandIndex index, const sched::Where& where, const std::string& label) {
  const std::uint64_t number = note(label, 1, false);
  edge_.ask({number, index, where, label, false});
  std::unique_lock lock(mutex_);
  answered_.wait_for(lock, kAnswered, [&] { return closed_ || questions_[number].text.has_value(); });
  std::string text = questions_[number].text.value_or("");
  questions_.erase(number);
  return text;
}

void Stalls::close() {
  {
    const std::lock_guard guard(mutex_);
    closed_ = true;
  }
  answered_.notify_all();
}

std::string Stalls::text_of(const Question& question, const net::Waits& answer) const {
  std::string text = question.label;
  if (question.waiting > 1)
    text += " and " + std::to_string(question.waiting - 1) + " more wait: the first ";
  else
    text += " waits: it ";
  // "asks for CPU: 1, ..." goes on the sentence; others are sentences of their own.
  if (!answer.what.starts_with("asks for")) text.resize(text.rfind(": ") + 2);
  text += answer.what;
  for (std::size_t i = 0; i < answer.holders.size(); ++i) {
    const net::LeaseHolder& holder = answer.holders[i];
    text += i == 0 ? "; held by " : ", ";
    text += holder.actor ? "actor " : "task ";
    text += holder.function != 0 ? edge_.function_name(holder.function) : "";
    text += text.ends_with(' ') ? "in process " : " in process ";
    text += std::to_string(holder.process) + " for " + seconds(holder.milliseconds);
  }
  if (answer.all_holders > answer.holders.size() && !answer.holders.empty()) {
    text += " and " + std::to_string(answer.all_holders - answer.holders.size()) + " more";
  }
  if (answer.all_holders > 0 && answer.holders.empty()) text += "; held by placement groups";
  if (!answer.others.empty()) text += "; other nodes: " + answer.others;
  if (!answer.advice.empty()) text += "; " + answer.advice;
  return text;
}

}  // namespace manta::client
