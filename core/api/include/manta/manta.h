// All of Manta's core. Tensors: <manta/torch.h>.
#pragma once

#include <manta/detail/compiler.h>

#include <manta/actor.h>
#include <manta/array.h>
#include <manta/cancel.h>
#include <manta/detail/require_cpp20.h>
#include <manta/error.h>
#include <manta/generator.h>
#include <manta/get.h>
#include <manta/on_ready.h>
#include <manta/options.h>
#include <manta/placement_group.h>
#include <manta/ready_queue.h>
#include <manta/ref.h>
#include <manta/remote.h>
#include <manta/runtime.h>
#include <manta/runtime_context.h>
#include <manta/serialize.h>
#include <manta/stream.h>
#include <manta/task.h>
#include <manta/unpack.h>
#include <manta/wait.h>
#include <manta/when.h>
