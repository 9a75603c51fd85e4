// The smallest program: functions that run in other processes, and a value that they share.
//
//   build/release/bin/hello
//
// prints
//
//   Hello, Ada!
//   from another process: yes
//   15 words, the longest is "processes"

#include <unistd.h>

#include <iostream>
#include <sstream>
#include <string>

#include <manta/manta.h>

// A task is a plain function: any types, as long as they are values.
std::string greet(const std::string& name) { return "Hello, " + name + "!"; }

int process_id() { return getpid(); }

// Plain structs travel as they are.
struct Summary {
  int words = 0;
  std::string longest;
};

Summary summarise(const std::string& text) {
  Summary summary;
  std::istringstream stream(text);
  for (std::string word; stream >> word; ++summary.words) {
    if (word.size() > summary.longest.size()) summary.longest = word;
  }
  return summary;
}

int main(int argc, char** argv) {
  auto runtime = manta::init(argc, argv);  // starts the workers; they end with it

  manta::Ref<std::string> greeting = manta::remote<greet>("Ada");  // returns at once
  std::cout << manta::get(greeting) << '\n';                       // waits for the result

  const bool elsewhere = manta::get(manta::remote<process_id>()) != getpid();
  std::cout << "from another process: " << (elsewhere ? "yes" : "no") << '\n';

  // Stored once; any number of tasks may read it, each given the reference in place of the value.
  auto text = manta::put(std::string("a task is a function that runs in one of many processes side by side"));
  const Summary summary = manta::get(manta::remote<summarise>(text));
  std::cout << summary.words << " words, the longest is \"" << summary.longest << "\"\n";
}
