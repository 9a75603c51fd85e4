// EXPECT: manta: this type cannot be serialised
#include <sstream>

#include <manta/manta.h>

auto call(std::ostringstream& stream) { return manta::put(std::move(stream)); }
