// The level of Manta's own messages (log.h), from MANTA_LOG.
#pragma once

namespace manta::settings {

// In a driver. Throws Error(invalid_argument) where MANTA_LOG names no level.
void read_log_level();
// In a process that cannot refuse: a node process or a worker, whose task may have set MANTA_LOG. What names no level
// counts as warn.
void read_log_level_or_warn();

}  // namespace manta::settings
