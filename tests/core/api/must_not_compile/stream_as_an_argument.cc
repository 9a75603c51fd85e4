// EXPECT: manta: parameter 1 of the function is a Stream, which belongs to the process that made the call
#include <manta/manta.h>

int sum(manta::Stream<int> items) { return items.next().value_or(0); }

auto call(manta::Stream<int> items) { return manta::remote<sum>(std::move(items)); }
