// Workers' output on the driver's terminal. Each test runs a whole program (this one, with --program=NAME).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <iostream>
#include <map>
#include <string>
#include <vector>

#include <manta/manta.h>

#include "tests/e2e/program_run.h"

namespace {

using manta::e2e::lines_of;
using manta::e2e::ProgramRun;
using manta::e2e::run_program;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

// --- what the programs run in workers

int square(int x) {
  std::printf("printf %d\n", x);
  std::cout << "cout " << x << '\n';
  std::cerr << "cerr " << x << '\n';
  (void)!::write(1, "write\n", 6);
  (void)!::system("echo child; echo child failed >&2");
  return x * x;
}
int first(int n) {
  std::printf("first %d\n", n);
  return n;
}
int second(int n) {
  std::printf("second %d\n", n);
  return n;
}
int talks(int n) {
  std::printf("talks %d\n", n);
  ::usleep(20'000);  // by then the node has read it
  return n;
}
int inner(int n) {
  std::printf("inner\n");
  return n;
}
int outer(int n) {
  std::printf("before\n");
  const int value = manta::get(manta::remote<inner>(n));
  std::printf("after\n");
  return value;
}
void dies(int) {
  std::printf("a line\n");
  (void)!::write(1, "half a line", 11);
  (void)!::write(2, "its last words", 14);
  ::kill(::getpid(), SIGKILL);
}
void floods(int lines) {
  for (int i = 0; i < lines; ++i) std::printf("line %08d of a flood %s\n", i, std::string(40, 'x').c_str());
}
void prints_long(int bytes) { std::printf("%s\n", std::string(static_cast<std::size_t>(bytes), 'y').c_str()); }
struct Greeter {
  explicit Greeter(int) { std::printf("made\n"); }
  ~Greeter() { std::printf("ended\n"); }
  int greet(int n) {
    std::printf("hello\n");
    std::fprintf(stderr, "hello\n");
    return n;
  }
};

void progresses(int steps) {
  for (int i = 1; i <= steps; ++i) {
    std::printf("\rstep %d", i);
    std::fflush(stdout);
  }
  std::printf("\rdone\n");
}
template <class T>
T twice(T x) {
  std::printf("twice\n");
  return 2 * x;
}

// --- programs

void print_all() { (void)manta::get(manta::remote<square>(3)); }
void alternate() {
  (void)manta::get(manta::remote<talks>.options({.num_cpus = 2})(1));
  std::vector<manta::Ref<int>> refs;
  for (int i = 0; i < 200; ++i) {
    refs.push_back(manta::remote<first>.options({.num_cpus = 2})(i));  // the same worker
    refs.push_back(manta::remote<second>.options({.num_cpus = 2})(i));
  }
  for (auto& ref : refs) (void)manta::get(ref);
}
void nest() { (void)manta::get(manta::remote<outer>(1)); }
void die() {
  const auto result = manta::try_get(manta::remote<dies>.options({.max_retries = 0})(1));
  if (result) std::abort();
}
void greet() {
  std::vector<manta::Actor<Greeter>> all;
  for (int i = 0; i < 4; ++i) all.push_back(manta::actor<Greeter>(i));
  for (auto& greeter : all) (void)manta::get(greeter.call<&Greeter::greet>(1));
}
void flood() {
  manta::get(manta::remote<floods>(400'000));
  rusage use = {};
  ::getrusage(RUSAGE_SELF, &use);
  std::fprintf(stderr, "peak %ld\n", use.ru_maxrss);
}
void long_line() { manta::get(manta::remote<prints_long>(100'000)); }

void progress() { manta::get(manta::remote<progresses>(2)); }
void labels() {
  (void)manta::get(manta::remote<inner>.options({.name = "fold 7"})(1));
  (void)manta::get(manta::remote<inner>(1));
  const auto argument = manta::put(1);
  (void)manta::get(manta::remote<inner>.options({.name = "fold 8"})(argument));
  (void)manta::get(manta::remote<twice<double>>(0.5));
  const auto greeter = manta::actor<Greeter>.options({.name = "host"})(1);
  (void)manta::get(greeter.call<&Greeter::greet>(1));
}

const std::map<std::string, std::function<void()>> programs{
    {"progress", progress}, {"labels", labels}, {"print_all", print_all}, {"alternate", alternate}, {"nest", nest},
    {"die", die},           {"greet", greet},   {"flood", flood},         {"long_line", long_line}};

ProgramRun run(const std::string& program, const std::vector<std::string>& environment = {}) {
  ProgramRun result = run_program({"--program=" + program}, environment);
  EXPECT_TRUE(result.in_time) << program;
  EXPECT_EQ(result.status, 0) << result.err;
  return result;
}

}  // namespace

TEST(Output, OfEveryKindReachesTheDriverWithAPrefix) {
  const ProgramRun result = run("print_all");
  EXPECT_THAT(lines_of(result.out), ElementsAre("(square pid=#) child", "(square pid=#) cout 3",
                                                "(square pid=#) printf 3", "(square pid=#) write"));
  EXPECT_THAT(lines_of(result.err), ElementsAre("(square pid=#) cerr 3", "(square pid=#) child failed"));
}

TEST(Output, GoesStraightToTheTerminalWhereThatIsAskedFor) {
  const ProgramRun result = run("print_all", {"MANTA_LOG_TO_DRIVER=0"});
  EXPECT_THAT(lines_of(result.out), ElementsAre("child", "cout 3", "printf 3", "write"));
  EXPECT_THAT(lines_of(result.err), ElementsAre("cerr 3", "child failed"));
}

TEST(Output, NamesTheFunctionThatPrintedIt) {
  const ProgramRun result = run("alternate");
  const std::vector<std::string> lines = lines_of(result.out);
  ASSERT_EQ(lines.size(), 401u);
  for (const std::string& line : lines) {
    const std::string name = line.substr(1, line.find(' ') - 1);
    EXPECT_THAT(line, HasSubstr("pid=#) " + name + " "));
  }
}

TEST(Output, OfAProgressBarIsShownAsItComes) {
  const ProgramRun result = run("progress");
  const std::vector<std::string> lines = lines_of(result.out);
  ASSERT_EQ(lines.size(), 1u) << result.out;
  EXPECT_THAT(lines[0], HasSubstr("(progresses pid=#) step 2\r"));
  EXPECT_TRUE(lines[0].ends_with("\r(progresses pid=#) done")) << lines[0];
}

TEST(Output, IsLabelledAsTheOptionsSay) {
  const ProgramRun result = run("labels");
  EXPECT_THAT(lines_of(result.out),
              ElementsAre("(fold 7 pid=#) inner", "(fold 8 pid=#) inner", "(host pid=#) ended", "(host pid=#) hello",
                          "(host pid=#) made", "(inner pid=#) inner", "(twice<double> pid=#) twice"));
}

TEST(Output, OfATaskOnAnothersStackIsItsOwn) {
  const ProgramRun result = run("nest");
  EXPECT_THAT(lines_of(result.out), ElementsAre("(inner pid=#) inner", "(outer pid=#) after", "(outer pid=#) before"));
}

TEST(Output, OfAKilledWorkerIsShownToItsLastByte) {
  const ProgramRun result = run("die");
  EXPECT_THAT(lines_of(result.out), ElementsAre("(dies pid=#) a line", "(dies pid=#) half a line"));
  EXPECT_THAT(lines_of(result.err), ElementsAre("(dies pid=#) its last words"));
}

TEST(Output, OfTheSameTextBySeveralWorkersIsFolded) {
  const ProgramRun result = run("greet");
  EXPECT_THAT(lines_of(result.out), ElementsAre("(Greeter pid=#) ended", "(Greeter pid=#) ended [repeated 3x]",
                                                "(Greeter pid=#) hello", "(Greeter pid=#) hello [repeated 3x]",
                                                "(Greeter pid=#) made", "(Greeter pid=#) made [repeated 3x]"));
  EXPECT_THAT(lines_of(result.err), ElementsAre("(Greeter pid=#) hello", "(Greeter pid=#) hello [repeated 3x]"));
}

TEST(Output, IsNotFoldedWhereThatIsAskedFor) {
  const ProgramRun result = run("greet", {"MANTA_FOLD_OUTPUT=0"});
  EXPECT_EQ(lines_of(result.out).size(), 12u);
  EXPECT_THAT(result.out, Not(HasSubstr("repeated")));
}

TEST(Output, OfAFloodIsCompleteAndTakesLittleMemory) {
  const ProgramRun result = run("flood");
  EXPECT_EQ(std::count(result.out.begin(), result.out.end(), '\n'), 400'000);
  EXPECT_THAT(result.out, HasSubstr("line 00399999 of a flood"));
  const std::size_t at = result.err.find("peak ");
  ASSERT_NE(at, std::string::npos) << result.err;
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  EXPECT_LT(std::atol(result.err.c_str() + at + 5), 64 * 1024);  // KiB, of a flood of 26 MB
#endif
}

TEST(Output, OfALineWithoutEndIsCut) {
  const ProgramRun result = run("long_line");
  EXPECT_EQ(std::count(result.out.begin(), result.out.end(), 'y'), 100'000);
  EXPECT_EQ(std::count(result.out.begin(), result.out.end(), '\n'), 4);
}

int main(int argc, char** argv) {
  if (argc == 2 && std::strncmp(argv[1], "--program=", 10) == 0) {
    auto runtime = manta::init(argc, argv, {.num_cpus = 2, .num_gpus = 0});
    programs.at(argv[1] + 10)();
    return 0;
  }
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
