#include "core/settings/log_level.h"

#include <manta/error.h>

#include "core/base/log.h"
#include "core/settings/read.h"

namespace manta::settings {

void read_log_level() { log::set_least(log::level_named(choice("MANTA_LOG")).value_or(log::Level::warn)); }

void read_log_level_or_warn() {
  try {
    read_log_level();
  } catch (const Error&) {
    log::set_least(log::Level::warn);
  }
}

}  // namespace manta::settings
