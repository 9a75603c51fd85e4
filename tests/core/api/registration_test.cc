// Which function a task runs: same names in several files, static libraries, dlopen, other processes. Built at -O0 and
// at -O2, with --gc-sections.
#include <dlfcn.h>

#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "core/client/function_table.h"
#include "tests/core/api/fake_runtime.h"
#include "tests/core/api/same_names.h"

namespace manta::testing {
namespace {

int here(int x) { return 400 + x; }

std::uint32_t module_of(detail::FunctionId id) { return static_cast<std::uint32_t>(id.value >> 32); }

TEST(Registration, SameNamesInTwoFilesAreDifferentFunctions) {
  EXPECT_EQ(results_of_a(), (std::vector{101, 111, 121, 130, 141, 152, 161, 171, 181}));
  EXPECT_EQ(results_of_b(), (std::vector{201, 211, 221, 230, 241, 252, 261, 271, 281}));
}

TEST(Registration, AHeadersFunctionMayHaveSeveralIds) {
  for (const auto& ids : {shared_ids_of_a(), shared_ids_of_b()}) {
    for (const detail::FunctionId id : ids) EXPECT_NE(detail::find_function(id), nullptr);
    EXPECT_NE(ids[0], ids[1]);
  }
}

TEST(Registration, InAStaticLibrary) {
  EXPECT_EQ(get(submit_from_static_library(1)), 301);
  EXPECT_EQ(module_of(id_in_static_library()), module_of(detail::Registration<here, ThisFile>::id));
}

TEST(Registration, IndicesAreSmallAndDistinct) {
  std::set<std::uint64_t> ids{id_in_static_library().value, detail::Registration<here, ThisFile>::id.value};
  for (const auto& some : {shared_ids_of_a(), shared_ids_of_b()}) {
    for (const detail::FunctionId id : some) ids.insert(id.value);
  }
  EXPECT_EQ(ids.size(), 6u);
  for (const std::uint64_t id : ids) EXPECT_LT(static_cast<std::uint32_t>(id), 100u);
}

TEST(Registration, UnknownFunctionsAreExplained) {
  EXPECT_EQ(detail::find_function({}), nullptr);
  EXPECT_EQ(detail::find_function({0x1234567800000003}), nullptr);
  const Error other = detail::unknown_function({0x1234567800000003});
  EXPECT_EQ(other.code(), ErrorCode::not_found);
  EXPECT_NE(other.message().find("12345678:3"), std::string::npos) << other.message();
  EXPECT_NE(other.message().find("different programs"), std::string::npos) << other.message();

  const detail::FunctionId beyond{detail::Registration<here, ThisFile>::id.value | 0xffffff};
  EXPECT_EQ(detail::find_function(beyond), nullptr);
}

class Library {
 public:
  // The environment variable names the file.
  explicit Library(const char* variable) {
    const char* file = std::getenv(variable);
    if (file == nullptr) throw std::runtime_error(std::string(variable) + " is not set; run the test by ctest");
    handle_ = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    if (handle_ == nullptr) throw std::runtime_error(dlerror());
  }
  ~Library() { dlclose(handle_); }
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;
  int run(int x) const { return reinterpret_cast<int (*)(int)>(dlsym(handle_, "plugin_run"))(x); }
  detail::FunctionId id() const { return {reinterpret_cast<std::uint64_t (*)()>(dlsym(handle_, "plugin_id"))()}; }

 private:
  void* handle_ = nullptr;
};

TEST(Plugins, HaveTablesOfTheirOwn) {
  const Library first("MANTA_PLUGIN_1");
  EXPECT_EQ(first.run(1), 501 + 1);
  const Library second("MANTA_PLUGIN_2");  // without a build id
  EXPECT_EQ(second.run(1), 601 + 1);
  EXPECT_EQ(first.run(2), 502 + 1);
  const std::set<std::uint32_t> modules{module_of(first.id()), module_of(second.id()),
                                        module_of(detail::Registration<here, ThisFile>::id)};
  EXPECT_EQ(modules.size(), 3u);
  EXPECT_EQ(get(remote<here>(1)), 401);
}

TEST(Plugins, MayBeClosedAndOpenedAgain) {
  detail::FunctionId id;
  {
    const Library library("MANTA_PLUGIN_1");
    id = library.id();
    EXPECT_NE(detail::find_function(id), nullptr);
  }
  EXPECT_EQ(detail::find_function(id), nullptr);
  EXPECT_NE(detail::unknown_function(id).message().find("closed"), std::string::npos);
  const Library again("MANTA_PLUGIN_1");
  EXPECT_EQ(again.id(), id);
  EXPECT_EQ(again.run(1), 501 + 1);
}

TEST(Plugins, ComeAndGoWhileOthersLookUp) {
  const detail::FunctionId mine = detail::Registration<here, ThisFile>::id;
  const detail::FunctionId theirs = Library("MANTA_PLUGIN_1").id();
  std::atomic<bool> stop = false;
  std::atomic<std::size_t> lost = 0;
  std::vector<std::thread> readers;
  for (int i = 0; i < 2; ++i) {
    readers.emplace_back([&] {
      while (!stop) {
        lost += detail::find_function(mine) == nullptr ? 1 : 0;
        (void)detail::find_function(theirs);  // there or not
      }
    });
  }
  for (int round = 0; round < 50; ++round) {
    const Library library("MANTA_PLUGIN_1");
    EXPECT_EQ(library.id(), theirs);
    EXPECT_NE(detail::find_function(theirs), nullptr);
  }
  stop = true;
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(lost, 0u);
}

std::string all_ids() {
  std::string text;
  const auto add = [&](detail::FunctionId id) { text += std::to_string(id.value) + "\n"; };
  for (const auto& ids : {shared_ids_of_a(), shared_ids_of_b()}) {
    for (const detail::FunctionId id : ids) add(id);
  }
  add(id_in_static_library());
  add(detail::Registration<here, ThisFile>::id);
  add(Library("MANTA_PLUGIN_2").id());  // in the opposite order
  add(Library("MANTA_PLUGIN_1").id());
  return text;
}

TEST(Processes, OfOneProgramAgree) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> other(popen("/proc/$PPID/exe --print-ids", "r"), pclose);
  ASSERT_NE(other, nullptr);
  std::string text;
  std::array<char, 256> buffer;
  while (std::fgets(buffer.data(), buffer.size(), other.get()) != nullptr) text += buffer.data();
  const Library first("MANTA_PLUGIN_1");
  EXPECT_EQ(text, all_ids());
}

}  // namespace
}  // namespace manta::testing

int main(int argc, char** argv) {
  if (argc == 2 && std::strcmp(argv[1], "--print-ids") == 0) {
    std::fputs(manta::testing::all_ids().c_str(), stdout);
    return 0;
  }
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
