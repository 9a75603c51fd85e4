#include "tests/core/api/same_names.h"

namespace manta::testing {
namespace {

constexpr int kMine = 100;

int function(int x) { return kMine + x; }
template <int N>
int function_template(int x) {
  return kMine + N + x;
}
struct Class {
  static int method(int x) { return kMine + 20 + x; }
  static int virtual_like(const Class&) { return kMine + 30; }
  int operator()(int x) const { return kMine + 40 + x; }
  int field = 0;
};
struct Value {
  int number = 0;
};
Value make_value(int x) { return {kMine + 50 + x}; }
int read_value(const Value& value) { return value.number + 1; }

}  // namespace

std::vector<int> results_of_a() {
  struct Local {
    int operator()(int x) const { return kMine + 60 + x; }
  };
  const auto lambda = [](int x) { return kMine + 70 + x; };
  return {get(remote<function>(1)),
          get(remote<function_template<10>>(1)),
          get(remote<Class::method>(1)),
          get(remote<Class::virtual_like>(Class{})),
          get(remote<Class{}>(1)),
          get(remote<read_value>(remote<make_value>(1))),
          get(remote<Local{}>(1)),
          get(remote<lambda>(1)),
          get(remote<[](int x) { return kMine + 80 + x; }>(1))};
}

std::vector<detail::FunctionId> shared_ids_of_a() {
  return {detail::Registration<shared_increment, ThisFile>::id,
          detail::Registration<shared_template<int>, ThisFile>::id};
}

}  // namespace manta::testing
