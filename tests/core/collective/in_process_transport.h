// A transport between threads of one process, for tests of what stands on Transport.
#pragma once

#include <memory>

#include "core/collective/transport.h"

namespace manta::collective {

// Passes everything as a network does: a rank gets a copy of what a Payload gives it, and of nothing else, in a buffer
// of its own, which is overwritten when the view's time is over. Steps are small, so that short data makes several.
//
// Blocks until as many ranks as rendezvous.size have joined under this name. Threading, errors: as Transport.
std::unique_ptr<Transport> join_in_process(const Rendezvous& rendezvous);

}  // namespace manta::collective
