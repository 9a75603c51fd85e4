#include "core/client/stalls.h"

#include <utility>

#include "core/base/log.h"
#include "core/client/function_table.h"

namespace manta::client {

namespace {

constexpr std::chrono::milliseconds kBetweenLooks{50};
constexpr std::chrono::milliseconds kAnswered{500};  // by the node

std::string seconds(std::int64_t milliseconds) {
  const std::int64_t tenths = milliseconds / 100;
  return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " s";
}

}  // namespace

bool Stalls::look(Clock::time_point now) {
  const owner::Owner& owner = *state_.owner;
  if (now < next_look_) return true;
  next_look_ = now + kBetweenLooks;
  for (const auto& line : unmet_.look(owner.unmet(), now.time_since_epoch())) {
    const std::string label = owner.label_of(line.index);
    node_.send(net::WhyWaits{.request = note(label, line.waiting, true),
                             .shape = line.index,
                             .where = owner.where_of(line.index),
                             .label = label,
                             .line = true,
                             .space_bytes = line.space_bytes,
                             .not_spilled = line.space_bytes > 0 ? context_.not_spilled() : std::string()});
  }
  return unmet_.any();
}

std::uint64_t Stalls::note(const std::string& label, std::uint64_t waiting, bool line) {
  const MutexLock guard(mutex_);
  questions_[++last_] = {label, waiting, line, std::nullopt};
  return last_;
}

void Stalls::say_space(const std::string& label, std::uint64_t bytes, const std::string& not_spilled) {
  node_.send(net::WhyWaits{.request = note(label, 1, true),
                           .shape = 0,
                           .where = {},
                           .label = label,
                           .line = true,
                           .space_bytes = bytes,
                           .not_spilled = not_spilled});
}

void Stalls::answered(const net::Waits& answer) {
  std::string line;
  {
    const MutexLock guard(mutex_);
    const auto it = questions_.find(answer.request);
    if (it == questions_.end()) return;
    Question& question = it->second;
    if (question.line) {
      if (answer.line && !answer.what.empty()) line = text_of(question, answer);
      questions_.erase(it);
    } else {
      question.answer = answer;
    }
  }
  answered_.notify_all();
  if (!line.empty()) log::warn(line);
}

net::Waits Stalls::answer_to(net::WhyWaits question) {
  question.request = note(question.label, 1, false);
  question.line = false;
  node_.send(question);
  const Clock::time_point deadline = Clock::now() + kAnswered;
  const MutexLock lock(mutex_);
  const std::optional<net::Waits>& answered = questions_[question.request].answer;
  while (!closed_ && !answered && answered_.wait_until(mutex_, deadline)) continue;
  net::Waits answer = answered.value_or(net::Waits{});
  questions_.erase(question.request);
  return answer;
}

std::string Stalls::why(const owner::Entry& entry) {
  owner::Obstacle obstacle;
  net::WhyWaits question;
  {
    const OwnerLock guard(state_);
    results_.drain();
    obstacle = state_.owner->obstacle(entry);
    if (obstacle.demand) question.where = state_.owner->where_of(*obstacle.demand);
    if (obstacle.space_bytes > 0) question.not_spilled = context_.not_spilled();
  }
  if (obstacle.demand) {
    question.shape = *obstacle.demand;
    question.label = obstacle.label;
    question.space_bytes = obstacle.space_bytes;
    const net::Waits answer = answer_to(question);
    if (!answer.what.empty()) return text_of({question.label, 1, false, std::nullopt}, answer);
    return obstacle.label + " waits for a worker";
  }
  if (obstacle.what.empty()) return {};
  return obstacle.label.empty() ? obstacle.what : obstacle.label + ": " + obstacle.what;
}

std::string Stalls::holders_of_store() {
  net::WhyWaits question;
  question.space_bytes = 1;
  return holders_of(answer_to(question));
}

void Stalls::close() {
  {
    const MutexLock guard(mutex_);
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
  text += holders_of(answer);
  if (!answer.others.empty()) text += "; other nodes: " + answer.others;
  if (!answer.advice.empty()) text += "; " + answer.advice;
  return text;
}

std::string Stalls::holders_of(const net::Waits& answer) const {
  std::string text;
  for (std::size_t i = 0; i < answer.holders.size(); ++i) {
    const net::LeaseHolder& holder = answer.holders[i];
    text += i == 0 ? "; held by " : ", ";
    if (holder.store_bytes > 0) {
      text += "process " + std::to_string(holder.process) + " with " + sched::bytes_to_string(holder.store_bytes);
      continue;
    }
    text += holder.actor ? "actor " : "task ";
    text += holder.function != 0 ? detail::name_of_function({holder.function}) : "";
    text += text.ends_with(' ') ? "in process " : " in process ";
    text += std::to_string(holder.process) + " for " + seconds(holder.milliseconds);
  }
  if (answer.all_holders > answer.holders.size() && !answer.holders.empty()) {
    text += " and " + std::to_string(answer.all_holders - answer.holders.size()) + " more";
  }
  if (answer.all_holders > 0 && answer.holders.empty()) text += "; held by placement groups";
  return text;
}

}  // namespace manta::client
