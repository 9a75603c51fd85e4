// script_model_writer FILE: a TorchScript model of two inputs and two outputs: scaled = 2 a + b, and its rows' sums.
#include <torch/script.h>

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  torch::jit::Module module("model");
  module.define(R"(
    def forward(self, a, b):
      scaled = a * 2 + b
      return scaled, scaled.sum(1)
  )");
  module.save(argv[1]);
  return 0;
}
