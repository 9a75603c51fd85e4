#include <iostream>

#include <manta/manta.h>

int square(int x) { return x * x; }

int main(int argc, char** argv) {
  auto runtime = manta::init(argc, argv);
  manta::Ref<int> four = manta::remote<square>(2);
  manta::Ref<int> sixteen = manta::remote<square>(four);
  std::cout << "consumer: " << manta::get(sixteen) << std::endl;
}
