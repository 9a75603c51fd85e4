// Which transport a group gets.
#include <manta/collective.h>

#include "core/collective/shared_memory_transport.h"

namespace manta::collective {

std::unique_ptr<Group> Group::join(const Rendezvous& rendezvous) {
  return std::make_unique<Group>(std::make_unique<SharedMemoryTransport>(rendezvous));
}

}  // namespace manta::collective
