// EXPECT: manta: the function's result has a type that cannot be serialised
#include <string>
#include <string_view>

#include <manta/manta.h>

std::string_view head(const std::string& text) { return std::string_view(text).substr(0, 1); }

auto call() { return manta::remote<head>("text"); }
