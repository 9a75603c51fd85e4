// Reinforcement learning: environments, PPO and DQN, evaluation. Link manta::rl; environments alone: manta::rl_env.
#pragma once

#include <manta/manta.h>
#include <manta/rl/dqn.h>
#include <manta/rl/env.h>
#include <manta/rl/environment_spec.h>
#include <manta/rl/evaluation.h>
#include <manta/rl/ppo.h>
