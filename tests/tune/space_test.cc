// The space function: what is drawn, the order of grids, what is refused, what a resumed study draws.
#include <cmath>
#include <ctime>
#include <map>
#include <set>
#include <string>
#include <tuple>

#include <gmock/gmock.h>

#include "tests/support/message.h"
#include "tune/space/trial_draw.h"

namespace manta::tune {
namespace {

using detail::GridWalk;
using detail::TrialDraw;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// One trial after the other, as Study makes them.
struct Maker {
  explicit Maker(std::uint64_t seed = 0) : searcher(seed) {}

  template <class F>
  auto make(const F& space_function) {
    trial = TrialRecord{.number = next++};
    TrialDraw draw(trial, searcher, grids);
    Space space(draw);
    grids.begin();
    auto config = space_function(space);
    last = grids.end();
    return config;
  }
  template <class F>
  auto again(const F& space_function, const TrialRecord& stored, bool ended) {
    trial = TrialRecord{.number = stored.number};
    TrialDraw draw(trial, searcher, grids, &stored.params, ended);
    Space space(draw);
    grids.begin();
    auto config = space_function(space);
    last = grids.end();
    return config;
  }

  RandomSearcher searcher;
  GridWalk grids;
  TrialRecord trial;
  std::int64_t next = 0;
  bool last = false;
};

TEST(Space, DrawsWhatTheDistributionsSay) {
  Maker maker;
  double sum = 0, log_sum = 0;
  std::map<int, int> integers, log_integers;
  std::map<std::string, int> kernels;
  std::map<bool, int> flags;
  constexpr int kTrials = 4000;
  for (int i = 0; i < kTrials; ++i) {
    maker.make([&](Space& space) {
      const double x = space.uniform("x", -2, 6);
      EXPECT_TRUE(x >= -2 && x < 6);
      sum += x;
      const double rate = space.log_uniform("rate", 1e-4, 1e-1);
      EXPECT_TRUE(rate >= 1e-4 && rate <= 1e-1);
      log_sum += std::log10(rate);
      ++integers[space.integer("layers", -1, 2)];
      ++log_integers[space.log_integer("units", 1, 8)];
      ++kernels[space.choice("kernel", {"rbf", "linear", "poly"})];
      ++flags[space.choice("balanced", {true, false})];
      return 0;
    });
  }
  EXPECT_NEAR(sum / kTrials, 2, 0.12);  // four standard errors
  EXPECT_NEAR(log_sum / kTrials, -2.5, 0.06);
  ASSERT_EQ(integers.size(), 4U);
  for (const auto& [value, count] : integers) EXPECT_NEAR(count, kTrials / 4, 110) << value;
  EXPECT_NEAR(log_integers[1], kTrials * std::log(1.5 / 0.5) / std::log(8.5 / 0.5), 130);
  EXPECT_NEAR(log_integers[8], kTrials * std::log(8.5 / 7.5) / std::log(8.5 / 0.5), 80);
  for (const auto& [value, count] : kernels) EXPECT_NEAR(count, kTrials / 3, 120) << value;
  EXPECT_NEAR(flags[true], kTrials / 2, 130);
}

TEST(Space, DrawsFromAllOfARangeWiderThanADouble) {
  Maker maker;
  int negative = 0;
  for (int i = 0; i < 400; ++i) {
    const double drawn = maker.make([](Space& space) { return space.uniform("x", -1e308, 1.7e308); });
    EXPECT_GT(drawn, -1e308);
    EXPECT_LT(drawn, 1.7e308);
    negative += drawn < 0;
  }
  EXPECT_NEAR(negative, 400 * 1.0 / 2.7, 40);
}

TEST(Space, TenThousandParametersTakeMilliseconds) {
  Maker maker;
  const std::clock_t start = std::clock();
  for (int trial = 0; trial < 5; ++trial) {
    maker.make([](Space& space) {
      for (int i = 0; i < 10'000; ++i) (void)space.uniform("parameter_number_" + std::to_string(i), 0, 1);
      return 0;
    });
  }
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  constexpr double kLimit = 1;
#else
  constexpr double kLimit = 0.05;  // 0.003 on an idle machine
#endif
  EXPECT_LT(static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC / 5, kLimit);
}

TEST(Space, KeepsTheTypesOfChoices) {
  Maker maker;
  maker.make([](Space& space) {
    static_assert(std::is_same_v<decltype(space.choice("a", {1, 2})), int>);
    static_assert(std::is_same_v<decltype(space.choice("a", {"x", "y"})), std::string>);
    static_assert(std::is_same_v<decltype(space.choice("a", {true})), bool>);
    static_assert(std::is_same_v<decltype(space.choice("a", std::vector<float>{1})), float>);
    static_assert(std::is_same_v<decltype(space.integer("a", 1L, 2L)), long>);
    EXPECT_EQ(space.choice("float", std::vector<float>{0.5F}), 0.5F);
    EXPECT_EQ(space.grid("text", std::vector<std::string>{"only"}), "only");
    return 0;
  });
  EXPECT_EQ(maker.trial.params.size(), 2U);
}

TEST(Space, DrawsDependOnSeedNumberAndNameAlone) {
  const auto two = [](Space& space) { return std::tuple(space.uniform("a", 0, 1), space.uniform("b", 0, 1)); };
  const auto other_order = [](Space& space) {
    (void)space.integer("new", 0, 100);
    const double b = space.uniform("b", 0, 1);
    return std::tuple(space.uniform("a", 0, 1), b);
  };
  Maker first(7), second(7), third(8);
  std::set<double> all;
  for (int i = 0; i < 100; ++i) {
    const auto drawn = first.make(two);
    EXPECT_EQ(drawn, second.make(other_order));
    EXPECT_NE(drawn, third.make(two));
    all.insert(std::get<0>(drawn));
    all.insert(std::get<1>(drawn));
  }
  EXPECT_EQ(all.size(), 200U);
}

TEST(Space, TheSameNameGivesTheSameValue) {
  Maker maker;
  maker.make([](Space& space) {
    EXPECT_EQ(space.uniform("x", 0, 1), space.uniform("x", 0, 1));
    EXPECT_THAT(message_of([&] { space.uniform("x", 0, 2); }), HasSubstr("parameter 'x' is asked for twice"));
    return 0;
  });
  EXPECT_EQ(maker.trial.params.size(), 1U);
}

using Combination = std::tuple<std::string, double, int>;

Combination conditional(Space& space) {
  Combination made{"", 0, 0};
  std::get<0>(made) = space.grid("kernel", {"rbf", "linear", "poly"});
  if (std::get<0>(made) == "rbf") std::get<1>(made) = space.grid("gamma", {0.1, 1.0});
  if (std::get<0>(made) == "poly") std::get<2>(made) = space.grid("degree", {2, 3, 4});
  (void)space.uniform("c", 0, 1);
  return made;
}

TEST(Grid, VisitsConditionalCombinationsDepthFirst) {
  Maker maker;
  for (int repetition = 0; repetition < 2; ++repetition) {
    std::vector<Combination> made;
    do made.push_back(maker.make(conditional));
    while (!maker.last);
    EXPECT_THAT(made, ElementsAre(Combination("rbf", 0.1, 0), Combination("rbf", 1, 0), Combination("linear", 0, 0),
                                  Combination("poly", 0, 2), Combination("poly", 0, 3), Combination("poly", 0, 4)));
  }
}

TEST(Grid, IsTheProductOfIndependentOnes) {
  Maker maker;
  std::vector<int> made;
  do {
    made.push_back(maker.make([](Space& space) {
      const int ten = space.grid("tens", {1, 2});
      return 10 * ten + space.grid("ones", {1, 2, 3});
    }));
  } while (!maker.last);
  EXPECT_THAT(made, ElementsAre(11, 12, 13, 21, 22, 23));
}

TEST(Grid, WithoutOneEachTrialIsARepetition) {
  Maker maker;
  maker.make([](Space& space) { return space.uniform("x", 0, 1); });
  EXPECT_TRUE(maker.last);
  EXPECT_FALSE(maker.grids.any());
}

TEST(Grid, GoesOnBehindStoredTrials) {
  Maker before;
  std::vector<TrialRecord> stored;
  for (int i = 0; i < 4; ++i) {
    before.make(conditional);
    stored.push_back(before.trial);
  }
  Maker after;
  for (const TrialRecord& trial : stored) after.again(conditional, trial, trial.number % 2 == 0);
  after.next = 4;
  EXPECT_EQ(after.make(conditional), Combination("poly", 0, 3));
  EXPECT_EQ(before.make(conditional), Combination("poly", 0, 3));
}

TEST(Space, AStoredTrialKeepsItsValues) {
  Maker maker;
  const auto function = [](Space& space) {
    return std::tuple(space.uniform("x", 0, 1), space.choice("k", {"a", "b", "c"}));
  };
  const auto drawn = maker.make(function);
  const TrialRecord stored = maker.trial;
  Maker other(99);  // another seed: nothing is drawn anew
  EXPECT_EQ(other.again(function, stored, false), drawn);
  EXPECT_EQ(other.again(function, stored, true), drawn);
}

TEST(Space, OfAChangedSpaceWhatIsStillAllowedStays) {
  TrialRecord stored;
  const auto choices = std::make_shared<const std::vector<Value>>(std::vector<Value>{"gone", "kept"});
  stored.params = {{"x", {.low = 0, .high = 1, .choices = nullptr}, 0.25},
                   {"far", {.low = 0, .high = 9, .choices = nullptr}, 8},
                   {"kept", {.kind = Distribution::Kind::categorical, .choices = choices}, 1},
                   {"gone", {.kind = Distribution::Kind::categorical, .choices = choices}, 0},
                   {"removed", {.low = 0, .high = 1, .choices = nullptr}, 0.5}};
  const auto function = [](Space& space) {
    return std::tuple(space.uniform("x", 0, 2), space.uniform("far", 0, 2),
                      space.choice("kept", {"new", "other", "kept"}), space.choice("gone", {"a", "b"}),
                      space.uniform("added", 5, 6));
  };
  Maker maker;
  const auto [x, far, kept, gone, added] = maker.again(function, stored, false);
  EXPECT_EQ(x, 0.25);
  EXPECT_LE(far, 2);
  EXPECT_EQ(kept, "kept");
  EXPECT_TRUE(gone == "a" || gone == "b");
  EXPECT_TRUE(added >= 5 && added <= 6);
  EXPECT_EQ(maker.trial.params.size(), 5U);
  EXPECT_EQ(maker.trial.params[2].number, 2);  // its place among the choices of today
  // One that has ended is shown as it was.
  const auto ended = maker.again(function, stored, true);
  EXPECT_EQ(std::get<1>(ended), 8);
  EXPECT_EQ(std::get<3>(ended), "gone");
}

TEST(Space, AQueuedTrialHasTheValuesThatItWasGiven) {
  const Params fixed{
      {"x", std::int64_t{1}}, {"kernel", "poly"}, {"layers", 3.0}, {"flag", std::int64_t{1}}, {"unknown", 7.0}};
  TrialRecord trial;
  RandomSearcher searcher;
  GridWalk grids;
  TrialDraw draw(trial, searcher, grids, nullptr, false, &fixed);
  Space space(draw);
  EXPECT_EQ(space.uniform("x", 0, 2), 1);
  EXPECT_EQ(space.grid("kernel", {"rbf", "poly"}), "poly");
  EXPECT_EQ(space.integer("layers", 1, 4), 3);
  EXPECT_TRUE(space.choice("flag", {false, true}));
  EXPECT_GE(space.uniform("y", 5, 6), 5);
  EXPECT_EQ(trial.params.size(), 5U);
  const Params wrong{{"x", 3.0}, {"kernel", "linear"}, {"text", "1"}};
  TrialRecord other;
  TrialDraw refusing(other, searcher, grids, nullptr, false, &wrong);
  Space refused(refusing);
  EXPECT_THAT(message_of([&] { refused.uniform("x", 0, 2); }), HasSubstr("is to try the value 3 for 'x'"));
  EXPECT_THAT(message_of([&] { refused.choice("kernel", {"rbf", "poly"}); }), HasSubstr("linear for 'kernel'"));
  EXPECT_THAT(message_of([&] { refused.uniform("text", 0, 2); }), HasSubstr("1 for 'text'"));
}

TEST(Space, RefusesWhatCannotBeDrawn) {
  const auto message = [](const auto& ask) {
    Maker maker;
    return message_of([&] {
      maker.make([&](Space& space) {
        ask(space);
        return 0;
      });
    });
  };
  EXPECT_THAT(message([](Space& s) { s.uniform("x", 2, 1); }), HasSubstr("'x': the range [2, 1] is empty"));
  EXPECT_THAT(message([](Space& s) { s.uniform("x", 0, INFINITY); }), HasSubstr("two finite numbers"));
  EXPECT_THAT(message([](Space& s) { s.uniform("x", NAN, 1); }), HasSubstr("two finite numbers"));
  EXPECT_THAT(message([](Space& s) { s.log_uniform("x", 0, 1); }), HasSubstr("begin above 0"));
  EXPECT_THAT(message([](Space& s) { s.log_integer("n", 0, 8); }), HasSubstr("begin above 0"));
  EXPECT_THAT(message([](Space& s) { s.integer("n", 0L, 1L << 60); }), HasSubstr("beyond 2^53"));
  EXPECT_THAT(message([](Space& s) { s.choice("k", std::vector<int>{}); }),
              HasSubstr("'k': there is nothing to choose from"));
  EXPECT_THAT(message([](Space& s) { s.grid("k", {1.0, double{NAN}}); }), HasSubstr("'k': a choice is not finite"));
}

struct Constant : Searcher {
  explicit Constant(double given) : number(given) {}
  double suggest(const TrialRecord&, std::string_view, const Distribution&) override { return number; }
  double number;
};

TEST(Space, RefusesASearcherThatSuggestsWhatIsNotThere) {
  GridWalk grids;
  const auto draw = [&](double number, const auto& ask) {
    Constant searcher(number);
    TrialRecord trial;
    TrialDraw answers(trial, searcher, grids);
    Space space(answers);
    ask(space);
  };
  draw(2, [](Space& s) { EXPECT_EQ(s.choice("k", {"a", "b", "c"}), "c"); });
  EXPECT_THAT(message_of([&] { draw(3, [](Space& s) {
                                 s.choice("k", {"a", "b", "c"});
                               }); }),
              HasSubstr("the searcher suggests 3 for 'k'"));
  EXPECT_THAT(message_of([&] { draw(1.5, [](Space& s) { s.integer("n", 0, 4); }); }),
              HasSubstr("suggests 1.5 for 'n'"));
  EXPECT_THAT(message_of([&] { draw(NAN, [](Space& s) { s.uniform("x", 0, 4); }); }),
              HasSubstr("suggests NaN for 'x'"));
}

}  // namespace
}  // namespace manta::tune
