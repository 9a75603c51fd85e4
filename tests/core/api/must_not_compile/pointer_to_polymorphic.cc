// EXPECT: manta: pointers to polymorphic types and to types with load_and_construct are cereal
#include <memory>

#include <manta/manta.h>

struct Shape {
  virtual ~Shape() = default;
};

void call() { (void)manta::put(std::make_shared<Shape>()); }
