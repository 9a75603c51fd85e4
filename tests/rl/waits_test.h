// Rows of tests/support/waits.h: trainings whose rollout actors find no place.
#pragma once

#include "tests/support/waits.h"

extern const std::vector<manta::e2e::WaitRow> rl_wait_rows;
