// Searching for good parameters on many processes. Link manta::tune.
#pragma once

#include <manta/tune/ask_tell.h>
#include <manta/tune/pareto.h>
#include <manta/tune/results.h>
#include <manta/tune/scheduler.h>
#include <manta/tune/searcher.h>
#include <manta/tune/space.h>
#include <manta/tune/trial.h>
#include <manta/tune/tuner.h>
