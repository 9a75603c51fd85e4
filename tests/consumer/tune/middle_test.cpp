#include <memory>

#include <gtest/gtest.h>

#include <manta/tune.h>
#include <manta/tune/testing.h>

namespace tune = manta::tune;

// A searcher of one's own, held to what fit() relies on.
class Middle : public tune::Searcher {
 public:
  double suggest(const tune::TrialRecord&, std::string_view, const tune::Distribution& of) override {
    if (of.kind == tune::Distribution::Kind::categorical) return 0;
    const double middle = (of.low + of.high) / 2;
    return of.kind == tune::Distribution::Kind::integer ? static_cast<double>(static_cast<long>(middle)) : middle;
  }
  bool learns() const override { return false; }
};
using tune::testing::SearcherSuite;
INSTANTIATE_TEST_SUITE_P(Middle, SearcherSuite,
                         ::testing::Values(tune::testing::SearcherCase{
                             "Middle", [](std::uint64_t) { return std::make_shared<Middle>(); }, false}));
