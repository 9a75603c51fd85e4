// The program whose processes leaks_test.cc kills: all kinds of things that could be left behind.
#pragma once

#include <cstddef>

namespace manta::e2e {

// Cells of the page that the victim and its observer share (outside.h).
enum Cell : std::size_t {
  kReady,     // victim: everything is there
  kGo,        // observer: go on to the end
  kDone,      // victim: all results were right (1), or one was not (2)
  kError,     // victim: code of the error that get() threw, and 1
  kBusy,      // pid of the worker that runs the long task
  kStarts,    // how often the long task was started
  kChildren,  // processes that user code started
  kOwnChild,  // pid of a child of the driver, which is none of Manta's business
};

// how: what the driver does once it is ready: wait, exit, quick_exit, abort, throw, fork.
int leak_victim(int argc, char** argv, const char* how);

}  // namespace manta::e2e
