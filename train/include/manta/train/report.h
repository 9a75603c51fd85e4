// The names of <manta/report.h> in namespace train: metrics, result logs, TensorBoard, progress lines.
#pragma once

#include <manta/report.h>

namespace manta::train {

using report::Metrics;
using report::ProgressLine;
using report::ProgressOptions;
using report::ResultLog;
using report::TensorBoardWriter;

}  // namespace manta::train
