// Rows of tests/support/waits.h: deployments whose replicas lack resources.
#pragma once

#include "tests/support/waits.h"

extern const std::vector<manta::e2e::WaitRow> serve_wait_rows;
