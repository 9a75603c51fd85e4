// EXPECT: manta: argument 1 is a Ref to another type
#include <manta/manta.h>

int look(manta::Ref<int> ref) { return ref.ready(); }

auto call(const manta::Ref<double>& number) { return manta::remote<look>(number); }
