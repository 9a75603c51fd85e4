// EXPECT: this_field_cannot_be_serialised() [with auto Field = (& example<Run>.Example<Run>::value.Run::config)]
#include <mutex>
#include <string>

#include <manta/manta.h>

struct Config {
  std::string name;
  std::mutex mutex;
};
struct Run {
  int number = 0;
  Config config;
};

auto call(const Run& run) { return manta::put(run); }
