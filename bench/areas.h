// The areas and probes of manta_bench. A new area: one file with a function that returns it, named here and in main.cc.
#pragma once

#include "bench/harness.h"

namespace manta::bench {

Area core_area();
Area train_area();
Area serve_area();
Area rl_area();    // where rl is built
Area tune_area();  // where manta::tune was built
Area data_area();  // where manta::data was built
Area examples_area();

// Tasks (core_tasks.cc), actors (core_actors.cc), coroutines and streams (core_coroutines.cc), objects
// (core_objects.cc), and start, memory and idling (core_start.cc), as core_area() joins them.
std::vector<Case> task_cases();
std::vector<Case> actor_cases();
std::vector<Case> coroutine_cases();
std::vector<Case> object_cases();
std::vector<Case> start_cases();

// all_reduce (train_collectives.cc), whole trainings (train_training.cc), as train_area() joins them.
std::vector<Case> collective_cases();
std::vector<Case> training_cases();

// Environments (rl_stepping.cc), PPO (rl_ppo.cc), as rl_area() joins them.
std::vector<Case> stepping_cases();
std::vector<Case> ppo_cases();

// How good searchers are, and what they cost (tune_quality.cc), as tune_area() joins them.
std::vector<Case> tune_quality_cases();
std::vector<Case> tune_pareto_cases();

// A fixed amount of work instead of a time, for profilers and instruction counts; see README.md.
void run_probe(Harness& harness, const std::string& name, long count);

}  // namespace manta::bench
