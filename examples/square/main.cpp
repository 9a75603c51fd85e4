// Many tasks: results as arguments of further tasks, waiting for some, taking them as they come.
//
//   build/release/bin/square
//
// prints
//
//   2^4 = 16
//   3^2 + 4^2 = 25
//   3 of 10 are ready
//   sum of squares below 10: 285
//   square(-1) failed: std::domain_error: square of a negative number

#include <iostream>
#include <stdexcept>
#include <vector>

#include <manta/manta.h>

int square(int x) {
  if (x < 0) throw std::domain_error("square of a negative number");
  return x * x;
}

int add(int a, int b) { return a + b; }

int main(int argc, char** argv) {
  auto runtime = manta::init(argc, argv);

  // A result that does not exist yet is an argument like any other; the second task starts when the first is done.
  manta::Ref<int> four = manta::remote<square>(2);
  manta::Ref<int> sixteen = manta::remote<square>(four);
  std::cout << "2^4 = " << manta::get(sixteen) << '\n';

  // A graph: the two squares may run at the same time, the sum after both.
  manta::Ref<int> sum_of_two = manta::remote<add>(manta::remote<square>(3), manta::remote<square>(4));
  std::cout << "3^2 + 4^2 = " << manta::get(sum_of_two) << '\n';

  std::vector<manta::Ref<int>> squares;
  for (int i = 0; i < 10; ++i) squares.push_back(manta::remote<square>(i));

  // Brings the first three to be ready to the front, whichever they are.
  const std::size_t ready = manta::wait(squares, {.count = 3});
  std::cout << ready << " of " << squares.size() << " are ready\n";

  int sum = 0;
  for (auto& ref : manta::as_completed(squares)) sum += manta::get(ref);
  std::cout << "sum of squares below 10: " << sum << '\n';

  // What a task throws arrives where its result is asked for.
  try {
    std::cout << manta::get(manta::remote<square>(-1)) << '\n';
  } catch (const manta::TaskError& error) {
    std::cout << "square(-1) failed: " << error.task()->type << ": " << error.task()->what << '\n';
  }
}
