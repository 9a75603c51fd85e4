// What a training reports of itself, and where people read it: <manta/report.h>, under train's name too.
#pragma once

#include <manta/report.h>

namespace manta::train {

using report::Metrics;
using report::ProgressLine;
using report::ProgressOptions;
using report::ResultLog;
using report::TensorBoardWriter;

}  // namespace manta::train
