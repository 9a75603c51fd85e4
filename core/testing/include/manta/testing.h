// For tests of programs that use Manta. Link manta::testing, which brings GoogleTest.
#pragma once

#include <manta/options.h>
#include <manta/runtime.h>

namespace manta::testing {

/// The main function of a GoogleTest program: calls manta::init first, so that worker processes that execute the
/// program again become workers and run no test, then all tests, with one runtime for them all.
///
/// Returns what main should return. An error of init is printed, and gives 1. Run such a test twice, with MANTA_ZYGOTE
/// set to fork and to exec: what only works in workers that share the state before init shows in the second.
///
/// **Threading**: call it in main. **Ownership**: the runtime ends before it returns.
///
///     int square(int x) { return x * x; }
///     TEST(Square, OfTwo) { EXPECT_EQ(manta::get(manta::remote<square>(2)), 4); }
///     int main(int argc, char** argv) { return manta::testing::main(argc, argv, {.num_cpus = 2}); }
int main(int argc, char** argv, const InitOptions& options = {});

/// The runtime of main, for a test that needs another: it shuts it down and assigns what init returns. Throws
/// Error(unavailable) outside of main.
Runtime& runtime();

}  // namespace manta::testing
