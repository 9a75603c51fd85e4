#include <torch/torch.h>

#include <iostream>

#include <manta/manta.h>  // added
#include <manta/torch.h>  // added, for tensors as arguments and results

static torch::Tensor twice(torch::Tensor x) { return x * 2; }

int main(int argc, char** argv) {
  auto runtime = manta::init(argc, argv);
  manta::Ref<torch::Tensor> sum = manta::remote<twice>(torch::ones({3}));
  std::cout << "consumer: " << manta::get(sum).sum().item<float>() << std::endl;
}
