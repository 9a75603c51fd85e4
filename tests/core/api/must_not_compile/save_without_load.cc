// EXPECT: manta: this type needs exactly one way to save and one to load
#include <manta/manta.h>

struct Model {
  int size = 0;
  template <class Archive>
  void save(Archive& archive) const {
    archive(size);
  }
};

auto call() { return manta::put(Model{}); }
