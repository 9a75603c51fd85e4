// What runs write for people: curves, logs, a line that says how far they are. A library of its own, manta::report.
#pragma once

#include <manta/report/metrics.h>
#include <manta/report/progress.h>
#include <manta/report/result_log.h>
#include <manta/report/tensorboard.h>
