// All of manta::train, Manta's core, and LibTorch's C++ interface.
#pragma once

#include <torch/torch.h>

#include <manta/manta.h>
#include <manta/torch.h>
#include <manta/train/checkpoint.h>
#include <manta/train/checkpoint_store.h>
#include <manta/train/comm_hooks.h>
#include <manta/train/context.h>
#include <manta/train/distributed_data_parallel.h>
#include <manta/train/report.h>
#include <manta/train/sampler.h>
#include <manta/train/state.h>
#include <manta/train/trainer.h>
