// Rows of tests/support/waits.h: trainings whose workers find no place.
#pragma once

#include "tests/support/waits.h"

extern const std::vector<manta::e2e::WaitRow> train_wait_rows;
