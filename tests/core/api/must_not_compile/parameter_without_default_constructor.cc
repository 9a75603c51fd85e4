// EXPECT: manta: parameter 1 of the function needs a default constructor
#include <manta/manta.h>

struct Model {
  explicit Model(int n) : size(n) {}
  template <class Archive>
  void serialize(Archive& archive) {
    archive(size);
  }
  int size;
};
int train(const Model& model) { return model.size; }

auto call() { return manta::remote<train>(Model(3)); }
