// A disk that is full where a test wants it.
#pragma once

#include <signal.h>
#include <sys/resource.h>

// Files may not grow beyond a limit, which fails as a full disk does, but at a place of the test's choice.
struct FileLimit {
  explicit FileLimit(rlim_t bytes) {
    handler = signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before);
    const rlimit limit{bytes, before.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileLimit() {
    setrlimit(RLIMIT_FSIZE, &before);
    signal(SIGXFSZ, handler);
  }
  rlimit before{};
  void (*handler)(int);
};
