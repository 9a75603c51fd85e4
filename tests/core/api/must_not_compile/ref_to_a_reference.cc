// EXPECT: manta: a Ref refers to a plain type
#include <manta/manta.h>

manta::Ref<const int> ref;
