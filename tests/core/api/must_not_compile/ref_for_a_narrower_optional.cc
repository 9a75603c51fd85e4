// EXPECT: manta: argument 1 is a Ref to another type
#include <optional>

#include <manta/manta.h>

int half(std::optional<short> x) { return x.value_or(0) / 2; }

auto call(const manta::Ref<int>& number) { return manta::remote<half>(number); }
