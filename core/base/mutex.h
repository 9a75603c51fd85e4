// The annotated mutex of <manta/detail/mutex.h>, under the names that the core uses.
#pragma once

#include <manta/detail/mutex.h>

namespace manta {

using detail::CondVar;
using detail::Mutex;
using detail::MutexLock;
using detail::MutexUnlock;

}  // namespace manta
