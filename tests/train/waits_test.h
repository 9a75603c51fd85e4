// Rows of tests/support/waits.h: trainings whose workers lack resources.
#pragma once

#include "tests/support/waits.h"

extern const std::vector<manta::e2e::WaitRow> train_wait_rows;
