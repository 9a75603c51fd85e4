// EXPECT: manta: this type has a bit-field
#include <string>

#include <manta/manta.h>

struct Flags {
  std::string name;
  unsigned ready : 1;
  unsigned level : 7;
};
int use(const Flags&) { return 1; }

auto call() { return manta::put(Flags{}); }
