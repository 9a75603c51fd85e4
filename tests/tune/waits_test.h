// Rows of tests/support/waits.h: studies whose workers find no place.
#pragma once

#include "tests/support/waits.h"

extern const std::vector<manta::e2e::WaitRow> tune_wait_rows;
