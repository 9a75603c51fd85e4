// EXPECT: manta: views own no data
#include <string_view>

#include <manta/manta.h>

auto call(std::string_view text) { return manta::put(text); }
