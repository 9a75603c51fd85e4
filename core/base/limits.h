// What a user can raise where the system refuses for want of something.
#pragma once

#include <cerrno>
#include <string>

namespace manta {

// "; raise ulimit -n", for an errno that a limit explains; else "".
inline std::string limit_advice(int error) {
  switch (error) {
    case EMFILE:
      return "; raise the limit of descriptors (ulimit -n)";
    case ENFILE:
      return "; the machine has no descriptors left (sysctl fs.file-max)";
    case ENOMEM:
      return "; raise the limit of memory (ulimit -v, or the container's)";
    case EFBIG:
      return "; raise the limit of file sizes (ulimit -f)";
    case EAGAIN:
      return "; raise the limit of processes (ulimit -u, or the container's pids.max)";
    default:
      return "";
  }
}

}  // namespace manta
