// EXPECT: manta: this compiler destroys a temporary aggregate in co_yield twice
#include <string>

#include <manta/manta.h>

struct Row {
  std::string name;
  int value;
};

manta::Generator<Row> rows() { co_yield Row{"first", 1}; }
