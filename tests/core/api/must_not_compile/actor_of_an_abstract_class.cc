// EXPECT: manta: actor<T>: T is abstract
#include <manta/manta.h>

struct Shape {
  virtual ~Shape() = default;
  virtual double area() const = 0;
};

auto call() { return manta::actor<Shape>(); }
