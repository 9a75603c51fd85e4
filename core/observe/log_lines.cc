#include "core/observe/log_lines.h"

#include <string>

#include "core/base/end_of_process.h"
#include "core/base/log.h"
#include "core/base/overloaded.h"

namespace manta::observe {

namespace {

// The stack of a crash comes with the error; here is one line.
void say(const ActorRestarts& restart) {
  const bool limited = restart.most >= 0;
  std::string text = restart.actor + ": its process " + std::string(first_line(restart.status));
  if (restart.in_constructor) text += " while its constructor ran";
  text += "; restart " + std::to_string(restart.number);
  if (limited) text += " of " + std::to_string(restart.most);
  const auto milliseconds = restart.delay.count();
  text += " begins ";
  text += milliseconds == 0 ? "now" : "in " + std::to_string(milliseconds) + " ms";
  if (!limited && restart.in_constructor && milliseconds > 0) {
    text += "; it is started again without end, as ActorOptions::max_restarts is -1";
  }
  milliseconds == 0 || restart.asked_for ? log::info(text) : log::warn(text);
}

}  // namespace

void LogLines::observe(const RareEvent& event) {
  std::visit(Overloaded{
                 [](const TriedAgain& e) { log::info(e.what, " is tried again (attempt ", e.attempt, "): ", e.why); },
                 [](const ActorRestarts& e) { say(e); },
                 [&](const FailedUnread& e) { unread_.add(e.what, e.error, Clock::now()); },
                 [&](const Tick& e) { unread_.tick(e.now); },
                 [&](const Finishing&) { unread_.finish(); },
                 [](const auto&) {},
             },
             event);
}

}  // namespace manta::observe
