// EXPECT: manta: parameter 1 of the function is a view
#include <string_view>

#include <manta/manta.h>

std::size_t length(std::string_view text) { return text.size(); }

auto call() { return manta::remote<length>("text"); }
