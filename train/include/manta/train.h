// All of manta::train.
#pragma once

#include <manta/train/checkpoint.h>
#include <manta/train/checkpoint_store.h>
#include <manta/train/context.h>
#include <manta/train/distributed_data_parallel.h>
#include <manta/train/report.h>
#include <manta/train/sampler.h>
#include <manta/train/state.h>
#include <manta/train/trainer.h>
