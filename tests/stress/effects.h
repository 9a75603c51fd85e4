// What tasks did, recorded past Manta: one cell for each task of the whole run, in memory that all processes share.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace manta::stress {

class Effects {
 public:
  static constexpr std::uint32_t kTasks = 8'000'000;
  static constexpr std::uint32_t kMarks = 1 << 20;

  // Makes the memory, or finds it in a worker that was executed. First line of main, before init.
  static void prepare();

  static void started(std::uint32_t task) { cell(task).fetch_add(1); }
  static void ended(std::uint32_t task) { cell(task).fetch_add(1U << 16); }
  static std::uint32_t starts(std::uint32_t task) { return cell(task).load() & 0xffff; }
  static std::uint32_t ends(std::uint32_t task) { return cell(task).load() >> 16; }
  // For whatever a program notes beside that; 0 in the beginning.
  static std::atomic<std::uint32_t>& mark(std::uint32_t index) { return cells_[kTasks + index % kMarks]; }

 private:
  static std::atomic<std::uint32_t>& cell(std::uint32_t task) { return cells_[task % kTasks]; }
  static std::atomic<std::uint32_t>* cells_;
};

// Processes of the run, asked of the kernel.
struct Family {
  // Below the driver: the guard's child.
  static int node_process();
  // A random worker, or now and then the zygote; 0: none. word: random bits.
  static int victim(int node, std::uint64_t word);
  static bool is_worker(int node, int pid);
  static int count(int node);  // children of the node process
  static std::size_t descriptors(int pid);
  static std::size_t mappings(int pid);  // of the runtime's memory
  static std::size_t resident_kib(int pid);
};

}  // namespace manta::stress
