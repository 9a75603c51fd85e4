// Leaves a worker's stack for the node process when it crashes (SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT).
//
//   CRASH-1  the process still ends by the signal that it crashed with; it does so within a second or so, also where
//            the handler itself hangs or crashes
//   CRASH-2  nothing is allocated and no lock is taken: the crash may be inside malloc. (The dynamic loader's tables
//            are read without its lock.)
//   CRASH-3  handlers of the program stay, whether they were there before or come later
//
// Where several threads crash, the first one is written down. A stack overflow is noticed in the threads that run tasks
// and methods; other threads have no alternate stack, and end without a record there. With AddressSanitizer and
// ThreadSanitizer, whose handlers tell more, nothing is installed.
#pragma once

#include "core/net/crash_record.h"

namespace manta::worker {

// Once, in the worker; the record must stay.
void install_crash_handler(net::CrashRecord& record);
// In each thread that runs user code.
void use_alternate_stack();

}  // namespace manta::worker
