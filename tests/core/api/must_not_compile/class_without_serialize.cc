// EXPECT: manta: parameter 1 of the function has a type that cannot be serialised
#include <string>

#include <manta/manta.h>

class Model {
 public:
  Model() = default;
  int size() const { return size_; }

 private:
  int size_ = 0;
  std::string name_;
};
int train(const Model& model) { return model.size(); }

auto call() { return manta::remote<train>(Model()); }
