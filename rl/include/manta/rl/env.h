// All of the environments: manta::rl_env, which needs no LibTorch.
#pragma once

#include <manta/rl/batch_env.h>
#include <manta/rl/environment.h>
#include <manta/rl/envs/acrobot.h>
#include <manta/rl/envs/cart_pole.h>
#include <manta/rl/envs/half_cheetah.h>
#include <manta/rl/envs/mountain_car.h>
#include <manta/rl/envs/pendulum.h>
#include <manta/rl/make_env.h>
#include <manta/rl/rng.h>
#include <manta/rl/running_statistics.h>
#include <manta/rl/space.h>
#include <manta/rl/vector_env.h>
#include <manta/rl/wrappers.h>
